"""Credentials do not get through in what drivers of databases say."""

from __future__ import annotations

import pytest

from callboard.redaction import HIDDEN, without_credentials


@pytest.mark.parametrize(
    "text",
    [
        'connection to "host=db user=me password=hunter22 dbname=x" failed',
        "unable to open: PASSWORD = 'hunter22 ter22' SSLMODE=require",
        r"""{'user': 'me', 'password': 'hunt\'hunter22'}""",
        "password='hunt''hunter22' user=me",
        r'{"password": "hunt\"hunter22"}',
        '{"api_key": "hunter22"}',
        "DRIVER={x};UID=me;PWD=hunter22;",
        "could not parse postgresql+psycopg://me:hunter22@db/x",
        "aws_secret_access_key=hunter22, region=x",
    ],
)
def test_credentials_of_connection_strings_are_hidden(text: str) -> None:
    safe = without_credentials(text)
    assert "hunt" not in safe
    assert "ter22" not in safe
    assert HIDDEN in safe


@pytest.mark.parametrize(
    "text",
    [
        'unrecognized token: "#"',
        "password authentication failed for user me",
        "no such column: password",
        "Table with name secrets does not exist!",
    ],
)
def test_the_rest_of_a_drivers_error_stays_as_it_is(text: str) -> None:
    assert without_credentials(text) == text
