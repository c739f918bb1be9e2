"""Reasons, and what keeps them: bounded texts without credentials, whatever was raised."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.redaction import HIDDEN, excerpt, without_credentials
from callboard.runtime.dead_letters import Cause, DeadLetters
from callboard.runtime.errors import MAX_REASON, describe
from tests.runtime.support import Message, open_system


@pytest.mark.parametrize(
    "text",
    [
        "postgresql+psycopg://me:hunter2@db/x: refused",
        "host=db password=hunter2 user=me",
        "{'user': 'me', 'password': 'hunter2'}",
        '{"aws_secret_access_key": "hunter2 and more"}',
        "AWS_SECRET_ACCESS_KEY=hunter2",
        "Driver=x;PWD=hunter2;Server=y",
        "connect(api_key='hunter2', timeout=3)",
        "s3://b/k?X-Amz-Security-Token=hunter2&a=1",
        "{'Authorization': 'Bearer hunter2'}",
    ],
)
def test_credentials_are_hidden_where_libraries_write_them(text: str) -> None:
    safe = without_credentials(text)
    assert "hunter2" not in safe
    assert HIDDEN in safe
    assert describe(ValueError(text)) == f"ValueError: {safe}"


@pytest.mark.parametrize(
    "text",
    ["no password", "unexpected token: x", "a token == b", "password is too short", "key = 3"],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_credentials(text) == text


@given(st.integers(0, 40))
def test_nothing_is_left_of_a_credential_that_a_cut_goes_through(before: int) -> None:
    for text in ("mysql://me:hunter2hunter2@db/x", "password='hunter2 hunter2'"):
        for limit in range(len(text) + before):
            assert "hunt" not in excerpt("x" * before + " " + text, limit).replace(HIDDEN, "")


def test_a_reason_is_bounded_and_made_in_no_time() -> None:
    began = time.process_time()
    for text in ("x" * 10**7, "://a:" * 10**6, "token" * 10**6, "a=" * 10**6):
        assert len(describe(ValueError(text))) < MAX_REASON + 100
    assert time.process_time() - began < 1


def test_an_exception_that_fails_at_its_text_still_has_its_name() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe(Broken()) == "Broken"


async def test_the_end_of_a_message_shows_nothing_of_what_was_said() -> None:
    async with open_system() as system:
        ref = system.add("a")
        end = await ref.tell(Message("a secret")).wait()
        assert "secret" not in repr(end)
        assert "Message" in repr(end)


def test_dead_letters_that_keep_messages_do_not_show_them() -> None:
    letters = DeadLetters(keep_messages=True)
    letters.record("a secret", seq=1, target="a", cause=Cause.FULL, reason="full", at=0.0)
    assert letters.latest()[0].message == "a secret"
    assert "a secret" not in repr(letters.latest())


def test_of_several_exceptions_the_first_is_said_and_how_many_there_were() -> None:
    first = ExceptionGroup("", [ValueError("https://me:hunter2@host is bad"), OSError("disk")])
    several = ExceptionGroup("unhandled errors", [first, KeyError("k")])
    assert describe(several).startswith("ValueError: ")
    assert describe(several).endswith(" is bad (and 2 more)")
    assert "hunter2" not in describe(several)
    assert describe(ExceptionGroup("", [ExceptionGroup("", [OSError()])])) == "OSError"
