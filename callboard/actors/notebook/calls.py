"""Calls of functions that elements registered."""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs

from callboard.actors.host import Run
from callboard.actors.notebook.book import Book
from callboard.actors.notebook.executor import Ended, Executor
from callboard.actors.notebook.failures import message_of
from callboard.actors.notebook.variables import class_name
from callboard.authoring.context import installed
from callboard.messages.commands import InvokeFunctionCommand
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.messages.payloads import HumanReadableStatus
from callboard.messages.plain import to_plain
from callboard.ui.functions import FoundFunction


@attrs.define(eq=False)
class Calls:
    """Calls functions in the context of the cell they belong to. Cell thread only."""

    book: Book
    executor: Executor

    async def invoke(
        self, command: InvokeFunctionCommand, run: Run
    ) -> FunctionCallResultNotification:
        """Call a function and tell how it went; nothing it raises comes out of here."""
        found = self.book.registry.functions.find(command.namespace, command.function_name)
        if found is None:
            return _failed(
                command,
                "Function not found",
                f"no element {command.namespace!r} has a function {command.function_name!r}",
                found=False,
            )
        if found.cell_id is None:
            return _failed(
                command,
                "Function not associated with cell",
                f"{command.function_name!r} was registered outside any cell",
            )
        with installed(self.book.function_scope(found.cell_id)):
            ended = self.executor.call(lambda: _call(found, command.args), run)
            if ended.error is None and ended.value[1]:
                ended = await self.executor.awaitable(ended.value[0], run)
            elif ended.error is None:
                ended = Ended(ended.value[0])
            if ended.error is None:
                # Finding a form for a value that JSON lacks runs methods of it: user code, so it happens here.
                ended = self.executor.finish(partial(to_plain, ended.value), run)
        self.book.flush_console()
        return _result(command, ended)


def _call(found: FoundFunction, args: dict[str, Any]) -> tuple[Any, bool]:
    """Call a function; return its value and whether that is to be awaited."""
    value = found(args)
    return value, hasattr(type(value), "__await__")


def _result(command: InvokeFunctionCommand, ended: Ended) -> FunctionCallResultNotification:
    if ended.error is None:
        return FunctionCallResultNotification(
            command.function_call_id, ended.value, HumanReadableStatus("ok")
        )
    call = f"{command.function_name}({_arguments(command.args)})"
    if ended.interrupted:
        return _failed(command, "Interrupted", f"{call} was interrupted")
    error = ended.error
    return _failed(command, "Exception", f"{call} raised {class_name(error)}: {message_of(error)}")


def _arguments(args: dict[str, Any]) -> str:
    text = ", ".join(f"{name}={value!r}" for name, value in args.items())
    return text if len(text) <= 500 else f"{text[:500]}..."


def _failed(
    command: InvokeFunctionCommand, title: str, message: str, *, found: bool = True
) -> FunctionCallResultNotification:
    return FunctionCallResultNotification(
        command.function_call_id, None, HumanReadableStatus("error", title, message), found
    )
