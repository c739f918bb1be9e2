"""The global namespace that all cells of a notebook share."""

from __future__ import annotations

import builtins
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import attrs


@attrs.define(eq=False, repr=False)
class Namespace:
    """The notebook's globals, and what was in them before any cell ran. Cell thread only."""

    values: dict[str, Any] = attrs.field(factory=dict, init=False)
    doc: str | None = None

    def __attrs_post_init__(self) -> None:
        self.values.update(
            __name__="__main__",
            __builtins__=builtins,
            __doc__=self.doc,
            __annotations__={},
            __file__=None,
        )

    def override(self, replacements: Mapping[str, Any]) -> None:
        """Replace builtins for the notebook's code alone.

        An embedded kernel captures ``print`` and ``input`` that way and leaves the process's own streams untouched.
        """
        self.values["__builtins__"] = {**vars(builtins), **replacements}

    def set_filename(self, filename: str | None) -> None:
        """Set ``__file__`` as the cells see it."""
        self.values["__file__"] = filename

    def take(self, names: Iterable[str]) -> list[object]:
        """Remove variables and their annotations, and return what they held: letting go of it may run user code."""
        annotations = self.values.get("__annotations__")
        taken: list[object] = []
        for name in names:
            if name == "__doc__":
                self.values["__doc__"] = self.doc
            elif name in self.values:
                taken.append(self.values.pop(name))
            if type(annotations) is dict:
                annotations.pop(name, None)
        return taken

    def copy(self) -> dict[str, Any]:
        """Return a shallow copy: new names and rebindings stay in it, changes to objects do not."""
        return dict(self.values)

    def as_main(self) -> types.ModuleType:
        """Return a module whose attributes are the notebook's globals, to stand as ``__main__`` of a kernel process.

        Pickle, dataclasses and multiprocessing look classes up there.
        """
        module = types.ModuleType("__main__", self.doc)
        vars(module).update(self.values)
        self.values = vars(module)
        return module


def capturing_builtins(
    write: Callable[[str], object], read: Callable[[str], str]
) -> dict[str, Callable[..., Any]]:
    """Make ``print`` and ``input`` of a notebook that must leave the process's streams alone."""

    def print(
        *values: object,
        sep: str | None = " ",
        end: str | None = "\n",
        file: Any = None,
        flush: bool = False,
    ) -> None:
        if file is not None:
            builtins.print(*values, sep=sep, end=end, file=file, flush=flush)
            return
        for name, given in (("sep", sep), ("end", end)):
            if given is not None and not isinstance(given, str):
                raise TypeError(f"{name} must be None or a string, not {type(given).__name__}")
        separator = " " if sep is None else sep
        write(separator.join(map(str, values)) + ("\n" if end is None else end))

    def input(prompt: object = "", /) -> str:
        return read(str(prompt))

    print.__doc__ = builtins.print.__doc__
    input.__doc__ = builtins.input.__doc__
    return {"print": print, "input": input}
