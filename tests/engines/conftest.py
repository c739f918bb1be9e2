"""What the tests of engines share: threads to stand in for the cell thread, and servers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.postgres import postgres, postgres_url

__all__ = ["cell", "postgres", "postgres_url", "worker"]


@pytest.fixture
def cell() -> Iterator[ThreadPoolExecutor]:
    """The thread that runs cells: one, always the same."""
    with ThreadPoolExecutor(1, "cell") as executor:
        yield executor


@pytest.fixture
def worker() -> Iterator[ThreadPoolExecutor]:
    """A domain's own thread."""
    with ThreadPoolExecutor(1, "worker") as executor:
        yield executor
