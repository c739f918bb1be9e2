"""What a process holds: memory, threads, file descriptors, children."""

from __future__ import annotations

import os
import threading

import attrs
import psutil  # type: ignore[import-untyped]

MEGABYTE = 1024 * 1024


@attrs.frozen
class Memory:
    """Memory of one process, in bytes."""

    rss: int
    pss: int
    """Its share of what it has in common with others included; 0 where the system does not tell."""
    uss: int
    """What it has to itself."""


def memory(pid: int) -> Memory:
    """Look at a process. Takes milliseconds: the system adds up its pages."""
    full = psutil.Process(pid).memory_full_info()
    return Memory(full.rss, getattr(full, "pss", 0), full.uss)


def rss(pid: int | None = None) -> int:
    """Bytes of a process, of this one by default, that are in memory. Takes microseconds."""
    return int(psutil.Process(pid).memory_info().rss)


@attrs.frozen
class Holdings:
    """What this process holds besides memory, as counts.

    Threads that wait to be of use to trio again are left out: they go by themselves after ten seconds.
    """

    threads: int
    descriptors: int
    children: int

    @classmethod
    def now(cls) -> Holdings:
        """Count."""
        process = psutil.Process(os.getpid())
        threads = [each.name for each in threading.enumerate()]
        busy = [name for name in threads if not name.startswith("Trio thread ")]
        return cls(len(busy), process.num_fds(), len(process.children(recursive=True)))

    def more_than(self, before: Holdings) -> list[str]:
        """Say what there is more of than there was, with the numbers."""
        pairs = ((name, getattr(before, name), getattr(self, name)) for name in NAMES)
        return [
            f"{after} {name} instead of {earlier}"
            for name, earlier, after in pairs
            if after > earlier
        ]


NAMES = tuple(field.name for field in attrs.fields(Holdings))
