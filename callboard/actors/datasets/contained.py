"""Calls into other people's libraries, whose every failure becomes an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from callboard.actors.datasets.columns import NoSuchColumn
from callboard.actors.datasets.primitives import cut
from callboard.actors.requests import Refused, Request
from callboard.engines.engine import error_text
from callboard.engines.placement import Place

T = TypeVar("T")


async def ask(
    request: Request[Any],
    function: Callable[[], T],
    place: Place = Place.ANY_THREAD,
    *,
    exclusive: object | None = None,
    interrupt: Callable[[], object] | None = None,
) -> T:
    """Call blocking code as `Request.call` does. A checkpoint.

    Raises:
        Refused: with the text of whatever it raised, without credentials; ``SystemExit`` and the panics of native
            libraries, which are no ``Exception``, included.
        NoSuchColumn: as it was raised.
    """

    def contained() -> T:
        try:
            return function()
        except (Refused, NoSuchColumn):
            raise
        except BaseException as error:
            refusal = Refused(cut(error_text(error)))
        # Outside the handler: the original, whose text may hold a password, does not become the context.
        raise refusal

    return await request.call(contained, place, exclusive=exclusive, interrupt=interrupt)
