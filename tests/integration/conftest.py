"""A kernel to drive."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callboard.testing.driver import Driver, open_driver


@pytest.fixture
async def notebook() -> AsyncIterator[Driver]:
    """A kernel of the test's own, stopped at its end; no actor of it may have crashed."""
    async with open_driver(drain=2, kill=2) as driver:
        yield driver
        assert driver.restarts == 0
