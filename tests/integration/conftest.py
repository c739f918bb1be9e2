"""A kernel to drive."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from callboard.testing.driver import Driver, open_driver


@pytest.fixture
async def notebook() -> AsyncIterator[Driver]:
    """A kernel of the test's own, stopped at its end."""
    async with open_driver() as driver:
        yield driver
