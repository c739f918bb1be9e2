"""What pytest finds by itself once callboard is installed: the fixtures ``kernel``, ``sim`` and ``faults``.

``kernel`` needs pytest-trio; the other two need nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import pytest

# Loaded in every run of pytest wherever callboard is installed, so nothing of callboard is loaded here.
if TYPE_CHECKING:
    from collections.abc import Iterable

    from callboard.actors.domain import Domain
    from callboard.kernel import Kernel
    from callboard.testing.faults import FaultPlan
    from callboard.testing.simulation import Result, World

try:
    from pytest_trio import trio_fixture  # type: ignore[import-untyped]
except ImportError:
    _async_fixture: Any = None
else:
    _async_fixture = trio_fixture


class Sim:
    """Simulations for tests that are plain functions: they bring a trio run of their own."""

    def explore(
        self,
        script: Callable[[World], Any],
        *,
        seeds: Iterable[int] = range(25),
        domains: Iterable[Domain] = (),
        plan: FaultPlan | None = None,
    ) -> None:
        """Run a script against a kernel in the order of each seed; see `callboard.testing.simulation.explore`."""
        from callboard.testing.simulation import explore

        explore(script, seeds=seeds, domains=domains, plan=plan)

    def run(self, seed: int, *, plan: FaultPlan | None = None) -> Result:
        """Simulate what a seed expands to; see `callboard.testing.simulation.simulate`."""
        from callboard.testing.simulation import simulate

        return simulate(seed, plan=plan)


@pytest.fixture
def sim() -> Sim:
    """Simulations."""
    return Sim()


@pytest.fixture
def faults() -> Callable[..., FaultPlan]:
    """Plans of faults by their names: ``faults("handler-crash", domain="ui")``."""
    from callboard.testing.faults import FaultPlan

    return FaultPlan.of


async def _kernel() -> AsyncIterator[Kernel]:
    """Run a kernel on real threads; at the end every command has to have ended, and ended once."""
    from callboard.kernel import Outside, open_kernel
    from callboard.testing import oracles
    from callboard.testing.record import Record

    record = Record()
    async with open_kernel(outside=Outside(around=record.around)) as kernel:
        record.attach(kernel)
        yield kernel
        await kernel.wait_idle()
        record.finish()
    found = oracles.violations(record)
    if found:
        pytest.fail("\n".join(found))


if _async_fixture is None:

    @pytest.fixture
    def kernel() -> None:
        """Say what is missing."""
        pytest.skip("the kernel fixture needs pytest-trio")

else:
    kernel = _async_fixture(_kernel)
