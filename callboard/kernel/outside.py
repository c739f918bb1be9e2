"""What a kernel meets that is not the same twice."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Mapping

import attrs

from callboard.actors.domain import Domain
from callboard.actors.packages.missing import missing_imports
from callboard.actors.packages.ports import ProcessRunner
from callboard.actors.packages.process import TrioProcessRunner
from callboard.runtime import ThreadPool, TrioThreads


def _as_it_is(domain: Domain) -> Domain:
    return domain


def _real_threads(domain: str) -> ThreadPool:
    return TrioThreads()


@attrs.frozen
class Outside:
    """What a kernel meets that is not the same twice, apart from the surroundings of its user code.

    A simulation replaces all of it. The identifiers that messages are given are left out: nothing is decided by them.
    """

    processes: ProcessRunner = attrs.field(factory=TrioProcessRunner)
    """What installers run in."""
    threads: Callable[[str], ThreadPool] = _real_threads
    """Makes what blocking calls of a domain run in, by its name."""
    rng: random.Random = attrs.field(factory=random.Random)
    """Draws the jitter of restarts."""
    wall_clock: Callable[[], float] = time.time
    """Unix seconds; it may jump."""
    environ: Mapping[str, str] | None = None
    """The variables a notebook's secrets are told of and loaded beside; None for those of the process."""
    missing_imports: Callable[[Iterable[str]], frozenset[str]] = missing_imports
    """Tells which of some modules cannot be found."""
    around: Callable[[Domain], Domain] = _as_it_is
    """Stands between the kernel and each of its domains, to watch or to disturb them."""
