"""Functions that the page can call, each belonging to an element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from callboard.messages.ids import CellId
    from callboard.ui.element import UIElement


class BadArguments(ValueError):
    """The arguments of a call do not fit what the function declares: the client's fault."""


@attrs.frozen
class Function:
    """Something the page can call by name.

    `call` gets one instance of `arguments`, an attrs class or a dataclass; without one it is
    called with nothing. It may be a coroutine function.
    """

    name: str
    call: Callable[..., object]
    arguments: type | None = None


@attrs.frozen
class FoundFunction:
    """A function together with the element and the cell it belongs to."""

    namespace: str
    cell_id: CellId | None
    """None if the element was made outside any cell."""
    function: Function

    def __call__(self, arguments: Mapping[str, object]) -> object:
        """Convert the arguments as sent and call it; an async function gives its awaitable.

        Keys go from camelCase to snake_case, keys starting with `_` are dropped, and values are
        converted to the declared types (dates from ISO text). Runs user code.

        Raises:
            BadArguments: they do not fit. Says where and why.
        """
        if self.function.arguments is None:
            unknown = [key for key in arguments if not key.startswith("_")]
            if unknown:
                raise BadArguments(f"takes no arguments, got {', '.join(unknown)}")
            return self.function.call()
        # loads cattrs: a notebook whose functions are never called should not pay for that
        from callboard.ui.arguments import structure

        return self.function.call(structure(arguments, self.function.arguments))


class FunctionRegistry:
    """The functions of all living elements.

    They are kept by their elements, so they go away with them.
    """

    def __init__(self, element: Callable[[str], UIElement[Any] | None]) -> None:
        self._element = element

    def find(self, namespace: str, name: str) -> FoundFunction | None:
        """The function of this name that belongs to the element with the id `namespace`."""
        element = self._element(namespace)
        if element is None:
            return None
        function = element._functions.get(name)
        if function is None:
            return None
        return FoundFunction(namespace, element._creating_cell, function)
