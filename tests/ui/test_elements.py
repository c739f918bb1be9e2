"""What each kind of element makes of its arguments and of what the page sends."""

from __future__ import annotations

import copy
import datetime
import gc
import math
import timeit
import weakref
from collections.abc import Callable
from html.parser import HTMLParser
from json import loads
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callboard as cb
from callboard.authoring.context import installed
from callboard.ui import BadRawValue, UIElement, ValueNotYetReadable

if TYPE_CHECKING:
    from tests.ui.conftest import FakeCell

ui = cb.ui
untyped: Any = cb.ui  # for arguments that a type checker would refuse
DAY = datetime.date(2026, 8, 31)


class Halves:
    """A number of a library's own, as numpy's are."""

    def __init__(self, halves: int) -> None:
        self.halves = halves

    def __float__(self) -> float:
        return self.halves / 2


class Index:
    """An integer of a library's own."""

    def __index__(self) -> int:
        return 3


@pytest.mark.parametrize(
    ("element", "raw", "value"),
    [
        (lambda: ui.slider(0, 10), 0, 0),
        (lambda: ui.slider(0, 10, value=4), 4, 4),
        (lambda: ui.slider(-1.5, 1), -1.5, -1.5),
        (lambda: ui.slider(steps=[1, 10, 100]), 1, 1),
        (lambda: ui.slider(steps=range(3), value=2), 2, 2),
        (lambda: untyped.slider(0, Halves(5)), 0, 0.0),
        (lambda: untyped.slider(0, Index()), 0, 0),
        (lambda: ui.number(), None, None),
        (lambda: ui.number(3), 3, 3),
        (lambda: ui.number(value=2.5), 2.5, 2.5),
        (lambda: ui.text(), "", ""),
        (lambda: ui.text("a", kind="email"), "a", "a"),
        (lambda: ui.text_area("a\nb"), "a\nb", "a\nb"),
        (lambda: ui.checkbox(), False, False),
        (lambda: ui.switch(True), True, True),
        (lambda: ui.dropdown(["a", "b"]), [], None),
        (lambda: ui.dropdown(["a", "b"], "b"), ["b"], "b"),
        (lambda: ui.dropdown([1, 2], 2), ["2"], 2),
        (lambda: ui.dropdown({"one": 1, "two": 2}, "two"), ["two"], 2),
        (lambda: ui.dropdown(["a", "b"], allow_none=False), ["a"], "a"),
        (lambda: ui.dropdown([]), [], None),
        (lambda: ui.radio(["a", "b"]), None, None),
        (lambda: ui.radio({"one": 1}, "one"), "one", 1),
        (lambda: ui.multiselect(["a", "b"]), [], []),
        (lambda: ui.multiselect({"one": 1, "two": 2}, ["two", "one"]), ["two", "one"], [2, 1]),
        (lambda: ui.button(), 0, None),
        (lambda: ui.button(value=7), 0, 7),
        (lambda: ui.run_button(), 0, False),
        (lambda: ui.date(value=DAY), "2026-08-31", DAY),
        (lambda: ui.date(value="2026-08-31"), "2026-08-31", DAY),
        (lambda: ui.date(value=datetime.datetime(2026, 8, 31, 12)), "2026-08-31", DAY),
        (lambda: ui.date(stop="1999-01-01"), "1999-01-01", datetime.date(1999, 1, 1)),
        (lambda: ui.array([ui.checkbox(), ui.text("t")]), {"0": False, "1": "t"}, [False, "t"]),
        (lambda: ui.array([]), {}, []),
        (lambda: ui.dictionary({"a": ui.slider(1, 2)}), {"a": 1}, {"a": 1}),
    ],
)
def test_an_element_starts_at_its_value(
    cell: FakeCell, element: Callable[[], UIElement[Any]], raw: object, value: object
) -> None:
    made = element()
    assert made._raw_value == raw
    assert made.value == value
    assert type(made.value) is type(value)


@pytest.mark.parametrize(
    ("element", "raw", "value"),
    [
        (ui.slider(0, 10), 5, 5),
        (ui.slider(0, 10), 5.0, 5),
        (ui.slider(0, 10), 11, 10),
        (ui.slider(0, 10), -(10**400), 0),
        (ui.slider(0, 10), math.inf, 10),
        (ui.slider(0.0, 10), 5, 5.0),
        (ui.slider(0, 10, 0.5), 1, 1.0),
        (ui.slider(steps=[1, 10, 100]), 50, 10),
        (ui.slider(steps=[1, 10, 100]), 60, 100),
        (ui.slider(steps=[1, 10, 100]), 10, 10),
        (ui.slider(steps=[0.1, 1]), 1, 1.0),
        (ui.number(), 5, 5.0),
        (ui.number(), None, None),
        (ui.number(0), 5, 5),
        (ui.number(0, 3), 5, 3),
        (ui.text(), "é", "é"),
        (ui.text(max_length=2), "ab", "ab"),
        (ui.text_area(), "", ""),
        (ui.checkbox(), True, True),
        (ui.switch(True), False, False),
        (ui.dropdown(["a", "b"]), ["a"], "a"),
        (ui.dropdown(["a", "b"]), "a", "a"),
        (ui.dropdown(["a", "b"], "a", allow_none=True), [], None),
        (ui.dropdown(["a", "b"], "a", allow_none=True), None, None),
        (ui.dropdown({"a": [1]}), ["a"], [1]),
        (ui.radio([1, 2]), "2", 2),
        (ui.radio([1, 2]), ["2"], 2),
        (ui.radio([1, 2], 1), None, None),
        (ui.multiselect([1, 2, 3]), ["3", "1", "3"], [3, 1]),
        (ui.multiselect([1, 2, 3]), "1", [1]),
        (ui.multiselect([1, 2, 3], [1]), [], []),
        (ui.run_button(), 1, True),
        (ui.button(lambda n: n + 1, 0), 1, 1),
        (ui.button(value="same"), 1, "same"),
        (ui.date(), "2026-08-31", DAY),
        (ui.date(stop=DAY), "2027-01-01", DAY),
        (ui.date(start=DAY, stop=DAY), "0001-01-01", DAY),
        (ui.array([ui.checkbox(), ui.text("t")]), {"0": True}, [True, "t"]),
        (ui.dictionary({"a": ui.array([ui.text()])}), {"a": {"0": "x"}}, {"a": ["x"]}),
    ],
)
def test_what_the_page_sends_is_converted(
    element: UIElement[Any], raw: object, value: object
) -> None:
    made = copy.copy(element)
    applied = made._apply(raw)
    assert applied.failures == []
    assert applied.changed
    assert made.value == value
    assert type(made.value) is type(value)


@pytest.mark.parametrize(
    ("element", "raw"),
    [
        (ui.slider(0, 10), "5"),
        (ui.slider(0, 10), True),
        (ui.slider(0, 10), None),
        (ui.slider(0, 10), 2.5),
        (ui.slider(0, 10), math.nan),
        (ui.number(), math.inf),
        (ui.number(), 10**400),
        (ui.number(0), [0]),
        (ui.text(), 5),
        (ui.text(max_length=2), "abc"),
        (ui.text_area(), None),
        (ui.checkbox(), 1),
        (ui.switch(), "true"),
        (ui.dropdown(["a", "b"]), ["c"]),
        (ui.dropdown(["a", "b"]), ["a", "b"]),
        (ui.dropdown(["a", "b"], "a"), []),
        (ui.dropdown(["a", "b"]), 3),
        (ui.dropdown(["a", "b"]), [["a"]]),
        (ui.radio(["a"]), "b"),
        (ui.multiselect(["a", "b"], max_selections=1), ["a", "b"]),
        (ui.multiselect(["a"]), {"a": 1}),
        (ui.button(), "1"),
        (ui.run_button(), None),
        (ui.date(), "31.8.2026"),
        (ui.date(), 20260831),
        (ui.array([ui.text()]), ["a"]),
        (ui.array([ui.text()]), {"1": "a"}),
        (ui.array([ui.text()]), {"0": 1}),
        (ui.dictionary({"a": ui.array([ui.text()])}), {"a": {"0": 3}}),
    ],
)
def test_nonsense_from_the_page_leaves_the_value_and_concerns_nobody(
    element: UIElement[Any], raw: object
) -> None:
    called: list[object] = []
    made = copy.copy(element)
    made._on_change = called.append
    before = made.value
    applied = made._apply(raw)
    assert [type(failure.error) for failure in applied.failures] == [BadRawValue]
    assert not applied.changed
    assert applied.callbacks == []
    assert made.value == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: untyped.slider(), ValueError, r"slider: start must be given"),
        (lambda: untyped.slider(0), ValueError, r"slider: stop must be given"),
        (lambda: untyped.slider("0", 1), TypeError, r"slider: start must be a number, not str"),
        (lambda: untyped.slider(0, True), TypeError, r"slider: stop must be a number, not bool"),
        (lambda: untyped.slider(0, [1]), TypeError, r"slider: stop must be a number, not list"),
        (lambda: untyped.slider(0, math.inf), ValueError, r"slider: stop must be finite"),
        (lambda: untyped.slider(1, 0), ValueError, r"slider: stop must not be less than start, 1"),
        (lambda: untyped.slider(0, 1, 0), ValueError, r"slider: step must be positive, not 0"),
        (lambda: untyped.slider(0, 1, value=2), ValueError, r"slider: value must lie in \[0, 1\]"),
        (lambda: untyped.slider(0, 1, steps=[1]), ValueError, r"slider: steps cannot be combined"),
        (lambda: untyped.slider(steps=[]), ValueError, r"slider: steps must not be empty"),
        (lambda: untyped.slider(steps=[2, 1]), ValueError, r"slider: steps .* steps\[1\] does not"),
        (lambda: untyped.slider(steps=[1, "2"]), TypeError, r"slider: steps\[1\] must be a number"),
        (
            lambda: untyped.slider(steps=3),
            TypeError,
            r"slider: steps must be numbers to choose from",
        ),
        (
            lambda: untyped.slider(steps=[1], value=2),
            ValueError,
            r"slider: value must be one of steps",
        ),
        (lambda: untyped.number(2, 1), ValueError, r"number: stop must not be less"),
        (
            lambda: untyped.number(stop=1, value=2),
            ValueError,
            r"number: value must lie in \[-inf, 1\]",
        ),
        (lambda: untyped.number(step=-1), ValueError, r"number: step must be positive"),
        (lambda: untyped.text(3), TypeError, r"text: value must be a string, not int"),
        (lambda: untyped.text(placeholder=3), TypeError, r"text: placeholder must be a string"),
        (
            lambda: untyped.text(kind="mail"),
            ValueError,
            r"text: kind must be one of text, password",
        ),
        (
            lambda: untyped.text("abc", max_length=2),
            ValueError,
            r"text: value is longer than max_len",
        ),
        (lambda: untyped.text(max_length=-1), ValueError, r"text: max_length must not be negative"),
        (lambda: untyped.text(max_length="2"), TypeError, r"text: max_length must be an int"),
        (lambda: untyped.text_area(rows=0), ValueError, r"text-area: rows must be positive"),
        (lambda: untyped.text_area(rows="2"), TypeError, r"text-area: rows must be an int"),
        (lambda: untyped.checkbox(1), TypeError, r"checkbox: value must be a bool, not int"),
        (lambda: untyped.switch(None), TypeError, r"switch: value must be a bool"),
        (
            lambda: untyped.dropdown("abc"),
            TypeError,
            r"dropdown: options must be a list or a mapping",
        ),
        (lambda: untyped.dropdown(3), TypeError, r"dropdown: options must be a list or a mapping"),
        (
            lambda: untyped.dropdown({1: 2}),
            TypeError,
            r"dropdown: options \(the key 1\) must be keyed",
        ),
        (lambda: untyped.dropdown([1, "1"]), ValueError, r"dropdown: options has '1' twice"),
        (
            lambda: untyped.dropdown(["a"], "b"),
            ValueError,
            r"dropdown: value must be one of 'a'; not",
        ),
        (
            lambda: untyped.dropdown([], allow_none=False),
            ValueError,
            r"dropdown: options must not be",
        ),
        (
            lambda: untyped.radio(["a"], "b"),
            ValueError,
            r"radio: value must be one of 'a'; not 'b'",
        ),
        (
            lambda: untyped.multiselect(["a"], ["b"]),
            ValueError,
            r"multiselect: value must be one of",
        ),
        (lambda: untyped.multiselect(["a"], "a"), TypeError, r"multiselect: value must be a list"),
        (
            lambda: untyped.multiselect(["a", "b"], ["a", "b"], max_selections=1),
            ValueError,
            r"multiselect: value has more than max_selections, 1",
        ),
        (
            lambda: untyped.multiselect([], max_selections="1"),
            TypeError,
            r"max_selections must be an",
        ),
        (
            lambda: untyped.multiselect([], max_selections=-1),
            ValueError,
            r"max_selections must not be",
        ),
        (lambda: untyped.button(3), TypeError, r"button: on_click must be callable, not int"),
        (lambda: untyped.button(kind="red"), ValueError, r"button: kind must be one of neutral"),
        (
            lambda: untyped.run_button(kind="red"),
            ValueError,
            r"run-button: kind must be one of neutral",
        ),
        (lambda: untyped.date("soon"), ValueError, r"date: start must be an ISO date, not 'soon'"),
        (lambda: untyped.date(3), TypeError, r"date: start must be a date or ISO text, not int"),
        (
            lambda: untyped.date(DAY, "2000-01-01"),
            ValueError,
            r"date: stop must not be before start",
        ),
        (
            lambda: untyped.date(stop=DAY, value="2027-01-01"),
            ValueError,
            r"date: value must lie in",
        ),
        (
            lambda: untyped.array([1]),
            TypeError,
            r"array: elements\[0\] must be an element, not int",
        ),
        (
            lambda: untyped.array(3),
            TypeError,
            r"array: elements must be a list of elements, not int",
        ),
        (lambda: untyped.dictionary([]), TypeError, r"dictionary: elements must be a mapping"),
        (
            lambda: untyped.dictionary({"a": 1}),
            TypeError,
            r"dictionary: elements\['a'\] must be an",
        ),
        (
            lambda: untyped.dictionary({1: untyped.text()}),
            TypeError,
            r"dictionary: elements \(the key 1\)",
        ),
        (lambda: untyped.text(label=3), TypeError, r"text: label must be a string, not int"),
        (
            lambda: untyped.text(on_change=3),
            TypeError,
            r"text: on_change must be callable, not int",
        ),
    ],
)
def test_a_bad_argument_is_named(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_an_async_on_click_is_refused() -> None:
    async def press(value: object) -> None: ...

    with pytest.raises(TypeError, match="on_click cannot be async"):
        ui.button(press)


def test_every_press_makes_a_button_value_from_the_last() -> None:
    button = ui.button(lambda n: n * 2, 1)
    for count in range(1, 4):
        button._apply(count)
    assert button.value == 8


def test_a_press_of_an_earlier_session_presses_nothing(cell: FakeCell) -> None:
    cell.initial = {"c-0": 3, "c-1": 3}
    button, run_button = ui.button(lambda n: n + 1, 0), ui.run_button()
    assert (button.value, button._raw_value) == (0, 3)
    assert (run_button.value, run_button._raw_value) == (False, 3)


def test_a_run_button_is_true_until_its_dependants_have_run() -> None:
    button = ui.run_button()
    button._apply(1)
    assert button.value
    button._completed()
    assert not button.value


def test_a_container_shows_that_a_run_button_in_it_fell_back() -> None:
    outer = ui.dictionary({"runs": ui.array([ui.run_button()])})
    outer._apply({"runs": {"0": 1}})
    assert outer.value == {"runs": [True]}
    outer._completed()
    assert outer.value == {"runs": [False]}


def test_a_value_the_client_knew_is_where_an_element_starts(cell: FakeCell) -> None:
    cell.initial = {"c-0": 7, "c-3": {"0": "restored"}}
    slider, text = ui.slider(0, 10), ui.text()
    array = ui.array([text])
    assert slider.value == 7
    assert array.element_id == "c-3"
    assert array.value == ["restored"]


def test_a_part_of_a_container_starts_where_the_client_knew_it(cell: FakeCell) -> None:
    cell.initial = {"c-1": "restored"}
    assert ui.array([ui.text()]).value == ["restored"]


@pytest.mark.parametrize("raw", [2.5, "7", None, {"0": "7"}, {"9": 1}])
def test_a_restored_value_that_no_longer_fits_is_let_go(cell: FakeCell, raw: object) -> None:
    cell.initial = dict.fromkeys(("c-0", "c-1", "c-2"), raw)
    slider = ui.slider(0, 10, value=3)
    assert (slider.value, slider._raw_value) == (3, 3)
    assert ui.array([slider]).value == [3]


def test_ids_are_taken_in_the_order_of_creation(cell: FakeCell) -> None:
    slider = ui.slider(0, 1)
    array = ui.array([slider, slider])
    assert slider.element_id == "c-0"
    assert [part.element_id for part in array] == ["c-1", "c-2"]
    assert array.element_id == "c-3"


def test_elements_work_in_a_plain_script() -> None:
    slider = ui.slider(0, 10)
    assert slider.value == 0
    assert slider._creating_cell is None
    assert slider.element_id != ui.slider(0, 10).element_id


def test_the_cell_that_makes_an_element_cannot_read_it_and_others_can(cell: FakeCell) -> None:
    cell.reads_own = False
    array = ui.array([ui.slider(0, 10, label="Age")])
    with pytest.raises(ValueNotYetReadable, match="Age"):
        _ = array[0].value
    with pytest.raises(ValueNotYetReadable):
        _ = array.value
    with installed(None):
        assert array.value == [0]
        assert array[0].value == 0


def test_a_value_cannot_be_set_by_code() -> None:
    slider = ui.slider(0, 10)
    with pytest.raises(AttributeError, match="set on the page"):
        slider.value = 3  # type: ignore[assignment]


def test_elements_are_their_own_selves() -> None:
    one, other = ui.slider(0, 1), ui.slider(0, 1)
    assert one != other
    assert len({one, other, one}) == 2


def test_nothing_keeps_an_element_alive() -> None:
    gc.disable()
    try:
        element = ui.array([ui.dictionary({"a": ui.slider(0, 1)})])
        gone = [weakref.ref(e) for e in (element, element[0], element[0]["a"])]  # type: ignore[index]
        del element
        assert [ref() for ref in gone] == [None] * 3
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "element",
    [
        ui.slider(0, 10, value=2, label="s"),
        ui.number(1),
        ui.text("a", kind="url"),
        ui.text_area("a", rows=9),
        ui.checkbox(True),
        ui.switch(),
        ui.dropdown(["a"]),
        ui.radio({"a": 1}, "a", inline=True),
        ui.multiselect([1, 2], [1]),
        ui.button(value=3, kind="danger"),
        ui.run_button(disabled=True),
        ui.date(value=DAY, full_width=True),
        ui.array([ui.array([ui.text("x")])]),
        ui.dictionary({"a": ui.checkbox()}, label="d"),
    ],
)
@pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy])
def test_a_copy_is_an_element_of_its_own_with_the_same_settings(
    cell: FakeCell, element: UIElement[Any], clone: Callable[[UIElement[Any]], UIElement[Any]]
) -> None:
    copied = clone(element)
    assert type(copied) is type(element)
    assert copied.element_id != element.element_id
    assert cell.registry.get(copied.element_id) is copied
    assert copied._creating_cell == "c"
    assert copied.value == element.value

    def settings(html: str) -> list[tuple[str, object]]:
        shown = Shown()
        shown.feed(html)
        return [
            (tag, {k: v for k, v in attrs.items() if k != "object-id"}) for tag, attrs in shown.tags
        ]

    assert settings(f"{copied}") == settings(f"{element}")


def test_a_copy_starts_afresh_and_moves_alone() -> None:
    slider = ui.slider(0, 10, value=2)
    slider._apply(5)
    copied = copy.deepcopy([slider, slider])
    assert copied[0] is copied[1]
    assert copied[0].value == 2
    copied[0]._apply(9)
    assert slider.value == 5


def test_copies_do_not_share_a_value_that_can_change() -> None:
    one = ui.multiselect(["a", "b"], ["a"])
    other = copy.copy(one)
    one.value.append("b")
    assert other.value == ["a"]


def test_a_subclass_without_slots_is_copied_whole() -> None:
    class Stars(UIElement[int]):
        _tag = "stars"

        def __init__(self, most: int) -> None:
            self.most = most
            super().__init__(0)

        def _convert(self, raw: object) -> int:
            if type(raw) is not int or raw > self.most:
                raise BadRawValue("too many")
            return raw

    (stars,) = ui.array([Stars(3)])
    stars._apply(9)
    assert stars.value == 0
    stars._apply(3)
    assert stars.value == 3
    assert f"{stars}".startswith("<callboard-stars ")


def test_one_element_can_be_in_several_containers() -> None:
    text = ui.text("a")
    one, other = ui.array([text, text]), ui.array([text])
    one._apply({"0": "b"})
    assert (text.value, one.value, other.value) == ("a", ["b", "a"], ["a"])


def test_containers_give_their_parts() -> None:
    array = ui.array([ui.text("a"), ui.text("b"), ui.text("c")])
    assert [part.value for part in array] == ["a", "b", "c"]
    assert [part.value for part in array[1:]] == ["b", "c"]
    assert array[-1].value == "c"
    assert len(array) == 3
    assert array.elements[0] is array[0]
    mapping = ui.dictionary({"a": ui.text("x")})
    assert mapping["a"].value == "x"
    assert list(mapping) == ["a"]
    assert "a" in mapping
    assert "b" not in mapping
    assert mapping.elements["a"] is mapping["a"]


class Shown(HTMLParser):
    """The elements in some HTML: their tags and attributes, JSON decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag.startswith("callboard-"):
            self.tags.append(
                (tag, {k: loads(v or "") if k.startswith("data-") else v for k, v in attributes})
            )

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


nasty = st.text(alphabet="<>&\"'=a \n\\é")


@given(nasty, nasty, st.dictionaries(nasty, nasty, min_size=1))
def test_no_text_breaks_out_of_the_markup(label: str, value: str, options: dict[str, str]) -> None:
    shown = Shown()
    elements = {
        label: ui.text(value, value, label=label),
        f"{label}!": ui.dropdown(options, label=value),
    }
    shown.feed(f"{ui.dictionary(elements, label=label)}")
    (outer, outer_data), (text, text_data), (dropdown, dropdown_data) = shown.tags
    assert (outer, text, dropdown) == (
        "callboard-dictionary",
        "callboard-text",
        "callboard-dropdown",
    )
    assert outer_data["data-label"] == label
    assert text_data["data-value"] == text_data.get("data-placeholder", "") == value
    assert dropdown_data["data-options"] == list(options)
    assert shown.open == []


def test_the_markup_tells_the_settings_and_the_current_value(cell: FakeCell) -> None:
    slider = ui.slider(0, 10, 2, label="S", disabled=True, full_width=True, debounce=True)
    slider._apply(4)
    shown = Shown()
    shown.feed(slider._mime_()[1])
    assert slider._mime_()[0] == "text/html"
    assert shown.tags == [
        (
            "callboard-slider",
            {
                "object-id": "c-0",
                "data-value": 4,
                "data-label": "S",
                "data-start": 0,
                "data-stop": 10,
                "data-step": 2,
                "data-debounce": True,
                "data-show-value": True,
                "data-disabled": True,
                "data-full-width": True,
            },
        )
    ]


def test_an_f_string_shows_the_element_and_repr_describes_it(cell: FakeCell) -> None:
    slider = ui.slider(0, 10, label="Age")
    assert f"{slider}" == slider._mime_()[1]
    assert repr(slider) == str(slider) == "<slider 'Age' c-0 value=0>"
    assert f"{slider:>30}" == "    <slider 'Age' c-0 value=0>"
    assert len(repr(ui.text("x" * 500))) < 100


def test_repr_shows_no_password_and_stands_a_broken_value() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert "secret" not in repr(ui.text("secret", kind="password"))
    assert "repr raised ValueError" in repr(ui.button(value=Broken()))


@pytest.mark.parametrize(
    "make",
    [
        lambda: ui.slider(0, 10, 1, 5, label="x", on_change=print),
        lambda: ui.dropdown(["a", "b", "c"], "a"),
        lambda: ui.text("a"),
        lambda: ui.date(value=DAY),
    ],
)
def test_elements_are_cheap_to_make(cell: FakeCell, make: Callable[[], object]) -> None:
    # about 5 us; the bound allows for a busy machine
    assert min(timeit.repeat(make, number=200, repeat=20)) / 200 < 50e-6


def test_elements_are_cheap_to_update(cell: FakeCell) -> None:
    slider = ui.slider(0, 10)
    update = lambda: slider._apply(5)  # noqa: E731
    assert min(timeit.repeat(update, number=200, repeat=20)) / 200 < 20e-6
