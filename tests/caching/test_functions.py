"""What cached functions hold to."""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

import callboard.caching as cb
from callboard.caching.registry import caches_of


class Log(list[Any]):
    """A list that is no input of the functions that write to it."""

    def __cache_key__(self) -> object:
        return None


calls = Log()


@pytest.fixture(autouse=True)
def _no_calls() -> None:
    calls.clear()


def module(source: str, **values: object) -> dict[str, Any]:
    """Run a script that has the caches and a list of calls."""
    namespace: dict[str, Any] = {"cb": cb, "calls": calls, "__name__": "__main__", **values}
    exec(compile(source, "<script>", "exec"), namespace)
    return namespace


def test_a_call_with_equal_arguments_is_not_made_again() -> None:
    @cb.cache
    def add(x: Any, y: int = 2, *, z: int = 3) -> Any:
        calls.append((x, y, z))
        return [x, y, z]

    first = add(1)
    assert add(1, 2) is add(x=1) is add(1, z=3, y=2) is first
    assert calls == [(1, 2, 3)]
    assert add(1.0) is not first
    assert add([1, {"a": 2}]) is add([1, {"a": 2}])
    info = add.cache_info()
    assert (info.hits, info.misses, info.maxsize, info.currsize) == (4, 3, None, 3)
    assert info.time_saved >= 0
    assert add.last_hash is not None
    assert add.last_hash.startswith("C_")


def test_wrong_arguments_are_the_error_of_the_function() -> None:
    @cb.cache
    def one(x: int, *rest: int, **named: int) -> object:
        return x, rest, named

    wrong: Any = one
    for args, kwargs in [((), {}), ((1,), {"x": 2})]:
        with pytest.raises(TypeError):
            wrong(*args, **kwargs)
    assert one(1, 2, a=3) == (1, (2,), {"a": 3})
    assert one(1, 2, a=3) is one(1, 2, a=3)
    assert one(1, 2, a=4) is not one(1, 2, a=3)


def test_every_value_the_code_refers_to_counts() -> None:
    script = module(
        "LIMIT = 1\nITEMS = [1]\n"
        "def deepest(): return LIMIT\n"
        "def helper(x): return deepest() + len(ITEMS) + x\n"
        "@cb.cache\ndef work(x):\n    calls.append(x)\n    return helper(x)\n"
    )
    work = script["work"]
    assert [work(1), work(1)] == [3, 3]
    script["LIMIT"] = 5
    assert work(1) == 7
    script["ITEMS"].append(2)
    assert work(1) == 8
    exec("def deepest(): return LIMIT * 2", script)
    assert work(1) == 13
    assert len(calls) == 4
    exec("def deepest():\n    # as it was\n    return LIMIT", script)
    script["ITEMS"].pop()
    script["LIMIT"] = 1
    assert work(1) == 3
    assert len(calls) == 4


def test_closures_share_a_store_and_are_told_apart_by_what_they_close_over() -> None:
    def make(step: int) -> Any:
        @cb.cache
        def inner(x: int) -> int:
            return x + step

        return inner

    one, other, again = make(1), make(2), make(1)
    assert (one(1), other(1), again(1)) == (2, 3, 2)
    assert (one.misses, other.misses, again.misses) == (1, 1, 0)


def test_methods_count_their_object_by_content() -> None:
    class Account:
        def __init__(self, balance: int) -> None:
            self.balance = balance

        @cb.cache
        def after(self, years: int) -> object:
            calls.append(years)
            return self.balance * years

        @classmethod
        @cb.cache
        def made(cls, name: str) -> str:
            calls.append(name)
            return cls.__name__ + name

        @cb.lru_cache
        @classmethod
        def outer(cls, name: str) -> str:
            calls.append(name)
            return cls.__name__ + name

        @cb.cache
        @staticmethod
        def free(name: str) -> str:
            calls.append(name)
            return name

    class Special(Account):
        pass

    account = Account(3)
    assert (account.after(2), Account(3).after(2), Account(4).after(2)) == (6, 6, 8)
    account.balance = 5
    assert account.after(2) == 10
    assert calls == [2, 2, 2]
    assert account.after.cache_info().hits == 1
    calls.clear()
    for way in ("made", "outer"):
        assert [getattr(one, way)("x") for one in (account, Account, Special)] == [
            "Accountx",
            "Accountx",
            "Specialx",
        ]
    assert account.free("y") == Account.free("y") == "y"
    assert calls == ["x", "x", "x", "x", "y"]


def test_it_looks_like_the_function_it_caches() -> None:
    def work(x: int) -> int:
        """Work."""
        return x

    cached = cb.cache(work)
    assert (cached.__name__, cached.__doc__, cached.__wrapped__) == ("work", "Work.", work)
    assert inspect.signature(cached) == inspect.signature(work)
    assert copy.deepcopy(cached) is cached
    assert pickle.loads(pickle.dumps(module_level)) is module_level


@cb.cache
def module_level() -> None:
    """Stand in a module."""


def test_the_least_recently_used_result_is_let_go_of() -> None:
    @cb.lru_cache(maxsize=2)
    def square(x: int) -> int:
        calls.append(x)
        return x * x

    for x in (1, 2, 1, 3, 1, 2):
        square(x)
    assert calls == [1, 2, 3, 2]
    assert square.cache_info()[2:4] == (2, 2)
    unbounded = cb.lru_cache(maxsize=-1)(lambda x: x)
    for x in range(200):
        unbounded(x)
    assert unbounded.cache_info()[2:4] == (None, 200)
    for wrong in (0, -2, 1.5, True):
        with pytest.raises(ValueError, match="maxsize"):
            cb.lru_cache(maxsize=wrong)  # type: ignore[arg-type]


def test_clearing_forgets_results_and_keeps_what_was_counted() -> None:
    @cb.cache
    def work(x: int) -> list[int]:
        return [x]

    first = work(1)
    work(1)
    work.cache_clear()
    assert work.cache_info()[:2] == (1, 1)
    assert work.cache_info().currsize == 0
    assert work(1) is not first


def test_what_a_call_raises_is_not_kept() -> None:
    @cb.cache
    def fail(x: int) -> None:
        calls.append(x)
        raise ValueError(x)

    for _ in range(2):
        with pytest.raises(ValueError, match="1"):
            fail(1)
    assert calls == [1, 1]
    assert fail.cache_info().currsize == 0


def test_a_function_may_call_itself() -> None:
    @cb.cache
    def fib(n: int) -> int:
        calls.append(n)
        return n if n < 2 else fib(n - 1) + fib(n - 2)

    assert fib(60) == 1548008755920
    assert len(calls) == 61


def test_an_argument_without_content_is_named() -> None:
    @cb.cache
    def work(rows: object, lock: object) -> None:
        """Do nothing."""

    with pytest.raises(
        cb.Unkeyable, match=r"work\(\) cannot be cached by its argument 'lock'.*_thread.lock"
    ):
        work([], threading.Lock())
    script = module("@cb.cache\ndef work(): return lock", lock=threading.Lock())
    with pytest.raises(cb.Unkeyable, match="the variable 'lock'"):
        script["work"]()


def test_only_functions_that_return_their_result_are_cached() -> None:
    def steps() -> Any:
        yield 1

    async def later() -> Any:
        yield 1

    for generator in (steps, later):
        with pytest.raises(TypeError, match="generator"):
            cb.cache(generator)
    for wrong in (len, functools.partial(steps), 3):
        with pytest.raises(TypeError, match=r"cb\.cache"):
            cb.cache(wrong)  # type: ignore[arg-type]


def test_equal_calls_of_threads_share_one_execution() -> None:
    entered, leave = Quiet(), Quiet()

    @cb.cache
    def slow(x: int) -> object:
        calls.append(x)
        entered.set()
        leave.wait(10)
        return [x]

    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(slow(1))) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert entered.wait(10)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert calls == [1]
    assert len(set(map(id, results))) == 1
    assert slow.cache_info()[:2] == (3, 1)


class Quiet(threading.Event):
    """An event that is no input."""

    def __cache_key__(self) -> object:
        return None


def test_threads_that_compute_wait_for_none_so_none_is_stuck() -> None:
    both = Barrier(2)
    inner = Inner()

    @cb.cache
    def work(x: int) -> int:
        if inner.value:
            return 0
        both.wait(10)
        # Each asks for what the other one is computing.
        inner.value = True
        return work(1 - x) + 1

    threads = [threading.Thread(target=work, args=(x,), daemon=True) for x in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


class Inner(threading.local):
    """Whether a thread has come to the inner call; no input."""

    value = False

    def __cache_key__(self) -> object:
        return None


class Barrier(threading.Barrier):
    """A barrier that is no input."""

    def __cache_key__(self) -> object:
        return None


def run(main: Callable[[], Any]) -> Any:
    return asyncio.run(main())


def test_equal_calls_of_tasks_share_one_execution() -> None:
    @cb.cache
    async def slow(x: int) -> object:
        calls.append(x)
        await asyncio.sleep(0)
        return [x]

    async def main() -> None:
        results = await asyncio.gather(*(slow(1) for _ in range(5)), slow(2))
        assert len(set(map(id, results))) == 2
        assert await slow(1) is results[0]

    run(main)
    run(main)  # on another loop
    assert sorted(calls, key=str) == [1, 2]
    assert slow.cache_info().misses == 2
    assert asyncio.iscoroutinefunction(slow) or sys.version_info >= (3, 12)


def test_an_exception_is_raised_for_all_that_share_and_is_not_kept() -> None:
    @cb.cache
    async def fail(x: int) -> None:
        calls.append(x)
        await asyncio.sleep(0)
        raise ValueError(x)

    async def main() -> None:
        results = await asyncio.gather(*(fail(1) for _ in range(3)), return_exceptions=True)
        assert [type(one) for one in results] == [ValueError] * 3
        with pytest.raises(ValueError, match="1"):
            await fail(1)

    run(main)
    assert calls == [1, 1]


def test_when_the_task_that_computes_is_cancelled_another_computes() -> None:
    @cb.cache
    async def slow(x: int) -> int:
        calls.append(x)
        await asyncio.sleep(0 if len(calls) > 1 else 3600)
        return x

    async def main() -> None:
        first = asyncio.create_task(slow(1))
        others = [asyncio.create_task(slow(1)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert calls == [1]
        first.cancel()
        assert await asyncio.gather(*others) == [1, 1]
        assert first.cancelled()
        waiting = asyncio.create_task(slow(2))
        await waiting

    run(main)
    assert calls == [1, 1, 2]


def test_a_waiting_task_that_is_cancelled_disturbs_no_other() -> None:
    @cb.cache
    async def slow(x: int) -> int:
        calls.append(x)
        for _ in range(5):
            await asyncio.sleep(0)
        return x

    async def main() -> None:
        first = asyncio.create_task(slow(1))
        second = asyncio.create_task(slow(1))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second.cancel()
        assert await first == 1
        assert second.cancelled()

    run(main)
    assert calls == [1]


def test_a_coroutine_that_awaits_itself_is_not_stuck() -> None:
    @cb.cache
    async def work(x: int) -> int:
        calls.append(x)
        return 0 if len(calls) > 2 else (await asyncio.gather(work(x)))[0] + 1

    assert run(lambda: work(1)) == 2


async def test_under_another_loop_than_that_of_asyncio_results_are_kept_too() -> None:
    @cb.cache
    async def work(x: int) -> object:
        return [x]

    assert await work(1) is await work(1)


def test_the_same_function_made_again_finds_its_results_and_another_does_not() -> None:
    source = "@cb.cache\ndef work(x): return [x]"
    first = module(source)["work"]
    result = first(1)
    again = module(f"# run again\n{source} # as before")["work"]
    assert again(1) is result
    assert again.cache_info()[:2] == (1, 0)
    other = module(source.replace("[x]", "(x,)"))["work"]
    assert other(1) == (1,)
    assert other.cache_info()[:2] == (0, 1)


def test_a_pinned_module_counts_with_its_version(monkeypatch: pytest.MonkeyPatch) -> None:
    import sniffio as library

    for pinned in (False, True):
        script = module(
            "@cb.cache(pin_modules=PIN)\ndef work(): return [library.__name__]",
            library=library,
            PIN=pinned,
        )
        script["work"]()
        before = script["work"].last_hash
        monkeypatch.setattr(library, "__version__", f"0.0.{pinned}")
        again = module(
            "@cb.cache(pin_modules=PIN)\ndef work(): return [library.__name__]",
            library=library,
            PIN=pinned,
        )
        again["work"]()
        assert (again["work"].last_hash != before) is pinned


def test_all_caches_are_cleared_named_or_not_and_their_counters_stay() -> None:
    kernel = Kernel()
    caches = caches_of(kernel)
    assert caches_of(kernel) is caches
    process = caches_of(None)

    @cb.cache
    def kept(x: int) -> bytes:
        return bytes(100_000 + x)

    kept(1)
    kept(1)
    assert process.totals().hits >= 1
    assert process.clear() >= 100_000
    assert kept.cache_info()[:4] == (1, 1, None, 0)
    assert process.totals().misses >= 1
    assert caches.totals().hits == caches.totals().misses == 0


class Kernel:
    """Something that caches can belong to."""
