"""A process that is a kernel: user code on the main thread, trio on a second one."""

from __future__ import annotations

import builtins
import getpass
import io
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import attrs
import trio

from callboard.actors.notebook.cell_thread import CellThread
from callboard.actors.notebook.console import Channel, ConsoleStream
from callboard.actors.notebook.descriptors import DescriptorCapture
from callboard.actors.notebook.interrupts import InterruptGate, SignalBreaker
from callboard.actors.notebook.surroundings import Wiring
from callboard.garbage import full_collections_put_off

T = TypeVar("T")

SWITCH_INTERVAL = 0.0005
"""Seconds. A pure-Python loop in a cell delays the control thread by this much a hop, instead of by 5 ms."""

GRACE = 5.0
"""Seconds that user code gets to end after the kernel has; then the process ends without it."""
EXIT_STUCK = 70
"""Exit status of a process whose user code did not end."""


@attrs.define(eq=False)
class OwnedProcess:
    """User code on the main thread of a process that is nothing but a kernel.

    SIGINT breaks the user code it is meant for and nothing else; descriptors 1 and 2 and the streams of ``sys`` go to
    the cells; ``input`` and ``getpass`` ask the client; the notebook's globals are those of ``__main__``.
    """

    stdin_fd: int
    """What descriptor 0 was when the process started."""
    stdout_fd: int
    """What descriptor 1 was when the process started."""
    stderr_fd: int
    """What descriptor 2 was when the process started."""
    capture: DescriptorCapture
    cell_thread: CellThread = attrs.field(factory=CellThread)
    gate: InterruptGate = attrs.field(factory=InterruptGate)
    collect_as_usual: Callable[[], object] = lambda: None
    """Has Python look for garbage as often as it does by itself."""
    own_process: bool = attrs.field(default=True, init=False)
    _wiring: Wiring | None = attrs.field(default=None, init=False)

    @contextmanager
    def connect(self, wiring: Wiring) -> Iterator[None]:
        """Connect streams, input and ``__main__``; one kernel at a time. Called on the control thread."""
        if self._wiring is not None:
            raise RuntimeError("this process has its kernel already")
        self._wiring = wiring
        fallback = _unbuffered(self.stderr_fd)
        saved = (
            sys.stdout,
            sys.stderr,
            builtins.input,
            getpass.getpass,
            sys.modules["__main__"],
        )

        control = threading.get_ident()

        def owner() -> Any:
            if threading.get_ident() == control:  # the kernel's own log, not the business of a cell
                return wiring.cell_of_caller()
            return wiring.cell_of_caller() or wiring.running_cell()

        def ask(prompt: object = "", /) -> str:
            return wiring.stdin.ask(owner(), str(prompt))

        def ask_password(prompt: str = "Password: ", stream: object = None, **_: object) -> str:
            return wiring.stdin.ask(owner(), str(prompt), password=True)

        sys.stdout = ConsoleStream(wiring.console, "stdout", owner, fallback, self.gate)
        sys.stderr = ConsoleStream(wiring.console, "stderr", owner, fallback, self.gate)
        builtins.input = ask
        getpass.getpass = ask_password
        sys.modules["__main__"] = wiring.namespace.as_main()
        self.gate.on_foreign_signal = wiring.on_foreign_signal
        try:
            yield
        finally:
            self.gate.on_foreign_signal = None
            sys.stdout, sys.stderr, builtins.input, getpass.getpass, sys.modules["__main__"] = saved
            self.drain()
            self._wiring = None

    def after_fork(self) -> None:
        """Make a forked child of user code an ordinary process; called in the child.

        What it prints goes through the descriptors it has inherited, and so to the cell. The kernel's own streams are
        no way for it: their locks may have been held by a thread that it does not have.
        """
        if self._wiring is None:
            return
        self.collect_as_usual()
        sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)
        self._wiring.stdin.close()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def drain(self) -> None:
        """Deliver what C code and child processes have written so far."""
        self.capture.drain()

    def deliver(self, channel: Channel, text: str) -> None:
        """Give text from a descriptor to the cell that runs or ran last; without one it goes to stderr."""
        wiring = self._wiring
        cell_id = None if wiring is None else wiring.running_cell()
        if wiring is None or cell_id is None:
            os.write(self.stderr_fd, text.encode("utf-8", "backslashreplace"))
        else:
            wiring.console.write(cell_id, channel, text)


def _unbuffered(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, "utf-8", "backslashreplace", write_through=True)


def run_kernel_process(main: Callable[[OwnedProcess], Awaitable[T]]) -> T:
    """Run ``main`` under trio on a second thread while this one, the main thread, runs user code.

    ``main`` gets the surroundings to pass to ``open_kernel``. Returns, or raises, what ``main`` does, with signal
    handler, descriptors, switch interval and garbage collector put back.

    Raises:
        RuntimeError: not called on the main thread; the caller's fault.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a kernel process runs user code on its main thread: call this there")
    with _owned_process() as process:
        results: list[T] = []
        errors: list[BaseException] = []

        def control() -> None:
            try:
                results.append(trio.run(main, process))
            except BaseException as error:
                errors.append(error)
            finally:
                process.cell_thread.stop()
                if not ended.wait(GRACE):
                    # Neither trio nor Python can end a thread. The last resort is the process.
                    os.write(process.stderr_fd, b"callboard: user code does not end; exiting\n")
                    os._exit(EXIT_STUCK)

        ended = threading.Event()
        thread = threading.Thread(target=control, name="callboard control", daemon=True)
        thread.start()
        process.cell_thread.run_here()
        ended.set()
        thread.join()
    if errors:
        raise errors[0]
    return results[0]


def leave_behind(status: int) -> int:
    """Return ``status``, and have the process end with it although threads of user code go on.

    The interpreter waits for every thread that is no daemon, for ever if need be. To be called last of all.
    """
    main = threading.main_thread()
    staying = [each.name for each in threading.enumerate() if not each.daemon and each is not main]
    if staying:

        def end() -> None:
            time.sleep(GRACE)
            text = f"callboard: threads of user code do not end ({', '.join(staying)}); exiting\n"
            os.write(2, text.encode("utf-8", "backslashreplace"))
            os._exit(status)

        threading.Thread(target=end, name="callboard end", daemon=True).start()
    return status


@contextmanager
def _owned_process() -> Iterator[OwnedProcess]:
    process: OwnedProcess | None = None

    def deliver(channel: Channel, text: str) -> None:
        assert process is not None
        process.deliver(channel, text)

    stdin_fd = os.dup(0)
    interval = sys.getswitchinterval()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with (
        open(os.devnull, "rb") as nothing,
        DescriptorCapture(deliver) as capture,
    ):
        process = OwnedProcess(
            stdin_fd=stdin_fd,
            stdout_fd=capture.private(1),
            stderr_fd=capture.private(2),
            capture=capture,
        )
        process.gate.breaker = SignalBreaker(threading.get_ident())
        os.register_at_fork(after_in_child=process.after_fork)
        # User code and its children must not eat the commands that come on descriptor 0.
        os.dup2(nothing.fileno(), 0)
        on_signal = process.gate.on_signal
        handler = signal.signal(signal.SIGINT, on_signal)

        def rearm() -> None:
            # A cell may have changed the handler, as some GUI recipes do; the next interrupt would end the process.
            if signal.getsignal(signal.SIGINT) is not on_signal:
                signal.signal(signal.SIGINT, on_signal)

        process.gate.rearm = rearm
        sys.setswitchinterval(SWITCH_INTERVAL)
        try:
            with full_collections_put_off() as process.collect_as_usual:
                yield process
        finally:
            sys.setswitchinterval(interval)
            signal.signal(signal.SIGINT, handler)
            os.dup2(stdin_fd, 0)
    for descriptor in (process.stdin_fd, process.stdout_fd, process.stderr_fd):
        os.close(descriptor)
