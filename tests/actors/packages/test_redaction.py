"""Credentials do not get through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.packages.redaction import Redactor
from callboard.redaction import HIDDEN

plain = Redactor()


@pytest.mark.parametrize(
    "text",
    [
        "Looking in indexes: https://me:hunter22@example.org/simple",
        "Looking in indexes: https://me:hunter22@example.org/simple, https://index.example/simple",
        "git+https://hunter22@example.org/foo.git",
        "error: https://me:hun@ter22@example.org/simple",
        "error: https://me:hunter22/@example.org/simple",
        "error: HTTPS://ME:hunter22@EXAMPLE.ORG",
        "'https://me:hunter22@example.org'",
        "GET https://example.org/a?access_token=hunter22&x=1",
        "GET https://example.org/a?x=1&X-Amz-Signature=hunter22#f",
        "Authorization: Basic hunter22",
        '{"authorization": "Bearer hunter22"}',
        "cut off: https://me:hunter22…",
        "a https://x:hunter22@h b ftp://y:hunter22@h c",
    ],
)
def test_credentials_in_a_text_are_hidden(text: str) -> None:
    safe = plain(text)
    assert "hunter" not in safe
    assert "ter22" not in safe
    assert HIDDEN in safe


@pytest.mark.parametrize(
    "text",
    [
        "Collecting foo==1.0",
        "Downloading https://example.org:8080/packages/foo@1.0.whl",
        "see https://example.org/a?b=c@d",
        "mail me@example.org",
        "cut off: https://example.org/packages…",
        "ratio a:b@c",
    ],
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_what_the_environment_knows_to_be_secret_is_hidden_wherever_it_turns_up() -> None:
    redact = Redactor(
        {
            "PIP_INDEX_URL": "https://me:p%40ss-word@example.org/simple https://index.example",
            "UV_INDEX_PRIVATE_PASSWORD": "uv-secret",
            "POETRY_PYPI_TOKEN_HERE": "pypi-AgEI",
            "DATABASE_URL": "postgres://u:db-secret@h/d",
            "UV_INDEX_URL": "https://a-token-standing-alone@example.org",
            "BROKEN": "http://[x:broken-secret@h",
            "GIT": "ssh://root@example.org",
            "SHORT": "https://me:abc@example.org",
            "PATH": "/usr/bin",
        }
    )
    text = "p%40ss-word p@ss-word uv-secret pypi-AgEI db-secret a-token-standing-alone"
    assert redact(text) == " ".join([HIDDEN] * 6)
    assert redact("root abc /usr/bin me") == "root abc /usr/bin me"


def test_of_two_secrets_the_longer_one_is_hidden_whole() -> None:
    redact = Redactor({"PIP_PASSWORD": "secret", "UV_PASSWORD": "secret-and-more"})
    assert redact("secret-and-more secret") == f"{HIDDEN} {HIDDEN}"


passwords = st.text(
    st.characters(codec="ascii", exclude_characters="/?# '\"<>@:", categories=["L", "N", "P", "S"]),
    min_size=8,
    max_size=20,
)


@given(
    passwords,
    st.text(alphabet="ab: /@.\n", max_size=10),
    st.text(alphabet="ab: /@.\n", max_size=10),
)
def test_no_password_in_a_url_survives(password: str, before: str, after: str) -> None:
    assert password not in plain(f"{before} https://me:{password}@example.org/{after}").replace(
        HIDDEN, ""
    )
