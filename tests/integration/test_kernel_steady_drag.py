"""A drag that never pauses: no cell is put off again and again."""

from __future__ import annotations

from callboard.runtime import Outcome
from callboard.testing.driver import Driver, tick

CHAIN = {
    "cb": "import callboard as cb",
    "a": "s = cb.ui.slider(0, 1000)",
    "b": "value = s.value\nif value == 1: first()\nif value == 2: second()\nif value == 3: third()",
    "c": "value, s.value",
}


async def test_a_cell_that_was_left_to_a_newer_tick_is_not_left_to_the_next(
    notebook: Driver,
) -> None:
    """Each tick comes while the one before is being worked on, as in a drag that is faster than the cells."""
    first, second, third = (notebook.hold(name) for name in ("first", "second", "third"))
    await notebook.run(CHAIN)
    ticks = [notebook.post(tick({"a-0": 1}))]
    await first.reached()
    ticks.append(notebook.post(tick({"a-0": 2})))
    first.release()
    await second.reached()
    ticks.append(notebook.post(tick({"a-0": 3})))
    second.release()
    await third.reached()
    ticks.append(notebook.post(tick({"a-0": 4})))
    third.release()
    heard = await notebook.settle()
    shown = [str(output.data) for output in heard.cell("c").outputs]
    # The run of the first tick gave way, so that of the second did not; nor did the last, behind the third.
    assert shown == ["(2, 2)", "(4, 4)"]
    outcomes = [(await envelope.wait()).outcome for envelope in ticks]
    assert outcomes == [
        Outcome.SUPERSEDED,
        Outcome.COMPLETED,
        Outcome.SUPERSEDED,
        Outcome.COMPLETED,
    ]
