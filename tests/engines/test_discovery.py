"""How deep engines are looked into."""

from __future__ import annotations

import itertools

import pytest

from callboard.engines import Discovery, InvalidDiscovery
from callboard.engines.discovery import Wanted

LEVELS = (True, False, "auto", None)


@pytest.mark.parametrize("level", ["schemas", "tables", "columns"])
@pytest.mark.parametrize("value", ["yes", 1, 0, [], {}, object(), "AUTO"])
def test_a_setting_that_is_none_is_named(level: str, value: object) -> None:
    with pytest.raises(
        InvalidDiscovery, match=f'^auto_discover_{level} must be true, false or "auto"'
    ):
        Discovery.of({f"auto_discover_{level}": value})


def test_settings_are_read_from_their_keys() -> None:
    config = {
        "auto_discover_schemas": True,
        "auto_discover_tables": "auto",
        "auto_discover_columns": False,
        "other": 7,
    }
    assert Discovery.of(config) == Discovery(True, "auto", False)
    assert Discovery.of({}) == Discovery(None, None, None)


@pytest.mark.parametrize("auto", [True, False])
def test_what_the_user_says_goes_before_the_engines_default(auto: bool) -> None:
    meaning = {True: True, False: False, "auto": auto, None: False}
    for said, default in itertools.product(LEVELS, LEVELS):
        wanted = Discovery(said, said, said).over(Discovery(default, default, default))  # type: ignore[arg-type]
        expected = meaning[default if said is None else said]
        assert wanted.resolve(auto=auto) == Wanted(expected, expected, expected)
