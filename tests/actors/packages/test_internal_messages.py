"""What the kernel itself tells the packages actor."""

from __future__ import annotations

from callboard.actors.packages.managers import MANAGERS
from callboard.actors.packages.reporting import MissingPackages
from callboard.actors.packages.state import PackagesState


def test_newly_imported_modules_are_told_once_where_somebody_keeps_them() -> None:
    told: list[frozenset[str]] = []
    missing = MissingPackages(
        PackagesState(MANAGERS["uv"]),
        isolated=True,
        notify=lambda notification: None,
        post=lambda command: None,
        imported=told.append,
    )
    missing.after_change({"os"}, {"os", "json", "sys"})
    missing.after_change({"os", "json", "sys"}, {"os"})
    assert told == [frozenset({"json", "sys"})]
