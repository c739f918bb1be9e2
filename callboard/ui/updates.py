"""What a new raw value did to an element: the protocol between elements and the kernel.

The kernel moves an element in two steps. `element._apply(raw)` takes the new raw value over,
converts it, and for a container does so for the changed children first; it returns an `Applied`.
Nothing of the user's `on_change` has run by then, so every callback sees all values of the update.
The kernel then runs `applied.callbacks` in order (children before their container), in the context
of the cell that made the element, and awaits what an async callback returns. One that raises must
not keep the others from running.

`_apply` itself may run user code as well (the `on_click` of a button makes its value), so it too
belongs into the context of the creating cell. It raises nothing but `KeyboardInterrupt`; what else
went wrong is in `applied.failures`. After the dependants ran, the kernel calls `element._completed()`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from callboard.ui.element import UIElement


class BadRawValue(ValueError):
    """A raw value does not have the shape this element sends: the client's fault.

    The element keeps its converted value, so an update with nothing else in it runs no dependants.
    """


class UpdateStage(StrEnum):
    """Which part of an update failed."""

    CONVERSION = "conversion"
    CALLBACK = "callback"


@attrs.frozen(eq=False)
class UpdateFailure:
    """One thing that went wrong in an update; the rest of the update went on."""

    element: UIElement[Any]
    stage: UpdateStage
    error: BaseException

    def __str__(self) -> str:
        part = "on_change of" if self.stage is UpdateStage.CALLBACK else "the new value of"
        return f"{part} {self.element!r} raised {type(self.error).__name__}"


@attrs.frozen(eq=False)
class PendingCallback:
    """One `on_change` still to be called with the converted value."""

    element: UIElement[Any]
    function: Callable[[Any], object]
    value: object

    def __call__(self) -> Awaitable[object] | None:
        """Call it; what an async callback returns is handed on for the kernel to await.

        Raises whatever the callback raises: the notebook author's fault.
        """
        result = self.function(self.value)
        # not inspect.isawaitable: importing inspect costs more than everything else in here
        return result if hasattr(type(result), "__await__") else None  # type: ignore[return-value]


@attrs.define(eq=False)
class Applied:
    """The outcome of taking a raw value over, before any `on_change` ran."""

    failures: list[UpdateFailure] = attrs.Factory(list)
    callbacks: list[PendingCallback] = attrs.Factory(list)
    changed: bool = False
    """Whether dependants must run: not if every part of the update was nonsense from the client."""
