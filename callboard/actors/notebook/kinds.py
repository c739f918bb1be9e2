"""What a value of user code is, found out without asking the value."""

from __future__ import annotations

from typing import TypeGuard, TypeVar

T = TypeVar("T")


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """``isinstance``, but for the ``__class__`` that a value may pretend to have, which is user code.

    >>> is_a(KeyError(), LookupError)
    True
    """
    return issubclass(type(value), kind)
