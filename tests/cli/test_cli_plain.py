"""What is not text, as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callboard as cb
from callboard.cli.plain import MAX_LINES, html_text, plain
from callboard.messages.payloads import TRACEBACK_MIMETYPE, CellOutput


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("a <b>bold</b>\n  word", "a bold word"),
        ("<p>one</p><p>two</p>", "one\ntwo"),
        ("one<br>two", "one\ntwo"),
        ("<pre>a\n   b &lt; c</pre>", "a\n   b < c"),
        ("<ul><li>one<li>two</ul>", "- one\n- two"),
        ("<table><tr><th>x<th>y</tr><tr><td>1</td><td>2</table>", "x  y\n1  2"),
        ("a<script>let x = '<p>'</script>b<style>p {}</style>", "ab"),
        ("a<svg><g><text>x</text></g></svg>b", "a[image/svg+xml]b"),
        ("<svg><path d=''></svg>after", "[image/svg+xml]after"),
        ('<img src="data:," alt="a cat"> <img src="x">', "[image: a cat] [image]"),
        ("<div>\n\n</div>", ""),
        ("<callboard-markdown># a\n\nb</callboard-markdown>", "# a\n\nb"),
    ],
)
def test_html_becomes_its_text(html: str, text: str) -> None:
    assert html_text(html) == text


@pytest.mark.parametrize(
    ("element", "text"),
    [
        (lambda: cb.ui.slider(0, 10, value=3, label="how <i>many</i>"), "[slider how many: 3]"),
        (lambda: cb.ui.multiselect(["a", "b"], value=["a", "b"]), "[multiselect: a, b]"),
        (lambda: cb.ui.text(), "[text]"),
        (lambda: cb.ui.button(label="go"), "[button go]"),
        (lambda: cb.ui.array([cb.ui.slider(0, 1), cb.ui.switch()]), "[slider: 0]\n[switch: False]"),
    ],
)
def test_an_element_becomes_its_kind_label_and_value(element: object, text: str) -> None:
    assert callable(element)
    assert html_text(str(element()._html())) == text


def test_long_html_is_cut_and_says_so() -> None:
    text = plain(CellOutput("output", "text/html", "".join(f"<p>{n}</p>" for n in range(100))))
    lines = text.split("\n")
    assert len(lines) == MAX_LINES
    assert lines[-1] == f"... ({100 - MAX_LINES + 1} more lines)"


@pytest.mark.parametrize(
    ("mimetype", "data", "text"),
    [
        ("text/plain", "a\n", "a\n"),
        ("application/json", '{"a":[1]}', '{\n  "a": [\n    1\n  ]\n}'),
        ("application/json", "{", "{"),
        ("image/png", "data:image/png;base64," + "A" * 1600, "[image/png, 1.2 kB]"),
        ("image/svg+xml", "<svg/>", "[image/svg+xml, 6 bytes]"),
        ("text/latex", "$x$", "$x$"),
        (TRACEBACK_MIMETYPE, "<pre>Trace\n  1/0</pre>", "Trace\n  1/0"),
    ],
)
def test_other_types_become_text_or_are_named(mimetype: str, data: str, text: str) -> None:
    assert plain(CellOutput("output", mimetype, data)) == text


def test_an_object_is_shown_as_json() -> None:
    assert plain(CellOutput("output", "application/x", {"a": 1})) == '{\n  "a": 1\n}'


@given(st.text(alphabet="<>/ab =\"'!-&;\n") | st.text())
def test_no_html_is_too_broken(html: str) -> None:
    html_text(html, 5)
