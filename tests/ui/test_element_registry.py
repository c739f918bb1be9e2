"""Finding elements, and the names that stand for them."""

from __future__ import annotations

import gc
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

import callboard as cb
from callboard.authoring.context import installed
from callboard.messages.ids import CellId
from callboard.ui import UIElement
from callboard.ui.registry import bound_elements

if TYPE_CHECKING:
    from tests.ui.conftest import FakeCell

ui = cb.ui


def test_an_element_is_found_for_as_long_as_it_lives(cell: FakeCell) -> None:
    gc.disable()
    try:
        slider = ui.slider(0, 1)
        assert cell.registry.get("c-0") is slider
        del slider
        assert cell.registry.get("c-0") is None
        assert len(cell.registry) == 0
    finally:
        gc.enable()


def test_an_element_with_the_id_of_another_replaces_it(cell: FakeCell) -> None:
    old = ui.slider(0, 1)
    cell.made = 0
    new = ui.slider(0, 1)
    assert cell.registry.get("c-0") is new
    del old
    gc.collect()
    assert cell.registry.get("c-0") is new


def test_unknown_and_collected_ids_are_left_out(cell: FakeCell) -> None:
    slider = ui.slider(0, 1)
    ui.slider(0, 1)
    gc.collect()
    assert cell.registry.resolve({"c-1": 1, "c-0": 1, "x": 1}) == [(slider, 1)]


def test_elements_are_updated_in_the_order_of_first_mention(cell: FakeCell) -> None:
    array, slider = ui.array([ui.text(), ui.text()]), ui.slider(0, 1)
    updates = {array[1].element_id: "b", slider.element_id: 1, array[0].element_id: "a"}
    assert cell.registry.resolve(updates) == [(array, {"1": "b", "0": "a"}), (slider, 1)]


def test_a_part_stands_for_its_outermost_container(cell: FakeCell) -> None:
    outer = ui.dictionary({"row": ui.array([ui.text()]), "other": ui.text()})
    row = outer["row"]
    assert isinstance(row, ui.array)
    (part,) = row
    assert cell.registry.resolve({part.element_id: "x"}) == [(outer, {"row": {"0": "x"}})]


def test_a_part_whose_container_is_gone_stands_for_itself(cell: FakeCell) -> None:
    (part,) = ui.array([ui.text()])
    gc.collect()
    assert cell.registry.resolve({part.element_id: "x"}) == [(part, "x")]


def test_a_value_that_is_an_object_itself_is_replaced_and_not_merged(cell: FakeCell) -> None:
    class Custom(UIElement[Any]):
        _tag = "custom"

    array = ui.array([Custom({})])
    updates = {array.element_id: {"0": {"a": 1}}, array[0].element_id: {"b": 2}}
    assert cell.registry.resolve(updates) == [(array, {"0": {"b": 2}})]


def test_a_part_is_updated_although_its_container_was_sent_nonsense(cell: FakeCell) -> None:
    array = ui.array([ui.text()])
    ((element, raw),) = cell.registry.resolve({array.element_id: 7, array[0].element_id: "x"})
    assert element._apply(raw).failures == []
    assert array.value == ["x"]


Spec = Any
"""The shape of an element: `int` is a leaf, a list an array, a dict a dictionary."""

specs: st.SearchStrategy[Spec] = st.recursive(
    st.just(0),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=12,
)


def build(spec: Spec) -> UIElement[Any]:
    if isinstance(spec, list):
        return ui.array([build(part) for part in spec])
    if isinstance(spec, dict):
        return ui.dictionary({key: build(part) for key, part in spec.items()})
    return ui.number(0)


def walk(element: UIElement[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[Any, Any]]:
    """All elements below one, itself included, each with the keys that lead to it."""
    yield path, element
    if isinstance(element, ui.array):
        for i, part in enumerate(element):
            yield from walk(part, (*path, str(i)))
    elif isinstance(element, ui.dictionary):
        for key, part in element.elements.items():
            yield from walk(part, (*path, key))


def leaves(element: UIElement[Any], path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    return {p: e for p, e in walk(element, path) if isinstance(e, ui.number)}


@given(st.lists(specs, min_size=1, max_size=3), st.data())
def test_every_part_ends_at_the_last_value_that_was_sent_for_it(
    new_cell: Callable[[CellId], FakeCell], shapes: list[Spec], data: st.DataObject
) -> None:
    cell = new_cell(CellId("c"))
    with installed(cell):
        roots = [build(shape) for shape in shapes]
    everything = [(root, path, element) for root in roots for path, element in walk(root)]
    mentioned = data.draw(
        st.lists(st.sampled_from(everything), unique_by=lambda e: e[2].element_id)
    )
    updates: dict[str, object] = {}
    expected: dict[UIElement[Any], int] = {}
    order: list[UIElement[Any]] = []
    for number, (root, _, element) in enumerate(mentioned, 1):
        # a value for some of the leaves below, as nested as they are
        raw: Any = number
        if not isinstance(element, ui.number):
            raw = {}
            below = leaves(element)
            for keys in data.draw(st.sets(st.sampled_from(sorted(below)))) if below else ():
                inner = raw
                for key in keys[:-1]:
                    inner = inner.setdefault(key, {})
                inner[keys[-1]] = number
                expected[below[keys]] = number
        else:
            expected[element] = number
        updates[element.element_id] = raw
        if root not in order:
            order.append(root)

    resolved = cell.registry.resolve(updates)

    assert [element for element, _ in resolved] == order
    for element, raw in resolved:
        assert element._apply(raw).failures == []
    for root in roots:
        for leaf in leaves(root).values():
            assert leaf.value == expected.get(leaf, 0)
        for _, element in walk(root):
            assert element._raw_value == raw_of(element)


def raw_of(element: UIElement[Any]) -> object:
    if isinstance(element, ui.array):
        return {str(i): raw_of(part) for i, part in enumerate(element)}
    if isinstance(element, ui.dictionary):
        return {key: raw_of(part) for key, part in element.elements.items()}
    return element.value


def test_a_name_is_bound_to_an_element_and_to_all_that_it_is_a_part_of(cell: FakeCell) -> None:
    outer = ui.dictionary({"row": ui.array([ui.text()])})
    row: Any = outer["row"]
    ids = {element.element_id for element in (outer, row, row[0])}
    assert bound_elements(row[0]) == ids
    assert bound_elements(row) == {outer.element_id, row.element_id}
    assert bound_elements(outer) == {outer.element_id}


def test_a_namespace_is_bound_to_what_it_holds(cell: FakeCell) -> None:
    inner = types.SimpleNamespace(text=ui.text())
    namespace = types.SimpleNamespace(slider=ui.slider(0, 1), inner=inner, other=3)
    inner.back = namespace
    assert bound_elements(namespace) == {"c-0", "c-1"}


@pytest.mark.parametrize("value", [None, 3, "c-0", [], {}, ui, object(), UIElement])
def test_other_values_are_bound_to_nothing(value: object) -> None:
    assert bound_elements(value) == frozenset()


def test_looking_for_elements_runs_no_code_of_the_value(cell: FakeCell) -> None:
    class Hostile:
        def __getattribute__(self, name: str) -> NoReturn:
            raise AssertionError(name)

    class HostileSpace(types.SimpleNamespace):
        def __getattribute__(self, name: str) -> NoReturn:
            raise AssertionError(name)

    assert bound_elements(Hostile()) == frozenset()
    assert bound_elements(HostileSpace(slider=ui.slider(0, 1), hostile=Hostile())) == {"c-0"}
