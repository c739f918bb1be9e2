"""Faults of the callables that something is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from callboard.testing.faults.catalogue import Point
from callboard.testing.faults.injection import Faults, InjectedFault

P = ParamSpec("P")
T = TypeVar("T")


def disturbed(
    function: Callable[P, T], faults: Faults, role: str, *, nonsense: Callable[[], T] | None = None
) -> Callable[P, T]:
    """Return a function that fails when a fault aimed at its role is due.

    It raises `InjectedFault` then, or returns ``nonsense`` if there is any.
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        for fault in faults.due(Point.BROADCASTER, role):
            faults.fire(fault)
            if nonsense is not None:
                return nonsense()
            raise InjectedFault(f"{fault.name} in {role}")
        return function(*args, **kwargs)

    return call
