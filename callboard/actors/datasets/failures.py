"""Which exceptions of a library are its failures. Pure."""

from __future__ import annotations


def is_failure(error: BaseException) -> bool:
    """Whether an exception says that something failed, rather than that somebody wants an end.

    Native libraries raise panics that are no ``Exception``.
    """
    return not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)
