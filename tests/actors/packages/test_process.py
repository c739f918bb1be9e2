"""Programs run for real: their lines, their end, and what is left of them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]
import pytest
import trio

from callboard.actors.packages.lines import OutputLimits
from callboard.actors.packages.ports import ProcessNotStarted, ProcessResult
from callboard.actors.packages.process import TrioProcessRunner
from callboard.actors.packages.process_tree import (
    Identity,
    ProcessTree,
    read_entries,
    read_entry,
)

if TYPE_CHECKING:
    from collections.abc import Callable

linux_only = pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="finds processes by /proc"
)


class Lines:
    """Collects lines; wakes whoever waits for one that begins in a certain way."""

    def __init__(self) -> None:
        self.all: list[str] = []
        self._arrived = trio.Event()

    def __call__(self, line: str) -> None:
        self.all.append(line)
        self._arrived.set()
        self._arrived = trio.Event()

    async def starting(self, start: str, count: int = 1) -> list[str]:
        """Wait for ``count`` lines that begin with ``start``; return their last words."""
        while len(found := [line for line in self.all if line.startswith(start)]) < count:
            await self._arrived.wait()
        return [line.split()[-1] for line in found]


async def run_python(
    code: str, on_line: Callable[[str], object], runner: TrioProcessRunner | None = None
) -> ProcessResult:
    return await (runner or TrioProcessRunner()).run(
        [sys.executable, "-u", "-S", "-c", textwrap.dedent(code)],
        environ=dict(os.environ),
        cwd="/",
        on_line=on_line,
    )


def is_running(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def test_lines_are_passed_on_while_the_program_still_runs(tmp_path: Path) -> None:
    # The program prints its second line only once the first one has arrived here.
    permission = tmp_path / "permission"
    os.mkfifo(permission)
    lines = Lines()
    code = f"""
        print("first")
        open({str(permission)!r}).read()
        print("second")
    """
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_python, code, lines)
        await lines.starting("first")
        assert lines.all == ["first"]
        await trio.Path(permission).write_text("go on")
    assert lines.all == ["first", "second"]


async def test_output_and_errors_come_as_one_stream_in_order() -> None:
    lines = Lines()
    code = """
        import sys
        print("one"); print("two", file=sys.stderr); print("three")
    """
    assert (await run_python(code, lines)).succeeded
    assert lines.all == ["one", "two", "three"]


async def test_a_progress_bar_that_overwrites_itself_is_one_line() -> None:
    lines = Lines()
    code = """
        import sys
        for percent in range(0, 101, 5):
            sys.stdout.write(f"\\r{percent}%"); sys.stdout.flush()
        print("\\ndone")
    """
    await run_python(code, lines)
    assert lines.all == ["100%", "done"]


async def test_undecodable_bytes_become_replacement_characters() -> None:
    lines = Lines()
    await run_python("import os; os.write(1, b'caf\\xe9 \\xff ok\\n')", lines)
    assert lines.all == ["caf\ufffd \ufffd ok"]


async def test_a_last_line_without_an_end_is_passed_on() -> None:
    lines = Lines()
    await run_python("import os; os.write(1, b'no end')", lines)
    assert lines.all == ["no end"]


async def test_a_flood_is_capped_and_the_note_counts_what_was_left_out() -> None:
    lines = Lines()
    runner = TrioProcessRunner(limits=OutputLimits(max_lines=100, tail=5))
    code = """
        import os
        for start in range(0, 200_000, 1000):
            os.write(1, "".join(f"{n}\\n" for n in range(start, start + 1000)).encode())
    """
    assert (await run_python(code, lines, runner)).succeeded
    assert lines.all[:100] == [str(n) for n in range(100)]
    assert lines.all[100:] == [
        f"[{200_000 - 105} lines of output left out]",
        *(str(n) for n in range(199_995, 200_000)),
    ]


async def test_a_flood_without_line_ends_is_held_in_bounded_memory() -> None:
    lines = Lines()
    runner = TrioProcessRunner(limits=OutputLimits(max_bytes=10_000, max_line=100, tail=2))
    code = "import os\nfor _ in range(500): os.write(1, b'x' * 10_000)"
    assert (await run_python(code, lines, runner)).succeeded
    assert sum(map(len, lines.all)) < 1000


async def test_the_program_reads_an_empty_standard_input() -> None:
    lines = Lines()
    await run_python("import sys; print(repr(sys.stdin.read()))", lines)
    assert lines.all == ["''"]


async def test_a_terminal_interrupt_of_the_kernel_does_not_reach_the_program() -> None:
    lines = Lines()
    await run_python("import os; print(os.getsid(0) == os.getpid())", lines)
    assert lines.all == ["True"]


async def test_a_failing_program_tells_its_exit_status() -> None:
    result = await run_python("raise SystemExit(3)", Lines())
    assert (result.returncode, result.succeeded, str(result)) == (3, False, "exit status 3")


async def test_a_killed_program_tells_the_signal() -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    result = await run_python(code, Lines())
    assert (result.succeeded, str(result)) == (False, "killed by SIGKILL")


def test_a_signal_without_a_name_is_told_by_number() -> None:
    assert str(ProcessResult(-255)) == "killed by signal 255"


@pytest.mark.parametrize(
    ("argv", "cwd"),
    [
        (["/nowhere/installer"], "/"),
        (["/dev/null"], "/"),
        ([sys.executable], "/nowhere"),
        (["a\0b"], "/"),
    ],
    ids=["missing program", "not executable", "missing directory", "no name at all"],
)
async def test_a_program_that_cannot_start_is_told_apart_from_one_that_fails(
    argv: list[str], cwd: str
) -> None:
    with pytest.raises(ProcessNotStarted, match=r"nowhere|null|^a"):
        await TrioProcessRunner().run(argv, environ={}, cwd=cwd, on_line=Lines())


async def test_no_descriptor_is_left_open() -> None:
    async def run_once() -> None:
        await run_python("print(1)", Lines())
        with pytest.raises(ProcessNotStarted):
            await TrioProcessRunner().run(["/nowhere"], environ={}, cwd="/", on_line=Lines())

    await run_once()
    before = psutil.Process().num_fds()
    for _ in range(3):
        await run_once()
    assert psutil.Process().num_fds() == before


FAMILY = """
    import os, signal, subprocess, sys
    # One write for a line: those of several processes do not mix.
    tell = "os.write(1, b'pid %d%c' % (os.getpid(), 10))"
    {ignore}
    child = f"import os, signal; {ignore}; {{tell}}; signal.pause()"
    plain = subprocess.Popen([sys.executable, "-S", "-c", child])
    # Two that leave the session, one below the other, each perhaps with an environment of its own.
    argv = [sys.executable, "-S", "-c", child]
    spawn = f"import subprocess; subprocess.Popen({{argv}}, start_new_session=True, env={env})"
    argv = [sys.executable, "-S", "-c", f"{{spawn}}; {{child}}"]
    own_session = subprocess.Popen(argv, start_new_session=True, env={env})
    # A daemon: its parent is gone and its session its own.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            exec(tell)
            signal.pause()
        os._exit(0)
    os.wait()
    exec(tell)
    {last}
"""


async def family(lines: Lines) -> list[int]:
    """Wait until a family of five has told its numbers."""
    return [int(pid) for pid in await lines.starting("pid", 5)]


@linux_only
@pytest.mark.parametrize(
    "ignore",
    ["pass", "signal.signal(signal.SIGTERM, signal.SIG_IGN)"],
    ids=["polite", "ignores SIGTERM"],
)
async def test_cancelling_ends_the_whole_tree_even_what_left_its_session(ignore: str) -> None:
    lines = Lines()
    runner = TrioProcessRunner(grace=0.3)
    async with trio.open_nursery() as nursery:
        code = FAMILY.format(ignore=ignore, env="dict()", last="signal.pause()")
        nursery.start_soon(run_python, code, lines, runner)
        pids = await family(lines)
        assert len(set(pids)) == 5
        assert all(map(is_running, pids))
        nursery.cancel_scope.cancel()
    assert [pid for pid in pids if is_running(pid)] == []


@linux_only
async def test_an_orphan_without_a_mark_is_found_by_its_session() -> None:
    code = """
        import os, signal, subprocess, sys
        child = "import os, signal; os.write(1, b'pid %d%c' % (os.getpid(), 10)); signal.pause()"
        if os.fork() == 0:
            subprocess.Popen([sys.executable, "-S", "-c", child], env={})
            os._exit(0)
        os.wait()
        signal.pause()
    """
    lines = Lines()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run_python, code, lines)
        (orphan,) = await lines.starting("pid")
        nursery.cancel_scope.cancel()
    assert not is_running(int(orphan))


@linux_only
async def test_a_program_that_fails_leaves_nothing_running(tmp_path: Path) -> None:
    lines = Lines()
    permission = tmp_path / "permission"
    os.mkfifo(permission)
    last = f"open({str(permission)!r}).read(); os._exit(9)"
    code = FAMILY.format(ignore="pass", env=None, last=last)
    results: list[ProcessResult] = []

    async def run() -> None:
        results.append(await run_python(code, lines))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run)
        pids = await family(lines)
        await trio.Path(permission).write_text("fail")
    assert results == [ProcessResult(9)]
    assert [pid for pid in pids if is_running(pid)] == []


async def test_a_process_left_by_a_program_that_succeeds_does_not_hold_the_result_up() -> None:
    lines = Lines()
    runner = TrioProcessRunner(drain=0.05)
    code = """
        import subprocess, sys
        print(subprocess.Popen([sys.executable, "-S", "-c", "import signal; signal.pause()"]).pid)
    """
    with trio.fail_after(60):
        result = await run_python(code, lines, runner)
    assert result.succeeded
    left = int(lines.all[0])
    assert is_running(left)
    os.kill(left, signal.SIGKILL)


async def test_cancelling_at_any_moment_leaves_no_process() -> None:
    rng = random.Random(7)
    runner = TrioProcessRunner(grace=1.0)
    own = psutil.Process()
    before = {child.pid for child in own.children(recursive=True)}
    code = """
        import subprocess, sys
        child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"])
        print("x")
        child.wait()
    """
    for attempt in range(25):
        with trio.move_on_after(rng.uniform(0, 0.12) if attempt else 0):
            await run_python(code, Lines(), runner)
    # Nothing of it hangs on this process, nor on init.
    after = {child.pid for child in own.children(recursive=True)} - before
    assert after == set()
    strays = [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "import time; time.sleep(60)" in (process.info["cmdline"] or [])
        and process.status() != psutil.STATUS_ZOMBIE
    ]
    assert strays == []


async def test_a_consumer_that_raises_ends_the_program_and_gets_its_own_error() -> None:
    pids: list[int] = []

    def refuse(line: str) -> None:
        pids.append(int(line))
        raise LookupError(line)

    code = "import os, signal; print(os.getpid()); signal.pause()"
    with pytest.raises(LookupError):
        await run_python(code, refuse)
    assert not is_running(pids[0])


async def test_shutting_the_nursery_down_ends_every_program_in_it() -> None:
    every = [Lines() for _ in range(3)]
    code = "import os, signal; print('pid', os.getpid()); signal.pause()"
    with pytest.RaisesGroup(ZeroDivisionError):
        async with trio.open_nursery() as nursery:
            for lines in every:
                nursery.start_soon(run_python, code, lines)
            for lines in every:
                await lines.starting("pid")
            raise ZeroDivisionError
    assert not any(is_running(int(lines.all[0].split()[1])) for lines in every)


def test_programs_run_and_are_ended_where_trio_has_a_thread_of_its_own() -> None:
    lines: list[str] = []
    outcome: list[object] = []

    async def main() -> None:
        outcome.append(await run_python("print('hello'); raise SystemExit(4)", lines.append))
        waiting = Lines()
        async with trio.open_nursery() as nursery:
            code = "import os, signal; print('pid', os.getpid()); signal.pause()"
            nursery.start_soon(run_python, code, waiting)
            pid = int((await waiting.starting("pid"))[0])
            nursery.cancel_scope.cancel()
        outcome.append(is_running(pid))

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    thread.join(30)
    assert lines == ["hello"]
    assert outcome == [ProcessResult(4), False]


@linux_only
async def test_what_does_not_end_is_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Immortal(ProcessTree):
        def scan(self) -> list[Identity]:
            return [Identity(4_000_000, 1)]

        def alive(self) -> list[Identity]:
            return self.scan()

    runner = TrioProcessRunner(grace=0.01, kill=0.05)
    process = await trio.lowlevel.open_process(["/bin/true"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    await runner._end(process, Immortal(process.pid, "mark"), "installer")
    await process.stdout.aclose()
    assert "processes of installer did not end: 4000000" in caplog.text


@linux_only
def test_a_number_that_changed_hands_is_not_signalled() -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE
    ) as bystander:
        entry = read_entry(bystander.pid)
        assert entry is not None
        tree = ProcessTree(bystander.pid, "mark")
        tree.send([Identity(bystander.pid, entry.identity.started - 1)], signal.SIGKILL)
        assert bystander.poll() is None
        tree.send([entry.identity], signal.SIGKILL)
        assert bystander.wait() == -signal.SIGKILL


@linux_only
def test_the_process_table_is_read_whatever_a_process_calls_itself() -> None:
    code = (
        "import sys; open('/proc/self/comm', 'w').write(') R 1 ('); print(1, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        entry = read_entry(process.pid)
        assert entry is not None
        assert entry.parent == os.getpid()
        assert entry in list(read_entries())
        process.communicate()


def test_without_a_process_table_the_group_is_signalled(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        tree = ProcessTree(process.pid, "mark", proc=tmp_path)
        members = tree.scan()
        assert [member.pid for member in members] == [process.pid]
        tree.send(members, signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
    assert tree.alive() == []
