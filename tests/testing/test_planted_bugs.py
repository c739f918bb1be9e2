"""The simulation finds defects: each planted one, within the stated number of seeds."""

from __future__ import annotations

import pytest

from callboard.testing.simulation import simulate
from callboard.testing.simulation.bugs import BUGS, planted


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_found_within_the_stated_number_of_seeds(name: str) -> None:
    with planted(name):
        for seed in range(BUGS[name].within):
            if not simulate(seed).passed:
                return
    pytest.fail(f"{name} was not found within {BUGS[name].within} seeds")


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_gone_after_the_block(name: str) -> None:
    with planted(name):
        pass
    assert simulate(0, size=6).passed
