"""What values are told apart by."""

from __future__ import annotations

import copy
import dataclasses
import decimal
import enum
import os
import subprocess
import sys
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard import ui
from callboard.caching import bulk
from callboard.caching.content import Hasher, Unkeyable, is_plain

ROOT = Path(__file__).resolve().parents[2]


def digest(value: object) -> bytes:
    return Hasher().digest(value)


leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.complex_numbers(allow_nan=False)
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False)
    | st.dates()
)
hashables = st.recursive(
    leaves, lambda inner: st.tuples(inner, inner) | st.frozensets(inner, max_size=3), max_leaves=6
)
values = st.recursive(
    hashables,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(hashables, inner, max_size=4)
        | st.sets(hashables, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=12,
)


def exactly(value: object) -> object:
    """A form in which values are equal only if they are so in type, sign and order."""
    if isinstance(value, dict):
        return ("dict", [(exactly(k), exactly(v)) for k, v in value.items()])
    if isinstance(value, list | tuple):
        return (type(value), [exactly(each) for each in value])
    if isinstance(value, set | frozenset):
        return (type(value), sorted(repr(exactly(each)) for each in value))
    return (type(value), repr(value))


@given(values)
@settings(max_examples=40, deadline=None)
def test_equal_content_has_equal_digests(value: object) -> None:
    assert digest(copy.deepcopy(value)) == digest(value)


@given(values, values)
@settings(max_examples=60, deadline=None)
def test_other_content_has_another_digest(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (exactly(one) == exactly(other))


@given(values)
@settings(max_examples=40, deadline=None)
def test_being_the_same_object_twice_does_not_matter(value: object) -> None:
    assert digest([value, value]) == digest([value, copy.deepcopy(value)])


def test_types_and_signs_count() -> None:
    alike: list[object] = [1, 1.0, True, 1 + 0j, decimal.Decimal(1), "1", b"1", [1], (1,), {1}]
    alike += [
        frozenset({1}),
        {1: None},
        bytearray(b"1"),
        0.0,
        -0.0,
        float("nan"),
        OrderedDict({1: None}),
    ]
    assert len({digest(each) for each in alike}) == len(alike)


def test_the_form_of_a_digest_cannot_be_passed_as_a_value() -> None:
    array: Any = __import__("numpy").arange(3)
    assert digest(("ndarray", "<i8", (3,), b"")) != digest(array)
    assert digest(array.tobytes()) != digest(array)


def test_what_holds_itself_has_a_digest() -> None:
    def ring(length: int) -> list[Any]:
        start: list[Any] = [length]
        end = start
        for number in range(length):
            end.append([number])
            end = end[1]
        end.append(start)
        return start

    assert digest(ring(3)) == digest(ring(3))
    assert digest(ring(3)) != digest(ring(4))


def test_sharing_without_end_is_no_endless_work() -> None:
    value: list[Any] = []
    for _ in range(60):
        value = [value, value]
    assert is_plain(value) is None
    assert digest(value) == digest(value)


def test_deep_nesting_is_refused_and_not_overflowing() -> None:
    value: list[Any] = []
    for _ in range(5000):
        value = [value]
    with pytest.raises(Unkeyable, match="nested too deeply"):
        digest(value)


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0

    def norm(self) -> float:
        return abs(self.x) + abs(self.y)


class Slotted:
    __slots__ = ("a",)

    def __init__(self, a: object) -> None:
        self.a = a


def test_objects_count_by_what_they_hold() -> None:
    kinds: list[Callable[[int], object]] = [
        Point,
        Slotted,
        lambda n: Colour(n + 1),
        lambda n: defaultdict(list, {n: [1]}),
        lambda n: OrderedDict({n: 1}),
        lambda n: ValueError(n),
        lambda n: Path(f"/{n}"),
        lambda n: range(n),
        lambda n: slice(n, 3),
        lambda n: {"point": [Point(n)]},
    ]
    for make in kinds:
        assert digest(make(0)) == digest(make(0))
        assert digest(make(0)) != digest(make(1))


def make_class(body: str) -> Any:
    namespace: dict[str, Any] = {"__name__": "notebook"}
    exec(f"class K:\n    {body}", namespace)
    return namespace["K"]


def test_a_class_of_the_author_counts_by_its_code() -> None:
    one, same, other = (
        make_class(body)
        for body in (
            "def f(self): return 1",
            "def f(self): return 1 # one",
            "def f(self): return 2",
        )
    )
    assert digest(one) == digest(same) != digest(other)
    assert digest(one()) == digest(same()) != digest(other())


def test_functions_count_by_code_defaults_and_what_they_close_over() -> None:
    def make(step: object, default: object = 0) -> Callable[[int], object]:
        def inner(x: int, y: object = default) -> object:
            return x, y, step

        return inner

    assert digest(make(1)) == digest(make(1))
    assert len({digest(make(*args)) for args in [(1,), (2,), (1, 3), ([1],), ([2],)]}) == 5


def test_an_element_counts_by_its_value() -> None:
    one, other = ui.slider(0, 10, value=3), ui.slider(0, 10, value=3)
    assert digest(one) == digest(other)
    other._apply(4)
    assert digest(one) != digest(other)


def test_an_object_may_say_what_it_stands_for() -> None:
    class Client:
        def __init__(self, address: str) -> None:
            self.address, self.lock = address, threading.Lock()

        def __cache_key__(self) -> object:
            return self.address

    assert digest(Client("a")) == digest(Client("a")) != digest(Client("b"))


@pytest.mark.parametrize(
    "value",
    [
        threading.Lock(),
        (each for each in ""),
        sys.stdout,
        [1, threading.Lock()],
        {"a": threading.Lock()},
    ],
)
def test_what_has_no_content_is_refused(value: object) -> None:
    with pytest.raises(Unkeyable, match="of type"):
        digest(value)


def test_code_of_a_value_that_fails_is_named() -> None:
    class Bad:
        def __reduce_ex__(self, version: object) -> Any:
            raise ZeroDivisionError("inside")

    with pytest.raises(Unkeyable, match=r"Bad.*inside"):
        digest(Bad())


ACROSS = """
import sys, enum, dataclasses
sys.path.insert(0, {root!r})
from callboard.caching.content import Hasher
import decimal, pathlib
@dataclasses.dataclass
class P:
    names: frozenset = frozenset({{"x", "y", "z"}})
def helper(a, b={{"p", "q", "r"}}):
    return a in {{"one", "two", "three"}}, [n for n in CONSTANT]
CONSTANT = {{"k": {{"s", "t", "u", "v"}}, "d": {{decimal.Decimal(i) for i in range(9)}}}}
values = [CONSTANT, helper, P(), P, frozenset(map(str, range(50))), {{pathlib.PurePosixPath("a"), sys.version}}, object,
  len, sys, helper.__code__]
print(Hasher().digest(values).hex(), *[Hasher().digest(v).hex()[:8] for v in values])
"""


@pytest.mark.slow
def test_digests_are_the_same_in_processes_with_other_hash_seeds() -> None:
    def run(seed: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-c", ACROSS.format(root=str(ROOT))],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        )
        return ran.stdout

    assert run("1") == run("2") == run("77")


@given(st.binary(min_size=1, max_size=64), st.integers(0, 63), st.integers(1, 255))
@settings(max_examples=8, deadline=None)
def test_every_byte_of_large_data_counts(unit: bytes, place: int, change: int) -> None:
    data = bytearray(unit * (20 * bulk.PIECE // len(unit)))
    before = bulk.bulk_digest(memoryview(data))
    assert bulk.bulk_digest(memoryview(bytes(data))) == before
    data[place * len(data) // 64] = (data[place * len(data) // 64] + change) % 256
    assert bulk.bulk_digest(memoryview(data)) != before


def test_the_number_of_threads_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = memoryview(os.urandom(17 * bulk.PIECE + 3))
    digests = set()
    for processors in (1, 2, 8):
        monkeypatch.setattr(bulk, "_processors", lambda count=processors: count)
        digests.add(bulk.bulk_digest(data))
    assert len(digests) == 1


def test_what_fails_in_a_helping_thread_is_raised_and_nothing_goes_on_after_it() -> None:
    main = threading.get_ident()
    size = 400 * bulk.PIECE
    data = memoryview(bytes(bulk.PIECE))
    failed: list[int] = []
    after: list[int] = []

    def piece(start: int, stop: int) -> memoryview:
        if failed:
            after.append(start)
        if threading.get_ident() == main:
            # Until a helper has come, so that there is something left for it.
            helped.wait(0.05)
            return data
        failed.append(start)
        helped.set()
        raise ZeroDivisionError

    helped = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bulk, "_processors", lambda: 2)
        with pytest.raises(ZeroDivisionError):
            bulk.digest_in_pieces(size, piece)
    assert len(failed) == 1
    assert len(after) <= 2  # of four hundred
