"""Merged ticks have the effect of the ticks one after another."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import reduce
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callboard.messages.commands import (
    COMMANDS,
    Command,
    ModelCommand,
    ModelCustomMessage,
    ModelUpdateMessage,
    UpdateUIElementCommand,
)
from callboard.messages.conflation import REMEMBERED_TOKENS, UIBatch, as_batch, state_key
from callboard.messages.ids import ModelId, UIElementId
from callboard.messages.notifications import CommandProgressNotification
from callboard.messages.payloads import BufferPath, HTTPRequest, RequestURL
from callboard.testing.strategies import commands, element_updates, model_updates

elements = st.sampled_from([UIElementId(f"a-{n}") for n in range(3)])
models = st.sampled_from([ModelId("m"), ModelId("n")])
requests = st.sampled_from([None, *(HTTPRequest(RequestURL(path)) for path in ("/1", "/2"))])
ticks = st.one_of(
    element_updates(elements, st.integers(), requests),
    model_updates(models, st.sampled_from(["x", "y", "z"]), st.integers()),
)
Tick = UpdateUIElementCommand | ModelCommand


def batch_of(tick: Command) -> UIBatch:
    batch = as_batch(tick)
    assert batch is not None
    return batch


def merged(ticks: Sequence[Tick]) -> UIBatch:
    return reduce(UIBatch.absorb, map(batch_of, ticks))


def distinct(ticks: Sequence[Tick]) -> list[Tick]:
    """The ticks that are no duplicate of an earlier one."""
    seen: set[str] = set()
    result = []
    for tick in ticks:
        if tick.token and tick.token in seen:
            continue
        seen.add(tick.token)
        result.append(tick)
    return result


def apply_update(state: dict[str, Any], message: ModelUpdateMessage, buffers: list[bytes]) -> None:
    """What a widget does with an update: set keys, then put binary values where they belong."""
    state.update(copy.deepcopy(message.state))
    for path, buffer in zip(message.buffer_paths, buffers, strict=True):
        place: Any = state
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = buffer


def one_after_another(ticks: Sequence[Tick]) -> tuple[dict[UIElementId, Any], dict[ModelId, Any]]:
    values: dict[UIElementId, Any] = {}
    states: dict[ModelId, Any] = {}
    for tick in ticks:
        if isinstance(tick, UpdateUIElementCommand):
            values.update(zip(tick.object_ids, tick.values, strict=True))
        else:
            assert isinstance(tick.message, ModelUpdateMessage)
            apply_update(states.setdefault(tick.model_id, {}), tick.message, tick.buffers)
    return values, states


def all_at_once(batch: UIBatch) -> tuple[dict[UIElementId, Any], dict[ModelId, Any]]:
    states: dict[ModelId, Any] = {}
    for model_id, model in batch.models.items():
        apply_update(states.setdefault(model_id, {}), *model.message())
    return batch.values, states


@settings(deadline=None)
@given(st.lists(ticks, min_size=1, max_size=12))
def test_a_batch_has_the_effect_of_its_ticks_in_order(ticks: list[Tick]) -> None:
    assert all_at_once(merged(ticks)) == one_after_another(distinct(ticks))


@settings(deadline=None)
@given(st.lists(ticks, min_size=1, max_size=8), st.lists(ticks, min_size=1, max_size=8))
def test_batches_merge_like_the_ticks_in_them(first: list[Tick], second: list[Tick]) -> None:
    assume(not merged(first).tokens & merged(second).tokens)
    assert merged(first).absorb(merged(second)) == merged(first + second)


@settings(deadline=None)
@given(st.lists(ticks, min_size=1, max_size=12))
def test_a_batch_counts_its_elements_and_model_keys(ticks: list[Tick]) -> None:
    batch = merged(ticks)
    assert batch.keys == len(batch.values) + sum(model.keys for model in batch.models.values())
    for model in batch.models.values():
        touched = model.state.keys() | {path[0] for path in model.buffers}
        assert model.keys == max(1, len(touched))


@settings(deadline=None)
@given(st.lists(ticks, min_size=1, max_size=12))
def test_targets_keep_the_order_in_which_they_were_first_seen(ticks: list[Tick]) -> None:
    seen: dict[tuple[str, str], None] = {}
    for tick in distinct(ticks):
        if isinstance(tick, UpdateUIElementCommand):
            seen |= dict.fromkeys(("element", element) for element in tick.object_ids)
        else:
            seen["model", tick.model_id] = None
    batch = merged(ticks)
    assert list(batch.order) == list(seen)
    assert [("element", element) for element in batch.values] == [k for k in seen if k[0][0] == "e"]
    assert [("model", model) for model in batch.models] == [k for k in seen if k[0][0] == "m"]


@settings(deadline=None)
@given(st.lists(ticks, min_size=2, max_size=6))
def test_merging_leaves_the_commands_as_they_were(ticks: list[Tick]) -> None:
    before = copy.deepcopy(ticks)
    merged(ticks)
    assert ticks == before


def set_element(value: object, token: str = "", request: HTTPRequest | None = None) -> Tick:
    return UpdateUIElementCommand([UIElementId("a-0")], [value], request, token)


def set_state(
    token: str = "", /, buffers: dict[tuple[str | int, ...], bytes] | None = None, **state: object
) -> Tick:
    paths: list[BufferPath] = [list(path) for path in buffers or {}]
    update = ModelUpdateMessage(state, paths)
    return ModelCommand(ModelId("m"), update, list((buffers or {}).values()), token)


def test_alternating_ticks_of_elements_and_models_become_one_batch() -> None:
    batch = merged([tick for n in range(50) for tick in (set_element(n), set_state(x=n))])
    assert batch.values == {"a-0": 49}
    assert batch.models[ModelId("m")].state == {"x": 49}
    assert batch.keys == 2


def test_an_update_without_state_is_an_update() -> None:
    batch = batch_of(set_state())
    assert list(batch.models) == ["m"]
    assert batch.keys == 1
    assert batch.models[ModelId("m")].message() == (ModelUpdateMessage({}, []), [])


def test_an_element_update_that_names_none_is_an_update() -> None:
    batch = batch_of(UpdateUIElementCommand([], []))
    assert batch.has_ui_update
    assert batch.keys == 0
    assert not batch_of(set_state()).has_ui_update


def test_overwriting_a_key_drops_the_buffers_below_it_and_no_others() -> None:
    first = set_state(
        buffers={("x", "data"): b"1", ("x", 0): b"2", ("y", "data"): b"3", ("xx",): b"4"},
        x={},
        y={},
    )
    batch = merged([first, set_state(x={}, buffers={("x", "data"): b"5"})])
    buffers = batch.models[ModelId("m")].buffers
    assert buffers == {("y", "data"): b"3", ("xx",): b"4", ("x", "data"): b"5"}


def test_a_key_that_is_binary_as_a_whole_replaces_what_it_was_before() -> None:
    first = set_state(x={"a": 1}, buffers={("x", "data"): b"1"})
    model = merged([first, set_state(buffers={("x",): b"2"})]).models[ModelId("m")]
    assert (model.state, model.buffers) == ({}, {("x",): b"2"})
    model.absorb(batch_of(set_state(x=3)).models[ModelId("m")])
    assert (model.state, model.buffers) == ({"x": 3}, {})


def test_a_duplicate_changes_nothing() -> None:
    request = HTTPRequest(RequestURL("/"))
    batch = merged([set_element(1, "t"), set_element(2, "u", request)])
    assert batch.has_token("t")
    batch.absorb(batch_of(set_element(1, "t")))
    assert batch.values == {"a-0": 2}
    assert (batch.token, batch.request) == ("u", request)
    assert batch.tokens == {"t", "u"}


def test_an_empty_token_marks_no_duplicates() -> None:
    batch = merged([set_element(1), set_element(2)])
    assert batch.values == {"a-0": 2}
    assert not batch.has_token("")


def test_the_request_is_that_of_the_last_element_update() -> None:
    first, last = HTTPRequest(RequestURL("/1")), HTTPRequest(RequestURL("/2"))
    ticks = [set_element(1, "a", first), set_element(2, "b", last), set_state("c")]
    batch = merged(ticks)
    assert (batch.request, batch.token) == (last, "c")
    assert batch.absorb(batch_of(set_element(3, "d"))).request is None


def test_the_tokens_kept_are_bounded() -> None:
    batch = merged([set_element(n, f"t{n}") for n in range(REMEMBERED_TOKENS + 10)])
    assert len(batch.tokens) == REMEMBERED_TOKENS
    assert batch.has_token(f"t{REMEMBERED_TOKENS + 9}")
    assert not batch.has_token("t9")


def test_a_batch_is_its_own_batch() -> None:
    batch = merged([set_element(1)])
    assert as_batch(batch) is batch


def test_a_custom_message_is_no_tick() -> None:
    assert as_batch(ModelCommand(ModelId("m"), ModelCustomMessage(None), [])) is None


@settings(deadline=None)
@given(commands(*(cls for cls in COMMANDS if cls not in (UpdateUIElementCommand, ModelCommand))))
def test_only_element_and_model_updates_are_ticks(command: Command) -> None:
    assert as_batch(command) is None


def test_how_far_a_command_is_replaces_how_far_it_was_and_no_other() -> None:
    def progress(identity: str, done: int) -> CommandProgressNotification:
        return CommandProgressNotification("storage-download", identity, done, 100, "bytes")

    assert state_key(progress("a", 1)) == state_key(progress("a", 2)) is not None
    assert state_key(progress("a", 1)) != state_key(progress("b", 1))
