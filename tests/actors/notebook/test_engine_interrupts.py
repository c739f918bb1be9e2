"""The gate lets an interrupt break the user code it was aimed at, once, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import attrs
import pytest

from callboard.actors.notebook.interrupts import InterruptGate, ThreadBreaker


@attrs.define(eq=False)
class Run:
    interrupted: bool = False


@attrs.define(eq=False)
class UserThread:
    """A thread that runs functions as user code, one at a time, and hands back what became of them."""

    gate: InterruptGate = attrs.field(factory=InterruptGate)
    reached: threading.Event = attrs.field(factory=threading.Event)
    go_on: threading.Event = attrs.field(factory=threading.Event)
    _job: Callable[[], Any] | None = None
    _ready: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    _done: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    _outcome: Any = None
    _thread: threading.Thread = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        assert self._thread.ident is not None
        self.gate.breaker = ThreadBreaker(self._thread.ident)

    def start(self, job: Callable[[], Any]) -> None:
        self._job = job
        self.reached.clear()
        self.go_on.clear()
        self._ready.release()

    def outcome(self) -> Any:
        """What the job returned, or the exception it raised."""
        assert self._done.acquire(timeout=20), "the job does not end"
        return self._outcome

    def run(self, job: Callable[[], Any]) -> Any:
        self.start(job)
        return self.outcome()

    def spin(self) -> None:
        """User code that says it runs and goes on until told to end."""
        self.reached.set()
        while not self.go_on.is_set():
            pass

    def stop(self) -> None:
        self._job = None
        self.go_on.set()
        self._ready.release()
        self._thread.join(20)

    def _work(self) -> None:
        while True:
            self._ready.acquire()
            if self._job is None:
                return
            try:
                self._outcome = self._job()
            except BaseException as error:
                self._outcome = error
            self._done.release()


@pytest.fixture
def user() -> Iterator[UserThread]:
    thread = UserThread()
    yield thread
    thread.stop()


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns after every few bytecodes, so that they meet in more places.

    Nothing is collected meanwhile: what is raised in the callbacks of that is ignored by the interpreter.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(interval)


def test_an_interrupt_breaks_the_code_of_its_run(user: UserThread) -> None:
    run = Run()
    user.start(lambda: user.gate.call(run, user.spin))
    user.reached.wait()
    user.gate.interrupt(run)
    assert isinstance(user.outcome(), KeyboardInterrupt)
    assert run.interrupted


def test_what_is_raised_looks_like_the_interpreters_own(user: UserThread) -> None:
    run = Run()
    user.start(lambda: user.gate.call(run, user.spin))
    user.reached.wait()
    user.gate.interrupt(run)
    error = user.outcome()
    assert (type(error).__name__, type(error).__module__) == ("KeyboardInterrupt", "builtins")
    assert repr(error) == "KeyboardInterrupt()"


def test_an_interrupt_of_another_run_breaks_nothing(user: UserThread) -> None:
    run, other = Run(), Run()
    user.start(lambda: user.gate.call(run, user.spin))
    user.reached.wait()
    user.gate.interrupt(other)
    user.go_on.set()
    assert user.outcome() is None
    assert other.interrupted
    assert not run.interrupted


def test_code_that_ended_cannot_be_hit_any_more(user: UserThread) -> None:
    run = Run()
    assert user.run(lambda: user.gate.call(run, lambda: 1)) == 1
    user.gate.interrupt(run)

    def outside() -> int:
        return sum(range(100_000))

    assert user.run(outside) == 4999950000


def test_an_interrupt_between_two_pieces_prevents_the_next_and_only_it(user: UserThread) -> None:
    run, ran = Run(), []
    user.run(lambda: user.gate.call(run, lambda: None))
    user.gate.interrupt(run)
    outcome = user.run(lambda: user.gate.call(run, lambda: ran.append("prevented")))
    assert isinstance(outcome, KeyboardInterrupt)
    user.run(lambda: user.gate.call(run, lambda: ran.append("after")))
    assert ran == ["after"]


def test_what_ends_the_run_is_not_prevented_but_can_be_broken(user: UserThread) -> None:
    run, ran = Run(), []
    user.gate.interrupt(run)
    user.run(lambda: user.gate.finish(run, lambda: ran.append("ended")))
    assert ran == ["ended"]
    user.start(lambda: user.gate.finish(run, user.spin))
    user.reached.wait()
    user.gate.interrupt(run)
    assert isinstance(user.outcome(), KeyboardInterrupt)


def test_a_run_that_was_interrupted_leaves_the_next_one_alone(user: UserThread) -> None:
    old, new = Run(), Run()
    user.gate.interrupt(old)
    assert user.run(lambda: user.gate.call(new, lambda: 1)) == 1


def test_user_code_that_handles_an_interrupt_is_not_broken_again_by_it(user: UserThread) -> None:
    run = Run()

    def handles() -> int:
        try:
            user.spin()
        except KeyboardInterrupt:
            with user.gate.shielded():
                pass
        return sum(range(200_000))

    user.start(lambda: user.gate.call(run, handles))
    user.reached.wait()
    user.gate.interrupt(run)
    assert user.outcome() == 19999900000


def test_the_next_piece_of_code_is_not_broken_by_an_interrupt_that_was_handled(
    user: UserThread,
) -> None:
    run = Run()

    def handles() -> None:
        try:
            user.spin()
        except KeyboardInterrupt:
            pass

    user.start(lambda: user.gate.call(run, handles))
    user.reached.wait()
    user.gate.interrupt(run)
    user.outcome()
    assert user.run(lambda: user.gate.call(run, lambda: "shown")) == "shown"


def test_an_interrupt_waits_until_a_shield_is_left(user: UserThread) -> None:
    run, finished = Run(), []

    def guarded() -> None:
        with user.gate.shielded():
            with user.gate.shielded():
                user.spin()
            finished.append("inner")
        finished.append("never")

    user.start(lambda: user.gate.call(run, guarded))
    user.reached.wait()
    user.gate.interrupt(run)
    user.go_on.set()
    assert isinstance(user.outcome(), KeyboardInterrupt)
    assert finished == ["inner"]


def test_a_shield_on_another_thread_holds_nothing_off(user: UserThread) -> None:
    run = Run()
    user.start(lambda: user.gate.call(run, user.spin))
    user.reached.wait()
    with user.gate.shielded():
        user.gate.interrupt(run)
        assert isinstance(user.outcome(), KeyboardInterrupt)


def test_an_exception_leaves_a_shield_down(user: UserThread) -> None:
    run = Run()

    def fails() -> None:
        with user.gate.shielded():
            raise ValueError

    assert isinstance(user.run(lambda: user.gate.call(run, fails)), ValueError)
    user.start(lambda: user.gate.call(run, user.spin))
    user.reached.wait()
    user.gate.interrupt(run)
    assert isinstance(user.outcome(), KeyboardInterrupt)


@pytest.mark.usefixtures("restless")
def test_interrupts_land_in_user_code_only_and_once_each(user: UserThread) -> None:
    """Interrupts at arbitrary moments: inside, outside, at the edges and within shields."""
    gate = user.gate
    current: list[Run] = []
    enough = threading.Event()
    broken: list[str] = []
    raised = 0

    def work() -> None:
        nonlocal raised
        shared = [0, 0]

        def both() -> None:
            with gate.shielded():
                shared[0] += 1
                shared[1] += 1

        def user_code() -> None:
            for _ in range(20):
                both()

        while not enough.is_set():
            run = Run()
            current[:] = [run]
            hits = 0
            for _ in range(5):
                try:
                    gate.call(run, user_code)
                except KeyboardInterrupt:
                    hits += 1
            if hits > 1 or (hits and not run.interrupted):
                broken.append(f"{hits} hits, interrupted={run.interrupted}")
            raised += hits
            if shared[0] != shared[1] or gate._shields:
                broken.append("a shielded section was broken")

    user.start(work)
    sent = 0
    while sent < 200:
        if current and not current[0].interrupted:
            gate.interrupt(current[0])
            sent += 1
    enough.set()
    assert user.outcome() is None
    assert broken == []
    assert raised


# coroutines


def drive(
    user: UserThread,
    run: Run,
    coroutine: Callable[[], Coroutine[Any, Any, Any]],
    background: Callable[[], Coroutine[Any, Any, Any]] | None = None,
) -> Callable[[], Any]:
    async def main() -> Any:
        loop = asyncio.get_running_loop()
        others = [loop.create_task(background())] if background is not None else []
        task: asyncio.Task[Any] = loop.create_task(
            user.gate.drive(run, coroutine(), lambda: loop.call_soon_threadsafe(task.cancel))
        )
        try:
            return await task
        finally:
            for other in others:
                other.cancel()

    return lambda: asyncio.run(main())


def test_a_coroutine_that_is_not_interrupted_runs_as_ever(user: UserThread) -> None:
    async def code() -> str:
        await asyncio.sleep(0)
        try:
            async with asyncio.timeout(0.001):
                await asyncio.sleep(10)
        except TimeoutError:
            return "timed out"
        return "never"

    assert user.run(drive(user, Run(), code)) == "timed out"


def test_an_interrupt_ends_what_a_coroutine_awaits(user: UserThread) -> None:
    run = Run()

    async def code() -> None:
        asyncio.get_running_loop().call_later(0.001, user.reached.set)
        await asyncio.sleep(1000)

    user.start(drive(user, run, code))
    user.reached.wait()
    user.gate.interrupt(run)
    assert isinstance(user.outcome(), KeyboardInterrupt)


def test_an_interrupt_breaks_a_step_of_a_coroutine(user: UserThread) -> None:
    run = Run()

    async def code() -> None:
        await asyncio.sleep(0)
        user.spin()

    user.start(drive(user, run, code))
    user.reached.wait()
    user.gate.interrupt(run)
    assert isinstance(user.outcome(), KeyboardInterrupt)


def test_a_coroutine_whose_run_was_interrupted_does_not_start(user: UserThread) -> None:
    run, ran = Run(), []

    async def code() -> None:
        ran.append("started")

    user.gate.interrupt(run)
    assert isinstance(user.run(drive(user, run, code)), KeyboardInterrupt)
    assert ran == []


def test_a_background_task_is_not_hit_while_the_coroutine_waits(user: UserThread) -> None:
    run = Run()
    hits: list[BaseException] = []

    async def code() -> None:
        await asyncio.sleep(1000)

    async def background() -> None:
        try:
            await asyncio.sleep(0.001)
            user.spin()
        except KeyboardInterrupt as error:
            hits.append(error)
            raise

    user.start(drive(user, run, code, background))
    user.reached.wait()
    user.gate.interrupt(run)
    user.go_on.set()
    assert isinstance(user.outcome(), KeyboardInterrupt)
    assert hits == []


def test_what_is_left_of_the_cancellation_does_not_disturb_the_clean_up(user: UserThread) -> None:
    run = Run()

    async def code() -> tuple[str, int]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_later(0.001, user.reached.set)
        try:
            await asyncio.sleep(1000)
        except KeyboardInterrupt:
            await asyncio.sleep(0)
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
            return "cleaned", task.cancelling()
        return "never", -1

    user.start(drive(user, run, code))
    user.reached.wait()
    user.gate.interrupt(run)
    assert user.outcome() == ("cleaned", 0)


@pytest.mark.usefixtures("restless")
def test_interrupts_at_any_moment_of_a_coroutine_are_raised_in_it_exactly_once(
    user: UserThread,
) -> None:
    """Whether a wait is just starting, going on, or over already."""
    for _ in range(300):
        run = Run()

        async def waits() -> None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
            await asyncio.sleep(0)

        async def code() -> int:
            hits = 0
            try:
                user.reached.set()
                while True:
                    await waits()
            except KeyboardInterrupt:
                hits += 1
            try:
                for _ in range(10):
                    await waits()
            except KeyboardInterrupt:
                hits += 1
            return hits

        user.start(drive(user, run, code))
        user.reached.wait()
        user.gate.interrupt(run)
        assert user.outcome() == 1


# a kernel process, whose user code has the main thread


def in_a_process(code: str) -> None:
    prelude = """
        import asyncio, signal, threading, time
        from callboard.actors.notebook.interrupts import InterruptGate, SignalBreaker

        class Run:
            interrupted = False

        foreign = []
        gate = InterruptGate(on_foreign_signal=lambda: foreign.append(1))
        gate.breaker = SignalBreaker(threading.get_ident())
        signal.signal(signal.SIGINT, gate.on_signal)
        run = Run()
        reached = threading.Event()

        def interrupt_when_reached():
            reached.wait()
            gate.interrupt(run)

        def later():
            thread = threading.Thread(target=interrupt_when_reached)
            thread.start()
            return thread
    """
    script = textwrap.dedent(prelude) + textwrap.dedent(code) + "\nprint('ok')\n"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=110, check=False
    )
    assert (done.stdout, done.stderr) == ("ok\n", "")


def test_a_signal_breaks_a_blocking_call_of_the_run_it_is_for() -> None:
    in_a_process(
        """
        def blocks():
            reached.set()
            time.sleep(1000)

        thread = later()
        try:
            gate.call(run, blocks)
        except KeyboardInterrupt:
            pass
        else:
            raise AssertionError
        thread.join()
        assert not foreign
        """
    )


def test_a_signal_that_comes_late_is_not_taken_for_a_foreign_one_and_is_not_lost() -> None:
    in_a_process(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])

        def ends_first():
            reached.set()
            thread.join()

        thread = later()
        gate.call(run, ends_first)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        assert run.interrupted and not foreign
        ran = []
        try:
            gate.call(run, lambda: ran.append(1))
        except KeyboardInterrupt:
            pass
        assert ran == []
        gate.call(Run(), lambda: ran.append(2))
        assert ran == [2]
        """
    )


def test_a_signal_waits_until_a_shield_is_left() -> None:
    in_a_process(
        """
        done = []

        def guarded():
            with gate.shielded():
                reached.set()
                thread.join()
                sum(range(1000))
                done.append("inside")
            done.append("never")

        thread = later()
        try:
            gate.call(run, guarded)
        except KeyboardInterrupt:
            pass
        assert done == ["inside"], done
        """
    )


def test_a_foreign_signal_is_passed_on_and_raises_nothing() -> None:
    in_a_process(
        """
        gate.call(run, lambda: signal.raise_signal(signal.SIGINT))
        signal.raise_signal(signal.SIGINT)
        assert foreign == [1, 1]
        assert not run.interrupted
        """
    )


def test_a_signal_ends_what_a_coroutine_awaits_without_hitting_the_loop() -> None:
    in_a_process(
        """
        async def code():
            asyncio.get_running_loop().call_later(0.001, reached.set)
            try:
                await asyncio.sleep(1000)
            except KeyboardInterrupt:
                await asyncio.sleep(0)
                return "cleaned"

        async def main():
            loop = asyncio.get_running_loop()
            task = loop.create_task(
                gate.drive(run, code(), lambda: loop.call_soon_threadsafe(task.cancel))
            )
            return await task

        thread = later()
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(main()) == "cleaned"
        thread.join()
        loop.close()
        """
    )
