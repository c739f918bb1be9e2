"""What cells print, and what they ask."""

from __future__ import annotations

import sys

import pytest

from callboard.actors.notebook.settings import Settings
from callboard.messages.commands import UpdateUserConfigCommand
from callboard.messages.payloads import CellOutput
from callboard.testing.driver import Driver, execute, open_driver

CB = {"cb": "import callboard as cb"}


async def test_text_arrives_before_its_cell_is_idle_and_after_it_runs(notebook: Driver) -> None:
    heard = await notebook.run(a="print('one')", b="print('two')")
    for cell, text in (("a", "one"), ("b", "two")):
        trace = [line for line in heard.trace if line.startswith(f"{cell}:")]
        at = trace.index(f"{cell}: stdout '{text}\\n'")
        assert trace.index(f"{cell}: running, console cleared") < at < trace.index(f"{cell}: idle")


async def test_all_text_of_a_cell_comes_in_order_and_before_it_is_idle(notebook: Driver) -> None:
    code = "for n in range(20_000):\n    print(n)"
    heard = await notebook.run(a=code)
    story = heard.cell("a")
    assert story.stdout == "".join(f"{n}\n" for n in range(20_000))
    assert story.ops[-1].status == "idle"
    assert len([op for op in story.ops if op.console]) < 2000


async def test_text_is_shown_while_the_cell_goes_on(notebook: Driver) -> None:
    hold = notebook.hold("hold")
    envelope = notebook.post(execute({"a": "print('early')\nhold()\nprint('late')"}))
    heard = await notebook.until_printed("a", "early")
    assert "late" not in heard.cell("a").stdout
    hold.release()
    await envelope.wait()
    assert notebook.news().cell("a").stdout == "late\n"


async def test_a_cell_that_runs_again_starts_with_an_empty_console(notebook: Driver) -> None:
    await notebook.run(a="print('first')")
    heard = await notebook.run(a="print('second')")
    assert heard.cell("a").stdout == "second\n"


async def test_print_takes_what_it_always_takes(notebook: Driver) -> None:
    heard = await notebook.run(
        io="import io",
        a="print(1, 'two', sep='-', end='!')\nprint()\nprint('x', end=None, sep=None, flush=True)",
        b="out = io.StringIO()\nprint('elsewhere', file=out)\nout.getvalue()",
        c="print('x', sep=1)",
    )
    assert heard.cell("a").stdout == "1-two!\nx\n"
    assert heard.cell("b").output == "elsewhere\n"
    assert heard.cell("b").stdout == ""
    assert heard.cell("c").error.exception_type == "TypeError"


async def test_an_embedded_kernel_leaves_the_streams_of_the_process_alone(
    notebook: Driver, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.stdout
    heard = await notebook.run(a="import sys\nsys.stdout.write('to the application\\n');")
    assert sys.stdout is before
    assert heard.cell("a").stdout == ""
    assert capsys.readouterr().out == "to the application\n"


async def test_a_forked_child_of_a_cell_prints_where_the_application_does(
    notebook: Driver, capfd: pytest.CaptureFixture[str]
) -> None:
    code = """
import os, sys, warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    _child = os.fork()
if _child == 0:
    print("from the child")
    sys.stdout.flush()
    os._exit(0)
os.waitpid(_child, 0)
print("from the parent")
"""
    heard = await notebook.run(a=code)
    assert heard.cell("a").stdout == "from the parent\n"
    assert capfd.readouterr().out == "from the child\n"


async def test_one_write_that_is_too_long_is_cut_and_said_to_be() -> None:
    async with open_driver(settings=Settings(std_stream_max_bytes=10)) as notebook:
        heard = await notebook.run(a="print('x' * 50, end='')", b="print('y' * 10, end='')")
        assert heard.cell("a").stdout == "x" * 10 + "..."
        assert "truncated" in heard.cell("a").stderr
        assert (heard.cell("b").stdout, heard.cell("b").stderr) == ("y" * 10, "")
        await notebook.do(UpdateUserConfigCommand({"runtime": {"std_stream_max_bytes": 3}}))
        assert (await notebook.run(b="print('12345', end='')")).cell("b").stdout == "123..."


async def test_text_that_utf8_cannot_hold_is_sent_all_the_same(notebook: Driver) -> None:
    heard = await notebook.run(a="print('\\ud800 ok')", b="1")
    assert "ok" in heard.cell("a").stdout
    assert notebook.kernel._parts.broadcaster.encode_errors == 0


async def test_user_code_that_prints_faster_than_it_is_read_waits_and_loses_nothing() -> None:
    async with open_driver() as notebook:
        notebook.kernel._parts.ingress.capacity = 8
        heard = await notebook.run(
            a="for _n in range(3000):\n    print(_n, flush=True)", b="print('then')"
        )
        assert heard.cell("a").stdout == "".join(f"{n}\n" for n in range(3000))


# questions


async def test_a_question_is_answered_by_the_next_line(notebook: Driver) -> None:
    envelope = notebook.post(execute({"a": "print('before')\nname = input('name? ')\nname"}))
    heard = await notebook.until(lambda heard: "a: stdin 'name? '" in heard.trace)
    assert heard.cell("a").stdout == "before\n"
    prompt = heard.cell("a").console_items[-1]
    assert isinstance(prompt, CellOutput)
    assert (prompt.channel, prompt.mimetype) == ("stdin", "text/plain")
    assert notebook.kernel.send_stdin("Ada\n")
    await envelope.wait()
    assert notebook.news().cell("a").output == "Ada"


async def test_a_line_that_comes_before_the_question_answers_it(notebook: Driver) -> None:
    notebook.kernel.send_stdin("early")
    assert (await notebook.run(a="input()")).cell("a").output == "early"


async def test_there_is_nobody_to_ask_in_run_mode() -> None:
    async with open_driver(settings=Settings(run_mode=True, show_tracebacks=True)) as notebook:
        assert (await notebook.run(a="input()")).cell("a").error.exception_type == "EOFError"


async def test_stopping_the_kernel_ends_a_question() -> None:
    async with open_driver(drain=5) as notebook:
        notebook.post(execute({"a": "input('?')"}))
        await notebook.until(lambda heard: "a: stdin '?'" in heard.trace)
    assert notebook.kernel.report is not None
    assert notebook.kernel.report.clean
    assert notebook.news().cell("a").error.exception_type == "EOFError"


async def test_a_callback_may_ask(notebook: Driver) -> None:
    await notebook.run(
        CB,
        f="def asks(v):\n    answers.append(input('sure? '))",
        answers="answers = []",
        a="s = cb.ui.slider(0, 9, on_change=asks)",
        b="(s.value, list(answers))",
    )
    notebook.kernel.send_stdin("yes")
    heard = await notebook.tick({"a-0": 2})
    assert "a: stdin 'sure? '" in heard.trace
    assert heard.cell("b").output == "(2, ['yes'])"


# values of variables


@pytest.mark.parametrize(
    ("code", "text", "kind"),
    [
        ("v = None", "None", None),
        ("v = 'x' * 60", "x" * 50, "str"),
        ("v = ['a', 1]", "['a', 1]", "list"),
        ("v = list(range(9))", "[0, 1, ..., 7, 8]", "list"),
        ("v = b'ab'", "2", "bytes"),
        ("v = 1.5", "1.5", "float"),
        ("import math as v", "math", "module"),
    ],
)
async def test_values_are_told_briefly_with_their_type(
    notebook: Driver, code: str, text: str, kind: str | None
) -> None:
    from callboard.messages.notifications import VariableValuesNotification

    heard = await notebook.run(a=code)
    [told] = heard.of(VariableValuesNotification)
    assert told.variables[0].datatype == kind
    assert text in str(told.variables[0].value)


async def test_telling_values_runs_no_code_of_them(notebook: Driver) -> None:
    heard = await notebook.run(
        a="""
class Spy:
    def __getattribute__(self, name):
        raise SystemExit("looked at")
    def __repr__(self):
        raise SystemExit("looked at")
    __str__ = __len__ = __iter__ = __repr__
spy = Spy()
"""
    )
    assert heard.cell("a").errors == []
    assert "Spy" in str(heard.values["spy"])
