"""Virtual files go on time."""

from __future__ import annotations

import trio
import trio.testing

from callboard.actors.storage.expiry import remove_on_time
from callboard.virtual_files import VirtualFiles


async def test_the_memory_of_a_file_is_freed_when_its_time_is_over(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    files = VirtualFiles(trio.current_time)
    nursery.start_soon(remove_on_time, files)
    await trio.sleep(100)
    url = files.add(b"first")
    await trio.sleep(30)
    files.add(b"second")
    kept: list[tuple[float, int]] = []
    started = trio.current_time()
    for _ in range(4):
        await trio.sleep(15.5)
        # What is held, not what can be read: reading would remove it as well.
        kept.append((trio.current_time() - started, len(files._files)))
    assert kept == [(15.5, 2), (31.0, 1), (46.5, 1), (62.0, 0)]
    assert files.read(url) is None
    url = files.add(b"third")
    await trio.sleep(59)
    assert files.read(url) is not None
    nursery.cancel_scope.cancel()
