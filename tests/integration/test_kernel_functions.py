"""Calls of functions that elements register: every call gets exactly one answer."""

from __future__ import annotations

import pytest

from callboard.messages.commands import DeleteCellCommand, InvokeFunctionCommand
from callboard.messages.ids import CellId, FunctionCallId
from callboard.messages.notifications import FunctionCallResultNotification
from callboard.testing.driver import Driver, execute

CB = {"cb": "import callboard as cb"}

ELEMENT = """
import datetime as _datetime
import attrs as _attrs
from callboard.ui.functions import Function as _Function

@_attrs.define
class Args:
    first_row: int
    since: _datetime.date = _datetime.date(2020, 1, 1)

@_attrs.define
class Code:
    text: str

def rows(args):
    print("called", args.first_row)
    return {"rows": [args.first_row, args.since.year]}

async def later(args):
    import asyncio
    await asyncio.sleep(0)
    print("awaited")
    return args.first_row + 1

def plain():
    return None

def run(args):
    return eval(args.text)

async def run_later(args):
    return eval(args.text)

e = cb.ui.UIElement(
    0,
    functions=[
        _Function("rows", rows, Args),
        _Function("later", later, Args),
        _Function("plain", plain),
        _Function("run", run, Code),
        _Function("run_later", run_later, Code),
    ],
)
"""


@pytest.fixture
async def element(notebook: Driver) -> Driver:
    await notebook.run(CB, e=ELEMENT)
    notebook.news()
    return notebook


async def test_a_call_returns_the_value_with_its_arguments_converted(element: Driver) -> None:
    result = await element.call("e-0", "rows", firstRow=3, since="2021-05-06", _ignored=1)
    assert result.return_value == {"rows": [3, 2021]}
    assert (result.status.code, result.status.title, result.status.message) == ("ok", None, None)
    assert result.found


async def test_what_a_function_prints_is_its_cells_and_comes_before_the_answer(
    element: Driver,
) -> None:
    await element.call("e-0", "rows", firstRow=3)
    assert element.news().trace == [
        "e: stdout 'called 3\\n'",
        "result call-1 ok",
        "settled invoke-function completed",
    ]


async def test_an_async_function_is_awaited(element: Driver) -> None:
    assert (await element.call("e-0", "later", firstRow=3)).return_value == 4
    assert element.news().cell("e").stdout == "awaited\n"


async def test_a_function_without_arguments_takes_none(element: Driver) -> None:
    assert (await element.call("e-0", "plain")).status.code == "ok"
    result = await element.call("e-0", "plain", extra=1)
    assert result.status.title == "Exception"
    assert "extra" in str(result.status.message)


@pytest.mark.parametrize(("namespace", "name"), [("e-9", "rows"), ("e-0", "nothing"), ("", "")])
async def test_a_function_that_is_not_there_is_said_not_to_be_found(
    element: Driver, namespace: str, name: str
) -> None:
    result = await element.call(namespace, name)
    assert (result.found, result.return_value) == (False, None)
    assert (result.status.code, result.status.title) == ("error", "Function not found")


async def test_an_element_made_outside_any_cell_has_no_functions_for_the_page(
    element: Driver,
) -> None:
    await element.run(
        outside="""
import threading
from callboard.ui.functions import Function as _F
_made = []
def _make():
    _made.append(cb.ui.UIElement(0, functions=[_F("plain", plain)]))
_thread = threading.Thread(target=_make)
_thread.start()
_thread.join()
stray = _made[0]
"""
    )
    element_id = str((await element.run(i="stray.element_id")).cell("i").output)
    result = await element.call(element_id, "plain")
    assert (result.found, result.status.code) == (False, "error")


@pytest.mark.parametrize(
    "args", [{}, {"firstRow": "many"}, {"firstRow": 1, "nosuch": 2}, {"firstRow": 1, "since": "x"}]
)
async def test_arguments_that_do_not_fit_are_an_error_that_says_so(
    element: Driver, args: dict[str, object]
) -> None:
    result = await element.call("e-0", "rows", **args)
    assert (result.found, result.return_value) == (True, None)
    assert (result.status.code, result.status.title) == ("error", "Exception")
    assert "rows" in str(result.status.message)
    assert element.news().cell("e").stdout == ""


@pytest.mark.parametrize("name", ["run", "run_later"])
@pytest.mark.parametrize(
    "text",
    [
        "1 / 0",
        "exit(3)",
        "(_ for _ in ()).throw(KeyboardInterrupt)",
        "(_ for _ in ()).throw(GeneratorExit)",
        "(_ for _ in ()).throw(__import__('asyncio').CancelledError)",
        "(_ for _ in ()).throw(BaseException('base'))",
        "cb.stop(True)",
    ],
)
async def test_whatever_a_function_raises_is_an_answer(
    element: Driver, name: str, text: str
) -> None:
    result = await element.call("e-0", name, text=text)
    assert (result.found, result.return_value) == (True, None)
    assert (result.status.code, result.status.title) == ("error", "Exception")
    assert name in str(result.status.message)
    assert (await element.call("e-0", "rows", firstRow=1)).status.code == "ok"


async def test_the_message_names_function_arguments_and_text(element: Driver) -> None:
    result = await element.call("e-0", "run", text="{}['gone']")
    message = str(result.status.message)
    assert all(part in message for part in ("run", "text", "KeyError", "gone"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1, 2)", [1, 2]),
        ("{1: 2}", {"1": 2}),
        ("float('inf')", None),
        ("b'raw'", "cmF3"),
        ("__import__('datetime').date(2020, 1, 2)", "2020-01-02"),
    ],
)
async def test_a_value_that_json_lacks_is_answered_in_a_form_it_has(
    element: Driver, text: str, value: object
) -> None:
    result = await element.call("e-0", "run", text=text)
    assert (result.status.code, result.return_value) == ("ok", value)


async def test_a_value_that_cannot_be_sent_is_an_error(element: Driver) -> None:
    await element.run(loop="loop = []\nloop.append(loop)")
    result = await element.call("e-0", "run", text="loop")
    assert (result.status.code, result.status.title) == ("error", "Exception")
    assert "contains itself" in str(result.status.message)


async def test_functions_go_away_with_their_element(element: Driver) -> None:
    await element.do(DeleteCellCommand(CellId("e")))
    assert (await element.call("e-0", "plain")).found is False


async def test_elements_made_in_a_function_do_not_take_the_ids_of_the_cells_own(
    element: Driver,
) -> None:
    await element.run(made="made = []")
    first = await element.call(
        "e-0", "run", text="made.append(cb.ui.slider(0, 9)) or made[-1].element_id"
    )
    second = await element.call(
        "e-0", "run", text="made.append(cb.ui.slider(0, 9)) or made[-1].element_id"
    )
    ids = {str(first.return_value), str(second.return_value)}
    assert len(ids) == 2
    assert not any(one.startswith("e-") for one in ids)
    assert (await element.call("e-0", "plain")).found


async def test_calls_are_answered_in_order_between_the_commands_around_them(
    element: Driver,
) -> None:
    await element.run(a="x = 1")
    calls = []
    for n in range(3):
        calls.append(
            element.post(
                InvokeFunctionCommand(FunctionCallId(f"n{n}"), "e-0", "run", {"text": "x"})
            )
        )
        calls.append(element.post(execute({"a": f"x = {n + 10}"})))
    for call in calls:
        await call.wait()
    results = element.news().of(FunctionCallResultNotification)
    assert [(one.function_call_id, one.return_value) for one in results] == [
        ("n0", 1),
        ("n1", 10),
        ("n2", 11),
    ]
