"""Cells that are hard to read, run or show end as cells do, and never the engine."""

from __future__ import annotations

import pytest
import trio

from callboard.messages.commands import DeleteCellCommand, ExecuteScratchpadCommand
from callboard.messages.ids import CellId
from callboard.testing.driver import Driver, execute, open_driver

CB = {"cb": "import callboard as cb"}


@pytest.mark.parametrize(
    "code",
    [
        "x = '\0'",
        "x = '\ud800'",
        "x = 1\0",
        "(" * 500 + ")" * 500,
        "x = " + "-" * 20_000 + "1",
        "x = " + "+".join(["1"] * 20_000),
        "x" + ".y" * 20_000,
        "return 1",
        "yield 1",
        "break",
        "nonlocal x",
        "lambda: (yield)",
        "def f():\n\tx\n        y",
        "x = 1 if",
        "'''",
        "\\",
        "\x0c",
        "\ufeffx = 1",
        "def await(): pass",
        "x: 1 = 2 = 3",
        "del ()",
        "async def f():\n    return [await x for x in y]\nawait f",
    ],
    ids=lambda code: ascii(code[:12]),
)
async def test_source_of_any_kind_ends_in_an_error_or_a_run_of_its_cell(
    notebook: Driver, code: str
) -> None:
    heard = await notebook.run(bad=code, good="'fine'")
    assert heard.settled == ["execute-cells completed"]
    assert heard.cell("good").output == "fine"
    story = heard.cell("bad")
    assert story.errors or story.statuses[-1] == "idle"
    heard = await notebook.do(ExecuteScratchpadCommand(code))
    assert heard.settled == ["execute-scratchpad completed"]
    await notebook.do(DeleteCellCommand(CellId("bad")))


@pytest.mark.parametrize(
    "cell", ["", " ", "a b", "../../x", "<kernel 1 cell a>", "é\n", "x" * 5000]
)
async def test_a_cell_may_be_called_anything(notebook: Driver, cell: str) -> None:
    heard = await notebook.run({cell: "_x = 1\ndef f():\n    return _x / 0\nf()"})
    assert heard.cell(cell).error.exception_type == "ZeroDivisionError"
    assert "_x / 0" in heard.cell(cell).stderr


async def test_a_future_statement_holds_for_its_own_cell(notebook: Driver) -> None:
    heard = await notebook.run(
        a="from __future__ import annotations\ndef f(x: nowhere): pass\nf.__annotations__",
        b="def g(x: int): pass\ng.__annotations__",
    )
    assert heard.cell("a").output == "{'x': 'nowhere'}"
    assert heard.cell("b").output == "{'x': <class 'int'>}"


async def test_endless_recursion_is_an_exception(notebook: Driver) -> None:
    heard = await notebook.run(a="def f(): return f()\nf()", b="'fine'")
    assert heard.cell("a").error.exception_type == "RecursionError"
    assert heard.cell("b").output == "fine"


@pytest.mark.parametrize(
    "value",
    [
        "10 ** 6000",
        "[10 ** 6000]",
        "float('nan')",
        "type('T', (), {'__class__': property(lambda s: 1 / 0)})()",
        "type('T', (), {'__class__': property(lambda s: exit())})()",
        "type('T', (), {'__getattribute__': lambda s, n: exit()})()",
        "type('T', (), {'__getattr__': lambda s, n: s})()",
        "type('T', (), {'__repr__': lambda s: 3})()",
        "type('T', (str,), {'__len__': lambda s: 1 / 0, '__str__': lambda s: 1 / 0})('x')",
        "type('T', (list,), {'__iter__': lambda s: 1 / 0, '__len__': lambda s: 10**9})()",
        "type('T', (dict,), {'values': lambda s: exit(), 'items': None})(a=1)",
        "type('T', (), {'_repr_html_': lambda s: b'bytes'})()",
        "type('T', (), {'_repr_html_': lambda s: object()})()",
        "type('T', (), {'_mime_': lambda s: ('application/json', {1: {2: set()}})})()",
        "type('T', (), {'_repr_mimebundle_': lambda s, **k: {'text/html': '\\ud800'}})()",
        "type('T', (), {'__hash__': None, '__eq__': lambda s, o: 1 / 0, '__bool__': lambda s: 1 / 0})()",
        "type('T', (), {'__await__': lambda s: 1 / 0})()",
        "type('M', (type,), {'__getattribute__': lambda c, n: exit()})('T', (), {})",
        "(lambda: [l := [], l.append(l), l][2])()",
        "BaseException.__new__(BaseException)",
        "(_ for _ in ()).throw",
    ],
    ids=lambda value: value[:60],
)
async def test_a_value_of_any_kind_can_be_bound_shown_and_told(
    notebook: Driver, value: str
) -> None:
    heard = await notebook.run(bind=f"v = {value}", show="v", deep="[v, {'k': v}]", good="'fine'")
    assert heard.cell("bind").errors == []
    assert heard.cell("show").errors == []
    assert heard.cell("deep").statuses[-1] == "idle"
    assert heard.cell("good").output == "fine"
    assert heard.settled == ["execute-cells completed"]
    assert notebook.kernel._parts.broadcaster.encode_errors == 0


@pytest.mark.parametrize(
    "error",
    [
        "type('E', (NameError,), {'name': ['unhashable']})('x')",
        "type('E', (NameError,), {'name': property(lambda s: exit())})('x')",
        "type('E', (ImportError,), {'name': property(lambda s: 1 / 0)})('x')",
        "type('E', (ImportError,), {'name': 3, '__str__': lambda s: exit()})()",
        "type('E', (ModuleNotFoundError,), {'name': ['x'], 'msg': 3})()",
        "type('E', (AttributeError,), {'obj': property(lambda s: exit())})()",
        "type('E', (SyntaxError,), {})('bad', ('f', 'x', None, 3))",
        "type('E', (Exception,), {'__traceback__': 3})()",
        "type('E', (Exception,), {'__cause__': property(lambda s: exit())})()",
        "type('E', (Exception,), {'__notes__': [1, None]})()",
        "type('E', (Exception,), {'__class__': property(lambda s: exit())})()",
        "UnicodeDecodeError('utf-8', b'', 0, 1, '\\ud800')",
        "ExceptionGroup('g', [ValueError(1), ExceptionGroup('h', [KeyError('k')])])",
    ],
    ids=lambda error: error[:60],
)
async def test_an_exception_of_any_kind_is_shown_as_one(notebook: Driver, error: str) -> None:
    heard = await notebook.run(CB, a=f"raise {error}", good="'fine'")
    assert heard.cell("a").error.type in ("exception", "unknown")
    assert heard.cell("a").statuses[-1] == "idle"
    assert heard.cell("good").output == "fine"
    heard = await notebook.run(
        f=f"def bad(v):\n    raise {error}",
        s="s = cb.ui.slider(0, 9, on_change=bad)",
        r="s.value",
    )
    heard = await notebook.tick({"s-0": 3})
    assert heard.cell("r").output == "3"
    assert heard.cell("s").stderr
    assert heard.settled == ["update-ui-element completed"]


async def test_an_element_whose_value_cannot_be_shown_is_told_of_all_the_same(
    notebook: Driver,
) -> None:
    await notebook.run(
        CB,
        bad="Bad = type('Bad', (), {'__repr__': lambda s: exit()})",
        d="d = cb.ui.dropdown({'one': Bad(), 'two': Bad()}, on_change=lambda v: 1 / 0)",
        r="type(d.value).__name__",
    )
    heard = await notebook.tick({"d-0": ["two"]})
    assert "ZeroDivisionError" in heard.cell("d").stderr
    assert heard.cell("r").output == "Bad"


@pytest.mark.parametrize("value", ["M('T', (), {})", "M('T', (), {})()", "awaits()"])
async def test_a_function_may_return_anything(notebook: Driver, value: str) -> None:
    await notebook.run(
        CB,
        e=f"""
from callboard.ui.functions import Function as _Function
M = type('M', (type,), {{'__getattribute__': lambda c, n: exit()}})
class awaits:
    def __await__(self):
        raise SystemExit
e = cb.ui.UIElement(0, functions=[_Function("f", lambda: {value})])
""",
    )
    result = await notebook.call("e-0", "f")
    assert result.status.code in ("ok", "error")


async def test_an_error_that_is_its_own_cause_is_shown(notebook: Driver) -> None:
    code = "e = ValueError('loop')\ne.__cause__ = e\ne.__context__ = e\nraise e"
    heard = await notebook.run(a=code, b="'fine'")
    assert heard.cell("a").error.exception_type == "ValueError"
    assert heard.cell("b").output == "fine"


async def test_preset_names_may_be_bound_to_anything() -> None:
    async with open_driver(preset={"v": 3}) as notebook:
        heard = await notebook.run(
            a="v = type('T', (), {'__class__': property(lambda s: exit())})()", b="'fine'"
        )
        assert heard.cell("b").output == "fine"
        assert notebook.restarts == 0


async def test_a_destructor_that_misbehaves_ends_nothing(notebook: Driver) -> None:
    code = """
class Dies:
    def __del__(self):
        ended.append(1)
x = Dies()
"""
    await notebook.run(e="ended = []", a=code)
    await notebook.run(a=code + "# again")
    heard = await notebook.run(b="len(ended)")
    assert heard.cell("b").output == "1"


@pytest.mark.parametrize("capacity", [1, 8])
async def test_a_flood_of_text_can_be_interrupted_however_little_room_there_is(
    notebook: Driver, capacity: int
) -> None:
    notebook.kernel._parts.ingress.capacity = capacity
    for flush in (True, False):
        code = f"print('started')\nwhile True:\n    print('x' * 1000, flush={flush})"
        envelope = notebook.post(execute({"a": code}))
        await notebook.until_printed("a", "started")
        notebook.kernel.interrupt()
        with trio.fail_after(60):
            await envelope.wait()
        assert notebook.news().cell("a").error.type == "interruption"


async def test_a_thread_that_prints_on_after_the_kernel_has_stopped_disturbs_nobody() -> None:
    stopped, ended = trio.Event(), trio.Event()
    token = trio.lowlevel.current_trio_token()
    failures: list[BaseException] = []

    async with open_driver() as notebook:
        import threading

        go_on = threading.Event()
        notebook.share(
            go_on=go_on,
            failed=failures.append,
            ended=lambda: token.run_sync_soon(ended.set),
        )
        await notebook.run(
            CB,
            a="""
def work():
    go_on.wait()
    try:
        print("late", flush=True)
        cb.output.append("late")
    except BaseException as error:
        failed(error)
    ended()
cb.Thread(target=work).start()
""",
        )
    stopped.set()
    go_on.set()
    await ended.wait()
    assert failures == []
