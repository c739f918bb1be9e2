"""What follows from several sources of secrets: the list, and what the environment becomes."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.secrets.sources import Source, Step, list_keys, merge, plan
from callboard.messages.payloads import SecretKeys

KEYS = st.sampled_from("ABCDEF")
VALUES = st.sampled_from(["", "1", "2", "3"])
VARIABLES = st.dictionaries(KEYS, VALUES)
SOURCES = st.lists(
    st.builds(Source, st.just("dotenv"), st.sampled_from(["x", "y"]), st.lists(KEYS)), max_size=5
)


def test_a_name_is_listed_under_the_first_source_alone_and_an_empty_one_still_shows() -> None:
    assert list_keys(
        [
            Source("env", "Environment variables", ["B", "A"]),
            Source("dotenv", ".env", ["A"]),
            Source("dotenv", "more.env", ["C", "B", "C"]),
        ]
    ) == [
        SecretKeys("env", "Environment variables", ["A", "B"]),
        SecretKeys("dotenv", ".env", []),
        SecretKeys("dotenv", "more.env", ["C"]),
    ]


@given(SOURCES)
def test_every_name_is_listed_once_sorted_and_where_it_is_first_found(
    sources: list[Source],
) -> None:
    listed = list_keys(sources)
    assert [one.name for one in listed] == [source.name for source in sources]
    for at, (one, source) in enumerate(zip(listed, sources, strict=True)):
        before = {key for earlier in sources[:at] for key in earlier.keys}
        assert one.keys == sorted(set(source.keys) - before)


@given(st.lists(VARIABLES, max_size=4))
def test_the_value_of_a_name_comes_from_the_source_that_lists_it(
    files: list[dict[str, str]],
) -> None:
    listed = list_keys(Source("dotenv", str(at), file) for at, file in enumerate(files))
    where = {key: files[int(one.name)] for one in listed for key in one.keys}
    assert merge(files) == {key: file[key] for key, file in where.items()}


@attrs.define
class World:
    """An environment with what the files have given it so far."""

    at_start: Mapping[str, str]
    now: dict[str, str]
    given: Mapping[str, str] = attrs.field(factory=dict)

    def load(self, wanted: Mapping[str, str], *, override: bool) -> None:
        changes = plan(self.now, self.at_start, self.given, wanted, override=override)
        keys = [step.key for step in changes.steps]
        assert len(keys) == len(set(keys))
        for step in changes.steps:
            assert self.now.get(step.key) == step.before != step.after
            if step.after is None:
                del self.now[step.key]
            else:
                self.now[step.key] = step.after
        self.given = changes.given


@given(VARIABLES, st.lists(VARIABLES, min_size=1, max_size=4))
def test_after_any_history_of_the_files_the_environment_is_that_of_a_fresh_start(
    at_start: dict[str, str], history: list[dict[str, str]]
) -> None:
    world = World(at_start, dict(at_start))
    for wanted in history:
        world.load(wanted, override=True)
    assert world.now == {**history[-1], **at_start}


@given(VARIABLES, st.lists(VARIABLES, max_size=4))
def test_without_overriding_nothing_that_is_there_ever_changes(
    at_start: dict[str, str], history: list[dict[str, str]]
) -> None:
    world = World(at_start, dict(at_start))
    for wanted in history:
        before = dict(world.now)
        world.load(wanted, override=False)
        assert world.now == {**wanted, **before}


SETS = st.tuples(st.just("set"), KEYS, VALUES)
REMOVES = st.tuples(st.just("remove"), KEYS, st.none())
LOADS = st.tuples(st.just("load"), VARIABLES, st.booleans())


@settings(max_examples=300)
@given(VARIABLES, st.lists(SETS | REMOVES | LOADS, max_size=12))
def test_what_the_notebook_itself_has_set_and_what_was_there_at_the_start_is_never_touched(
    at_start: dict[str, str], history: list[tuple[str, object, object]]
) -> None:
    world = World(at_start, dict(at_start))
    own: dict[str, str] = {}
    for what, first, second in history:
        if what == "load":
            assert isinstance(first, dict)
            before = dict(world.now)
            world.load(first, override=second is True)
            for key in {**at_start, **own}:
                assert world.now.get(key) == before.get(key)
            assert world.given.items() <= world.now.items()
            assert not world.given.keys() & {*at_start, *own}
            continue
        key = str(first)
        if what == "set" and world.given.get(key) != second:
            world.now[key] = own[key] = str(second)
        elif what == "remove":
            world.now.pop(key, None)
            own.pop(key, None)


def test_what_is_to_be_done_shows_no_value() -> None:
    changes = plan({"B": "old-1"}, [], {"B": "old-1"}, {"A": "new-1"}, override=True)
    assert changes.steps == (Step("A", None, "new-1"), Step("B", "old-1", None))
    assert "-1" not in repr(changes)
    assert "'A'" in repr(changes)
