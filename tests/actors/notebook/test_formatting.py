"""What the page shows for a value."""

from __future__ import annotations

import json
import sys
import types
from typing import IO, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callboard as cb
from callboard.actors.notebook.formatting import (
    EMPTY,
    Formatted,
    as_html,
    format_output,
    stack,
    traceback_html,
)
from callboard.actors.notebook.settings import Settings


class Shown:
    """Says by one method how to show it."""

    def __init__(self, html: str = "<b>hi</b>") -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


def showing(**methods: Any) -> object:
    """An object with display methods that return the given values, or raise the given errors."""

    def method(result: object) -> Any:
        def display(self: object) -> object:
            if isinstance(result, BaseException):
                raise result
            return result

        return display

    return type("Thing", (), {name: method(result) for name, result in methods.items()})()


def shown(value: object) -> tuple[str, str]:
    formatted = format_output(value)
    assert formatted.failure is None
    return formatted.mimetype, formatted.data


def test_none_shows_nothing() -> None:
    assert format_output(None) == EMPTY
    assert format_output(None).empty


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a <b>", "a <b>"),
        (3, "3"),
        ([1, "a"], "[1, 'a']"),
        ({"a": (1, None)}, "{'a': (1, None)}"),
    ],
)
def test_a_plain_value_shows_its_text(value: object, text: str) -> None:
    assert shown(value) == ("text/plain", text)


def test_a_long_container_is_broken_into_lines() -> None:
    _, text = shown({f"key {i}": "x" * 30 for i in range(4)})
    assert text.count("\n") == 3
    assert list(eval(text)) == [f"key {i}" for i in range(4)]


@pytest.mark.parametrize(
    ("methods", "mimetype", "data"),
    [
        ({"_mime_": ("text/x-mine", "data")}, "text/x-mine", "data"),
        ({"_mime_": ("application/json", {"a": [1]})}, "application/json", '{"a": [1]}'),
        ({"_repr_html_": "<i>"}, "text/html", "<i>"),
        ({"_repr_html_": ("<i>", {"isolated": True})}, "text/html", "<i>"),
        ({"_repr_svg_": "<svg/>"}, "image/svg+xml", "<svg/>"),
        ({"_repr_svg_": b"<svg/>"}, "image/svg+xml", "<svg/>"),
        ({"_repr_png_": b"\x89PNG"}, "image/png", "data:image/png;base64,iVBORw=="),
        ({"_repr_png_": "iVBO\nRw=="}, "image/png", "data:image/png;base64,iVBORw=="),
        ({"_repr_jpeg_": b"\xff"}, "image/jpeg", "data:image/jpeg;base64,/w=="),
        ({"_repr_markdown_": "# a"}, "text/markdown", "# a"),
        ({"_repr_latex_": "$x$"}, "text/latex", "$x$"),
        ({"_repr_json_": {"a": None}}, "application/json", '{"a": null}'),
        ({"_repr_json_": [1]}, "application/json", "[1]"),
        ({"_mimebundle_": {"text/plain": "p", "text/html": "h"}}, "text/html", "h"),
        ({"_repr_mimebundle_": ({"image/png": b"\x00"}, {})}, "image/png", None),
        ({"_repr_mimebundle_": {"text/x-odd": "o"}}, "text/x-odd", "o"),
    ],
)
def test_a_value_is_shown_as_it_says(
    methods: dict[str, object], mimetype: str, data: str | None
) -> None:
    found_mimetype, found = shown(showing(**methods))
    assert found_mimetype == mimetype
    if data is not None:
        assert found == data


def test_its_own_protocol_is_asked_before_those_of_others() -> None:
    assert shown(showing(_repr_html_="h", _mime_=("text/plain", "m")))[1] == "m"
    assert shown(showing(_repr_html_="h", _repr_mimebundle_={"text/html": "b"}))[1] == "b"
    assert shown(showing(_repr_markdown_="m", _repr_html_="h"))[1] == "h"


def test_a_method_that_returns_none_does_not_count() -> None:
    assert shown(showing(_repr_html_=None, _repr_markdown_="m")) == ("text/markdown", "m")
    assert shown(showing(_repr_mimebundle_={}, _repr_html_="h")) == ("text/html", "h")


def test_the_methods_of_a_class_say_nothing_about_the_class() -> None:
    assert shown(Shown) == ("text/plain", repr(Shown))


def test_a_proxy_may_answer_for_what_it_stands_for() -> None:
    class Proxy:
        def __init__(self, target: object) -> None:
            self._target = target

        def __getattr__(self, name: str) -> object:
            return getattr(self._target, name)

    assert shown(Proxy(Shown("<i>"))) == ("text/html", "<i>")


def test_an_object_that_answers_to_every_name_is_shown_as_text() -> None:
    class Anything:
        def __getattr__(self, name: str) -> object:
            return lambda *args, **kwargs: self

        def __repr__(self) -> str:
            return "anything"

    assert shown(Anything()) == ("text/plain", "anything")


@pytest.mark.parametrize(
    "error", [ValueError("no"), SystemExit(1), ModuleNotFoundError("no pandas", name="pandas")]
)
def test_a_failing_method_falls_back_to_text_and_tells(error: BaseException) -> None:
    thing = showing(_repr_html_=error)
    formatted = format_output(thing)
    assert (formatted.mimetype, formatted.data) == ("text/plain", repr(thing))
    assert formatted.failure is error
    assert type(error).__name__ in formatted.failure_text
    assert "in display" in formatted.failure_text


@pytest.mark.parametrize(
    "methods",
    [
        {"_mime_": "text/html"},
        {"_mime_": ("text/html", 3)},
        {"_repr_html_": 3},
        {"_repr_png_": 3},
        {"_repr_json_": {1, 2}},
        {"_repr_svg_": b"\xff\xff"},
    ],
)
def test_a_method_that_returns_nonsense_falls_back_to_text(methods: dict[str, object]) -> None:
    formatted = format_output(showing(**methods))
    assert formatted.mimetype == "text/plain"
    assert isinstance(formatted.failure, (TypeError, ValueError))


def test_an_object_that_has_not_even_a_repr_is_named() -> None:
    class Broken:
        def __repr__(self) -> NoReturn:
            raise RuntimeError("no repr")

    formatted = format_output(Broken())
    assert formatted.data == "<Broken object, whose repr raised RuntimeError>"
    assert isinstance(formatted.failure, RuntimeError)


def test_an_interrupt_while_formatting_is_not_swallowed() -> None:
    with pytest.raises(KeyboardInterrupt):
        format_output(showing(_repr_html_=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        format_output([showing(_repr_html_=KeyboardInterrupt())])


def test_a_raised_exception_shows_its_traceback_and_another_its_text() -> None:
    error = ValueError("a < b")
    assert shown(error) == ("text/plain", "ValueError('a < b')")
    try:
        raise error
    except ValueError:
        mimetype, html = shown(error)
    assert mimetype == "application/vnd.marimo+traceback"
    assert "ValueError: a &lt; b" in html


def test_elements_and_markdown_show_themselves() -> None:
    slider = cb.ui.slider(0, 10)
    assert shown(slider) == ("text/html", f"{slider}")
    assert shown(cb.md("# a")) == ("text/markdown", "# a")


def test_a_container_of_things_that_show_themselves_is_shown_item_by_item() -> None:
    mimetype, html = shown({"a<": [Shown("<b>1</b>"), "x<y", None], "n": 3})
    assert mimetype == "text/html"
    assert "<b>1</b>" in html
    assert 'data-key="a&lt;"' in html
    assert "&#x27;x&lt;y&#x27;" in html
    assert "<pre>3</pre>" in html


def test_a_set_and_a_tuple_are_containers_too() -> None:
    assert "<b>hi</b>" in shown((Shown(),))[1]
    assert "<b>hi</b>" in shown({Shown()})[1]


def test_a_cyclic_container_is_shown() -> None:
    ring: list[object] = [Shown()]
    ring.append(ring)
    html = shown(ring)[1]
    assert html.count("<b>hi</b>") == 1
    assert "<pre>...</pre>" in html


def test_one_failing_item_spoils_no_other() -> None:
    formatted = format_output([showing(_repr_html_=ValueError("no")), Shown()])
    assert "<b>hi</b>" in formatted.data
    assert "Thing object" in formatted.data
    assert isinstance(formatted.failure, ValueError)


def test_a_huge_container_shows_its_start() -> None:
    html = shown([Shown(), *range(5000)])[1]
    assert "... 4,001 more" in html


def test_a_container_that_fails_while_it_is_looked_at_is_shown_as_text() -> None:
    class Strange(list[object]):
        def __iter__(self) -> NoReturn:
            raise OSError("gone")

    formatted = format_output(Strange([1]))
    assert formatted.data == "[1]"
    assert isinstance(formatted.failure, OSError)


@pytest.fixture
def matplotlib(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """As much of matplotlib as formatting looks at."""
    closed: list[object] = []

    class Artist:
        figure: Any = None

        def get_figure(self) -> Any:
            return self.figure

    class Figure(Artist):
        def savefig(self, file: IO[bytes], **settings: object) -> None:
            assert settings["format"] == "png"
            file.write(b"\x89PNG")

    monkeypatch.setitem(sys.modules, "matplotlib.artist", types.SimpleNamespace(Artist=Artist))
    monkeypatch.setitem(
        sys.modules,
        "matplotlib.pyplot",
        types.SimpleNamespace(close=closed.append),
    )
    return types.SimpleNamespace(Artist=Artist, Figure=Figure, closed=closed)


def test_what_plotting_returns_shows_the_figure(matplotlib: types.SimpleNamespace) -> None:
    figure, line = matplotlib.Figure(), matplotlib.Artist()
    line.figure = figure
    array = type("ndarray", (), {"dtype": object, "flat": [line]})()
    for value in (figure, line, [line], (line,), array):
        assert shown(value) == ("image/png", "data:image/png;base64,iVBORw==")
    assert matplotlib.closed == [figure] * 5
    assert "<img src=" in shown({"plot": figure})[1]


def test_what_is_not_a_plot_is_left_alone(matplotlib: types.SimpleNamespace) -> None:
    assert shown([1])[0] == "text/plain"
    assert shown([])[0] == "text/plain"
    assert shown(matplotlib.Artist())[0] == "text/plain"


def test_output_over_the_limit_is_replaced_by_a_warning() -> None:
    assert format_output("x" * 100, max_bytes=100).data == "x" * 100
    formatted = format_output("x" * 101, max_bytes=100)
    assert formatted.mimetype == "text/html"
    assert "101 bytes" in formatted.data
    assert "CALLBOARD_OUTPUT_MAX_BYTES" in formatted.data


def test_the_limit_counts_bytes_not_characters() -> None:
    assert format_output("é" * 50, max_bytes=100).mimetype == "text/plain"
    assert format_output("é" * 51, max_bytes=100).mimetype == "text/html"


def test_the_limit_can_be_set_by_the_environment() -> None:
    assert Settings.of_environment({}).output_max_bytes == 8_000_000
    assert Settings.of_environment({"CALLBOARD_OUTPUT_MAX_BYTES": "10"}).output_max_bytes == 10
    for bad in ("", "0", "-1", "many"):
        with pytest.raises(ValueError, match="CALLBOARD_OUTPUT_MAX_BYTES"):
            Settings.of_environment({"CALLBOARD_OUTPUT_MAX_BYTES": bad})


@given(st.text(st.characters()))
def test_any_text_can_be_sent(text: str) -> None:
    json.dumps(format_output(text).data).encode()
    format_output(text).data.encode()
    format_output([text, Shown(text)]).data.encode()


def test_a_stack_shows_its_parts_in_order() -> None:
    parts = [format_output(v) for v in ("a<b", None, Shown("<i>1</i>"), cb.md("*m*"))]
    stacked = stack(parts)
    assert stacked.mimetype == "text/html"
    assert stacked.data == (
        '<div class="callboard-stack"><div><pre>a&lt;b</pre></div><div><i>1</i></div>'
        "<div><callboard-markdown>*m*</callboard-markdown></div></div>"
    )


def test_a_stack_of_one_is_that_one_and_of_none_is_empty() -> None:
    one = format_output("a")
    assert stack([EMPTY, one]) == one
    assert stack([]) == EMPTY


def test_a_stack_keeps_a_failure_and_the_limit() -> None:
    failed = format_output(showing(_repr_html_=ValueError()))
    assert stack([failed, format_output(1)]).failure is failed.failure
    assert "Output too large" in stack([format_output("x" * 80)] * 2, max_bytes=100).data


@pytest.mark.parametrize(
    ("mimetype", "data", "html"),
    [
        ("text/plain", "", ""),
        ("text/latex", "a<b", "<callboard-latex>a&lt;b</callboard-latex>"),
        ("image/png", 'data:"', '<img src="data:&quot;" alt="">'),
        ("image/svg+xml", "<svg/>", "<svg/>"),
        ("application/json", '{"a": 1}', "<pre>{&quot;a&quot;: 1}</pre>"),
        ("application/vnd.marimo+traceback", "<pre>t</pre>", "<pre>t</pre>"),
    ],
)
def test_every_kind_of_output_has_a_form_in_html(mimetype: str, data: str, html: str) -> None:
    assert as_html(Formatted(mimetype, data)) == html


def test_a_traceback_is_escaped_and_its_last_line_marked() -> None:
    html = traceback_html('Traceback:\n  File "<x>", line 1\nError: a & b\n')
    assert '<span class="frame">  File "&lt;x&gt;", line 1</span>' in html
    assert html.endswith('<span class="error">Error: a &amp; b</span></pre>')
