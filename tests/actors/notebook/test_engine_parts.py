"""The smaller parts of the engine: namespace, questions, settings, bindings and scopes."""

from __future__ import annotations

import builtins
import dataclasses
import io
import pickle
import sys
import threading
import types
from typing import Any

import pytest

from callboard import ui
from callboard.actors.host import HostError
from callboard.actors.notebook.bindings import Bindings
from callboard.actors.notebook.console import Console
from callboard.actors.notebook.interrupts import InterruptGate
from callboard.actors.notebook.namespace import Namespace, capturing_builtins
from callboard.actors.notebook.scope import Scope
from callboard.actors.notebook.settings import Settings
from callboard.actors.notebook.stdin import Stdin
from callboard.authoring.context import installed
from callboard.authoring.threads import Thread
from callboard.messages.ids import CellId
from callboard.messages.notifications import CellOpNotification
from callboard.messages.payloads import CellOutput
from callboard.ui.registry import ElementRegistry

A = CellId("a")


# the namespace


def test_a_namespace_starts_as_that_of_a_main_module() -> None:
    namespace = Namespace(doc="The notebook.")
    assert eval("(__name__, __doc__, __file__, __annotations__)", namespace.values) == (
        "__main__",
        "The notebook.",
        None,
        {},
    )
    namespace.set_filename("/n.py")
    assert eval("__file__", namespace.values) == "/n.py"


def test_removing_variables_removes_their_annotations_and_restores_the_docstring() -> None:
    namespace = Namespace(doc="The notebook.")
    exec("x: int = 1\ny: int = 2\n__doc__ = 'of a cell'", namespace.values)
    assert namespace.take(["x", "__doc__", "never_there"]) == [1]
    assert "x" not in namespace.values
    assert list(namespace.values["__annotations__"]) == ["y"]
    assert namespace.values["__doc__"] == "The notebook."


def test_destructors_see_all_variables_of_the_removal_gone() -> None:
    namespace = Namespace()
    seen: list[bool] = []
    namespace.values["look"] = lambda: seen.append("b" in namespace.values)
    exec("class C:\n    def __del__(self):\n        look()\na = C()\nb = 1", namespace.values)
    taken = namespace.take(["a", "b"])
    assert seen == []
    taken.clear()
    assert seen == [False]


def test_a_copy_shares_objects_and_not_names() -> None:
    namespace = Namespace()
    namespace.values["items"] = []
    copy = namespace.copy()
    exec("items.append(1)\nnew = 1\nitems = None", copy)
    assert namespace.values["items"] == [1]
    assert "new" not in namespace.values


def test_overridden_builtins_are_the_notebooks_alone() -> None:
    namespace = Namespace()
    said: list[str] = []
    namespace.override(capturing_builtins(said.append, lambda prompt: f"answer to {prompt}"))
    exec("print('x', 1, sep='-')\nanswer = input('q')\nlength = len([1])", namespace.values)
    assert said == ["x-1\n"]
    assert (namespace.values["answer"], namespace.values["length"]) == ("answer to q", 1)
    assert builtins.print is print


def test_captured_print_passes_on_what_is_for_another_stream() -> None:
    said: list[str] = []
    captured = capturing_builtins(said.append, lambda prompt: "")
    other = io.StringIO()
    captured["print"]("x", end="", file=other, flush=True)
    captured["print"]()
    assert (other.getvalue(), said) == ("x", ["\n"])
    with pytest.raises(TypeError, match="end must be None or a string, not int"):
        captured["print"]("x", end=1)


def test_as_main_classes_of_the_notebook_can_be_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = Namespace()
    main = namespace.as_main()
    monkeypatch.setitem(sys.modules, "__main__", main)
    exec("import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int", namespace.values)
    point = namespace.values["Point"](3)
    assert pickle.loads(pickle.dumps(point)) == point
    assert dataclasses.is_dataclass(main.Point)
    assert vars(main) is namespace.values


# questions


class Page:
    """What a client sees, and a console that tells it."""

    def __init__(self) -> None:
        self.told: list[CellOpNotification] = []
        self.asked = threading.Event()
        self.console = Console(self.told.append, lambda: None)

    def stdin(self, **options: Any) -> Stdin:
        def emit(op: CellOpNotification) -> None:
            self.told.append(op)
            self.asked.set()

        return Stdin(self.console, emit, InterruptGate(), **options)

    @property
    def items(self) -> list[CellOutput]:
        return [op.console for op in self.told if isinstance(op.console, CellOutput)]


def test_a_question_follows_what_was_printed_and_gets_the_next_line() -> None:
    page = Page()
    stdin = page.stdin()
    page.console.write(A, "stdout", "before")
    stdin.feed("first\n")
    stdin.feed("second")
    assert [stdin.ask(A, "one? "), stdin.ask(A, "two? ", password=True)] == ["first", "second"]
    assert [(item.channel, item.mimetype, item.data) for item in page.items] == [
        ("stdout", "text/plain", "before"),
        ("stdin", "text/plain", "one? "),
        ("stdin", "text/password", "two? "),
    ]


def test_a_line_may_come_while_the_question_waits() -> None:
    page = Page()
    stdin = page.stdin()
    answers: list[str] = []
    thread = threading.Thread(target=lambda: answers.append(stdin.ask(A, "?")))
    thread.start()
    page.asked.wait()
    stdin.feed("  spaces stay \n")
    thread.join()
    assert answers == ["  spaces stay "]


def test_lines_nobody_reads_are_refused_beyond_a_limit() -> None:
    stdin = Page().stdin(limit=2)
    assert [stdin.feed(str(n)) for n in range(3)] == [True, True, False]


def test_nobody_is_asked_where_there_is_nobody() -> None:
    page = Page()
    with pytest.raises(EOFError):
        page.stdin(closed=True).ask(A, "?")
    with pytest.raises(EOFError):
        page.stdin().ask(None, "?")
    assert page.told == []


def test_closing_ends_the_question_that_waits() -> None:
    page = Page()
    stdin = page.stdin()
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            stdin.ask(A, "?")
        except EOFError as error:
            errors.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    page.asked.wait()
    stdin.close()
    thread.join()
    assert len(errors) == 1


# settings


def test_settings_take_over_what_a_config_names_and_keep_the_rest() -> None:
    settings = Settings(output_max_bytes=5).updated(
        {
            "runtime": {"on_cell_change": "lazy", "std_stream_max_bytes": 7, "unknown": 1},
            "package_management": {"manager": "uv"},
            "theme": "dark",
        }
    )
    assert settings == Settings(
        on_cell_change="lazy",
        output_max_bytes=5,
        std_stream_max_bytes=7,
        package_manager="uv",
    )
    assert settings.updated({}) == settings
    assert settings.updated({"runtime": None}) == settings


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"runtime": {"on_cell_change": "sometimes"}}, "runtime.on_cell_change"),
        ({"runtime": {"on_cell_change": ["lazy"]}}, "runtime.on_cell_change"),
        ({"runtime": {"output_max_bytes": 0}}, "runtime.output_max_bytes"),
        ({"runtime": {"output_max_bytes": True}}, "runtime.output_max_bytes"),
        ({"runtime": {"std_stream_max_bytes": "many"}}, "runtime.std_stream_max_bytes"),
        ({"package_management": {"manager": 3}}, "package_management.manager"),
        ({"runtime": "lazy"}, "config.runtime"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(
    config: dict[str, Any], named: str
) -> None:
    with pytest.raises(HostError, match=named):
        Settings().updated(config)


def test_an_app_runs_by_itself_whatever_the_setting() -> None:
    assert [
        Settings().autorun,
        Settings(on_cell_change="lazy").autorun,
        Settings(on_cell_change="lazy", run_mode=True).autorun,
    ] == [True, False, True]


# bindings and scopes


def scope(cell_id: CellId = A, registry: ElementRegistry | None = None, **options: Any) -> Scope:
    class Nowhere:
        def append(self, cell_id: CellId, value: object) -> None: ...
        def replace(self, cell_id: CellId, value: object) -> None: ...
        def clear(self, cell_id: CellId) -> None: ...

    return Scope(
        cell_id=cell_id,
        registry=registry or ElementRegistry(),
        outputs=Nowhere(),
        request_of=lambda: None,
        initial_values=options.pop("initial_values", {}),
        prefix=cell_id,
        **options,
    )


def test_names_of_an_element_are_those_bound_to_it_or_a_view_of_it() -> None:
    bindings = Bindings()
    with installed(scope()):
        part = ui.slider(0, 9)
        whole = ui.array([part])
        inner = whole[0]
    values = {
        "part": part,
        "whole": whole,
        "inner": inner,
        "space": types.SimpleNamespace(deep=types.SimpleNamespace(knob=part)),
        "number": 3,
    }
    bindings.update(A, values, values)
    assert bindings.names(part.element_id) == {"part", "space"}
    assert bindings.names(whole.element_id) == {"whole", "inner"}
    assert bindings.names(inner.element_id) == {"inner"}
    assert bindings.names("nowhere-0") == frozenset()


def test_names_follow_what_a_cell_binds_last_and_go_with_it() -> None:
    bindings = Bindings()
    with installed(scope()):
        first, second = ui.slider(0, 9), ui.slider(0, 9)
    bindings.update(A, ["x"], {"x": first})
    bindings.update(CellId("b"), ["y"], {"y": first})
    bindings.update(A, ["x", "gone"], {"x": second})
    assert bindings.names(first.element_id) == {"y"}
    assert bindings.names(second.element_id) == {"x"}
    bindings.forget(A)
    bindings.forget(A)
    assert bindings.names(second.element_id) == frozenset()
    assert bindings.names(first.element_id) == {"y"}


def test_a_scope_numbers_elements_from_zero_and_restores_their_values() -> None:
    values: Any = {"a-1": 7}
    with installed(scope(initial_values=values)):
        sliders = [ui.slider(0, 9) for _ in range(2)]
    assert [one.element_id for one in sliders] == ["a-0", "a-1"]
    assert [one.value for one in sliders] == [0, 7]


def test_only_callbacks_and_functions_of_a_cell_read_its_elements() -> None:
    own = scope()
    with installed(own):
        slider = ui.slider(0, 9)
        with pytest.raises(ui.ValueNotYetReadable):
            _ = slider.value
    for reader in (own.for_callback(), own.for_function(), scope(CellId("b"))):
        with installed(reader):
            assert slider.value == 0


def test_ids_given_in_callbacks_and_functions_are_nobody_elses() -> None:
    own = scope()
    ids = {own.next_element_id()}
    for maker in (own.for_callback(), own.for_function(), own.for_function()):
        assert maker.cell_id == A
        ids.add(maker.next_element_id())
    assert len(ids) == 4


def test_threads_started_in_callbacks_belong_to_the_cell() -> None:
    own = scope()
    waiting = threading.Event()

    def work() -> None:
        waiting.wait()

    with installed(own.for_callback()):
        thread = Thread(target=work)
        thread.start()
    asked = [thread.should_exit]
    own.release()
    asked.append(thread.should_exit)
    assert asked == [False, True]
    waiting.set()
    thread.join()
    assert own.threads == set()
