"""The names of the package, and what it costs to import it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, assert_type

import pytest

import callboard as cb

HEAVY = ("asyncio", "attrs", "cattrs", "msgspec", "trio", "typing")


def loaded_after(code: str) -> tuple[set[str], float]:
    """The modules that a fresh interpreter has loaded after the code, and the CPU seconds it took."""
    script = f"""
import sys, time
before = set(sys.modules)
started = time.process_time()
{code}
took = time.process_time() - started
import json
print(json.dumps([sorted(set(sys.modules) - before), took]))
"""
    # -I: the environment and the current directory must not matter
    flags = ["-I", "-c", script]
    ran = subprocess.run([sys.executable, *flags], check=True, capture_output=True, text=True)
    modules, took = json.loads(ran.stdout)
    return set(modules), took


def test_importing_callboard_loads_nothing_else() -> None:
    modules, took = loaded_after("import callboard as cb")
    assert {m for m in modules if m.startswith("callboard")} == {"callboard"}
    assert modules.isdisjoint(HEAVY)
    # about 1 ms; the bound allows for a slow machine
    assert took < 0.1


@pytest.mark.parametrize(
    "use",
    [
        "cb.ui.array([cb.ui.slider(0, 10), cb.ui.dropdown(['a']), cb.ui.date()]).value",
        "f'{cb.ui.text()}'",
        "cb.cache(lambda x: x)([1]); cb.lru_cache; cb.persistent_cache",
        "cb.md('# a'); cb.output.append(''); cb.request(); cb.Thread; cb.StopCell; cb.stop(False)",
    ],
)
def test_what_a_notebook_uses_loads_no_kernel(use: str) -> None:
    modules, _ = loaded_after(f"import callboard as cb; {use}")
    assert modules.isdisjoint({"asyncio", "cattrs", "msgspec", "trio"})
    assert not {
        m for m in modules if m.startswith(("callboard.runtime", "callboard.actors", "callboard.k"))
    }


@pytest.mark.parametrize("name", sorted(set(cb.__all__) - {"open_kernel"}))
def test_every_public_name_is_there_and_is_loaded_once(name: str) -> None:
    assert getattr(cb, name) is getattr(cb, name)
    assert name in dir(cb)


def test_an_unknown_name_is_an_attribute_error() -> None:
    untyped: Any = cb
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = untyped.nothing
    assert not hasattr(cb, "__path_of_something__")


def test_elements_tell_a_type_checker_their_values() -> None:
    assert_type(cb.ui.slider(0, 10).value, int)
    assert_type(cb.ui.slider(0, 1, step=0.5).value, float)
    assert_type(cb.ui.slider(steps=[1, 2]).value, int)
    assert_type(cb.ui.number().value, float | None)
    assert_type(cb.ui.number(1).value, int | None)
    assert_type(cb.ui.text().value, str)
    assert_type(cb.ui.checkbox().value, bool)
    assert_type(cb.ui.dropdown(["a"]).value, str | None)
    assert_type(cb.ui.dropdown({"a": 1}, "a").value, int | None)
    assert_type(cb.ui.radio([1, 2], 1).value, int | None)
    assert_type(cb.ui.multiselect({"a": 1}).value, list[int])
    assert_type(cb.ui.button(lambda n: n + 1, 0).value, int)
    assert_type(cb.ui.button().value, None)
    assert_type(cb.ui.run_button().value, bool)
    assert_type(cb.ui.array([cb.ui.slider(0, 1)]).value, list[int])
    assert_type(cb.ui.dictionary({"a": cb.ui.text()})["a"].value, str)
    assert_type(
        cb.ui.dictionary({"a": cb.ui.slider(0, 1), "b": cb.ui.text()}).value, dict[str, object]
    )
