"""Writing to a descriptor at once where there is room, and as trio does where there is none."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from callboard.fd_stream import PromptFdStream

MORE_THAN_FITS = 1_000_000


@pytest.fixture
def pipe() -> Iterator[tuple[int, PromptFdStream]]:
    reader, writer = os.pipe()
    yield reader, PromptFdStream(writer)
    os.close(reader)


async def read(fd: int, number: int) -> bytes:
    """Read so many bytes, waiting for them."""
    data = b""
    while len(data) < number:
        await trio.lowlevel.wait_readable(fd)
        data += os.read(fd, number - len(data))
    return data


async def test_what_fits_is_written_before_any_other_task_runs(
    pipe: tuple[int, PromptFdStream],
) -> None:
    reader, stream = pipe
    os.set_blocking(reader, False)
    seen: list[bytes] = []

    async def look() -> None:
        seen.append(os.read(reader, 100))

    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await stream.send_all(b"now")
    assert seen == [b"now"]


async def test_what_does_not_fit_follows_when_there_is_room(
    pipe: tuple[int, PromptFdStream],
) -> None:
    reader, stream = pipe
    data = bytes(range(250)) * (MORE_THAN_FITS // 250)
    async with stream, trio.open_nursery() as nursery:
        nursery.start_soon(stream.send_all, data)
        await wait_all_tasks_blocked()
        assert await read(reader, len(data)) == data


async def test_a_sender_finds_out_that_nobody_reads() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    async with PromptFdStream(writer) as stream:
        with pytest.raises(trio.BrokenResourceError):
            await stream.send_all(b"into the void")


async def test_a_closed_stream_takes_nothing(pipe: tuple[int, PromptFdStream]) -> None:
    _, stream = pipe
    await stream.aclose()
    with pytest.raises(trio.ClosedResourceError):
        await stream.send_all(b"too late")


async def test_a_cancelled_send_writes_nothing(pipe: tuple[int, PromptFdStream]) -> None:
    reader, stream = pipe
    os.set_blocking(reader, False)
    async with stream:
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.send_all(b"never")
        assert scope.cancelled_caught
        with pytest.raises(BlockingIOError):
            os.read(reader, 100)


async def test_a_send_is_a_checkpoint_also_when_all_of_it_fits(
    pipe: tuple[int, PromptFdStream],
) -> None:
    _, stream = pipe
    async with stream:
        with trio.testing.assert_checkpoints():
            await stream.send_all(b"fits")
        with trio.testing.assert_checkpoints():
            await stream.wait_send_all_might_not_block()
