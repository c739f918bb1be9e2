"""Faults of a byte stream that comes in."""

from __future__ import annotations

import attrs
import trio
from trio.abc import ReceiveStream

from callboard.testing.faults.catalogue import Point
from callboard.testing.faults.injection import Faults


@attrs.define(eq=False, slots=False)
class DisturbedStream(ReceiveStream):
    """A stream that comes byte by byte, or ends or breaks after the ``nth`` byte, as the plan says."""

    inner: ReceiveStream
    faults: Faults
    _received: int = attrs.field(default=0, init=False)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive what is there; a checkpoint."""
        for fault in self.faults.plan.at(Point.STREAM):
            if fault.name == "stream-sliced":
                if not self._received:
                    self.faults.fire(fault)
                max_bytes = 1
                continue
            left = fault.nth - self._received
            if left <= 0:
                self.faults.fire(fault)
                await trio.lowlevel.checkpoint()
                if fault.name == "stream-broken":
                    raise trio.BrokenResourceError("the stream broke")
                return b""
            max_bytes = left if max_bytes is None else min(left, max_bytes)
        data = bytes(await self.inner.receive_some(max_bytes))
        self._received += len(data)
        return data

    async def aclose(self) -> None:
        """Close the stream underneath."""
        await self.inner.aclose()
