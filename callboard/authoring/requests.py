"""The request behind what runs now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callboard.authoring.context import current_context

if TYPE_CHECKING:
    from callboard.messages.payloads import HTTPRequest


def request() -> HTTPRequest | None:
    """The HTTP request of the client whose command makes this code run.

    None if the client sent none, and in a plain script.
    """
    context = current_context.get()
    return None if context is None else context.request
