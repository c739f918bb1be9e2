"""Text to be rendered."""

from __future__ import annotations

from textwrap import dedent


class Markdown:
    """Markdown text; as the output of a cell it is rendered."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        """The indentation that all lines share is taken off.

        As in a docstring, text right after the opening quotes is not counted as indented.
        """
        if not isinstance(text, str):
            raise TypeError(f"md: text must be a string, not {type(text).__name__}")
        first, newline, rest = text.partition("\n")
        if first.strip():
            text = f"{first.lstrip()}{newline}{dedent(rest)}"
        else:
            text = dedent(rest)
        self.text = text.strip("\n").rstrip()

    def _mime_(self) -> tuple[str, str]:
        return "text/markdown", self.text

    def __repr__(self) -> str:
        return f"Markdown({self.text!r})"

    def __str__(self) -> str:
        return self.text


def md(text: str) -> Markdown:
    """Render text as Markdown: make it the last expression of a cell.

    In an f-string an element stands for itself: `cb.md(f"Age: {slider}")`.
    """
    return Markdown(text)
