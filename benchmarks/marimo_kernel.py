"""Drives a real marimo kernel through one scenario; runs inside an environment that has marimo.

    python -m benchmarks.marimo_kernel < scenario.json > result.json

The kernel is started as marimo's own server starts it in edit mode: its kernel manager spawns a
process, commands travel over its multiprocessing queues (a slider's on two of them) and
notifications come back over its socket. Only the web layer in front of that is left out, so the
figures are a little kinder to marimo than what a browser sees.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.scenario import Player, Receiver, Result, Scenario, Wire, slow_package, steady


class MarimoKernel:
    """A marimo kernel process and the thread that reads its notifications.

    marimo is reached by name, as its modules are not installed where the project is type-checked.
    """

    def __init__(self, user_config: Path) -> None:
        os.environ["XDG_CONFIG_HOME"] = str(user_config)
        os.environ["HOME"] = str(user_config)
        msgspec: Any = importlib.import_module("msgspec")
        managers: Any = importlib.import_module("marimo._session.managers")
        self._commands: Any = importlib.import_module("marimo._runtime.commands")
        self._convert = msgspec.convert
        self.version = "marimo " + importlib.import_module("marimo").__version__
        self._queues = managers.QueueManagerImpl(use_multiprocessing=True)
        self._manager = managers.KernelManagerImpl(
            queue_manager=self._queues,
            mode=importlib.import_module("marimo._session.model").SessionMode.EDIT,
            configs={},
            app_metadata=self._commands.AppMetadata(
                query_params={},
                cli_args={},
                app_config=importlib.import_module("marimo._ast.app_config")._AppConfig(),
            ),
            config_manager=importlib.import_module(
                "marimo._config.manager"
            ).get_default_config_manager(current_path=str(user_config)),
            virtual_file_storage=None,
            redirect_console_to_browser=True,
        )

    def start(self) -> None:
        started = self._manager.start_kernel()
        if inspect.isawaitable(started):  # newer releases
            asyncio.run(_finish(started))

    def post(self, command: Wire) -> None:
        self._queues.put_control_request(self._convert(command, type=self._commands.CommandMessage))

    @property
    def pid(self) -> int:
        """The process of the kernel."""
        return int(self._manager.kernel_task.pid)

    def forward(self, receiver: Receiver) -> None:
        """Hand every notification on until the kernel goes; a thread's body."""
        connection = self._manager.kernel_connection
        while True:
            try:
                # All that has come, so that each has the time at which it came, not the time at
                # which those before it had been dealt with.
                arrived = [(connection.recv(), time.perf_counter())]
                while connection.poll():
                    arrived.append((connection.recv(), time.perf_counter()))
            except (EOFError, OSError, TypeError):  # closed, possibly by another thread
                return
            for data, at in arrived:
                receiver.receive(json.loads(data), at)

    def stop(self) -> None:
        self._manager.close_kernel()
        # It is asked to end, does not always, and would be waited for at the end of this process.
        self._manager.kernel_task.join(5.0)
        self._manager.kernel_task.kill()


async def _finish(awaitable: Any) -> None:
    await awaitable


def run(scenario: Scenario) -> Result:
    """Play one scenario against a kernel of its own."""
    steady()
    with tempfile.TemporaryDirectory() as folder:
        if scenario.package is not None:
            os.environ.update(slow_package(scenario.package, Path(folder, "packages")))
        kernel = MarimoKernel(Path(folder))
        player = Player(scenario, "marimo", kernel.post)
        kernel.start()
        threading.Thread(target=kernel.forward, args=(player,), daemon=True).start()
        try:
            player.prepare()
            return player.play(kernel.version, platform.python_version())
        finally:
            kernel.stop()


if __name__ == "__main__":
    # The kernel process inherits standard output; the result alone belongs there.
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(run(Scenario.from_json(sys.stdin.read())).to_json(), file=output, flush=True)
