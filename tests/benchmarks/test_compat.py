"""The comparison with marimo's codecs: the half of it that needs no marimo."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.compat.__main__ import decode, our_samples
from benchmarks.compat.differences import Difference, Known, changes, judge
from benchmarks.compat.known import KNOWN

FIELD_DROPPED = Difference("command", "model", "token", "dropped by marimo", "'t'")


def known(*differences: str, release: str = "1") -> Known:
    return Known(frozenset({release}), "because", differences)


def test_every_variant_of_every_message_survives_our_own_codec() -> None:
    for sample in our_samples():
        assert decode(sample.kind, sample.text) == sample.message


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {}, [("a", "dropped")]),
        ({}, {"a": None}, [("a", "added")]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", "changed")]),
        ({"a": [{"b": 1}, {}]}, {"a": [{}, {}]}, [("a[].b", "dropped")]),
        ({"a": [1, 2]}, {"a": [1]}, [("a", "changed")]),
        ({"a": True}, {"a": 1}, [("a", "changed")]),
        ({"a": None}, {"a": []}, [("a", "changed")]),
    ],
)
def test_a_change_is_named_by_its_path(before: Any, after: Any, found: list[Any]) -> None:
    assert [(path, how) for path, how, _ in changes(before, after)] == found


def test_a_known_difference_is_given_its_reason() -> None:
    verdict = judge([FIELD_DROPPED], [known("command model token: dropped by marimo")], "1")
    assert verdict.explained == {"because": [FIELD_DROPPED]}
    assert not verdict.unexplained
    assert not verdict.stale


def test_a_difference_known_for_another_release_is_unexplained() -> None:
    entry = known("command model token: dropped by marimo", release="2")
    verdict = judge([FIELD_DROPPED], [entry], "1")
    assert verdict.unexplained == [FIELD_DROPPED]
    assert not verdict.stale


def test_a_known_difference_that_is_no_more_is_reported() -> None:
    verdict = judge([], [known("command model token: dropped by marimo")], "1")
    assert verdict.stale == ["command model token: dropped by marimo"]


def test_a_difference_explained_twice_is_a_mistake_in_the_table() -> None:
    with pytest.raises(ValueError, match="known twice"):
        judge([], [known("a"), known("a")], "1")


@pytest.mark.parametrize("release", ["0.23.7", "newest"])
def test_the_table_explains_no_difference_twice(release: str) -> None:
    judge([], KNOWN, release)
