"""Scenarios in which data domains are slow while a slider is dragged."""

from __future__ import annotations

from typing import Any

from benchmarks.scenario import HANGING, Drag, Scenario, Timed, Wire

EXTRAS = (
    "aiohttp==3.14.5",
    "altair==6.3.0",
    "fsspec==2026.9.0",
    "narwhals==2.29.0",
    "polars==2.1.0",
    "sqlalchemy==2.1.9",
    "sqlglot==30.30.0",
)
"""What the notebooks of these scenarios import; the same for every kernel."""
LEAD = 5.0
"""Seconds of the same drag before anything is slow, which are idle ones."""
ROWS = 30_000_000
TABLES = 1_000

ENGINE = """
import os
import tempfile
import sqlalchemy

_path = os.path.join(tempfile.mkdtemp(), "catalogue.db")
catalogue = sqlalchemy.create_engine("sqlite:///" + _path, connect_args={"timeout": 60})
with catalogue.begin() as _connection:
    _connection.execute(sqlalchemy.text("CREATE TABLE parts (id INTEGER)"))
path = _path
"""
LOCK = """
import sqlite3
import threading

catalogue  # listed before, where a kernel lists what a cell makes
_locker = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
_locker.execute("BEGIN EXCLUSIVE")
threading.Timer({seconds}, lambda: _locker.execute("ROLLBACK")).start()
"""
"""Another user of the database, who keeps it locked for a while."""

STORAGE = """
from fsspec.implementations.memory import MemoryFileSystem

bucket = MemoryFileSystem()
for _number in range(100):
    bucket.pipe_file(f"/file-{_number:03}.csv", b"a,b")
"""
WEB = f"""
import http.server
import threading
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.http import HTTPFileSystem

class _Slow(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep({HANGING})
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b'<a href="file.csv">file.csv</a>')

    def log_message(self, *_ignored):
        pass

_server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
threading.Thread(target=_server.serve_forever, daemon=True).start()
bucket = DirFileSystem(f"http://127.0.0.1:{{_server.server_port}}/", fs=HTTPFileSystem())
"""

FRAME = f"""
import polars
frame = polars.DataFrame({{"number": polars.int_range({ROWS}, eager=True).reverse() * 7 % 1000003}})
"""

BIG_CATALOGUE = f"""
import os
import tempfile
import sqlalchemy
import sqlite3

_path = os.path.join(tempfile.mkdtemp(), "big.db")
_connection = sqlite3.connect(_path)
for _number in range({TABLES}):
    _connection.execute(f"CREATE TABLE part_{{_number:04}} (id INTEGER, name TEXT, price REAL)")
_connection.commit()
_connection.close()
# Loads the driver, which else the cell would do that is watched.
sqlalchemy.create_engine("sqlite://")
path = _path
"""


def data_scenarios(name: str, cells: Wire) -> list[Scenario]:
    """A drag beside a slow backend of each kind; ``name`` ends the names of scenarios."""
    first = 0.5 + LEAD

    def beside(
        what: str, text: str, more: dict[str, str], commands: list[Timed], seconds: float
    ) -> Scenario:
        return Scenario(
            what + name,
            f"60 Hz drag; {LEAD:g} s in, {text}",
            {**cells, **more},
            Drag(start=0.5, seconds=LEAD + seconds, rate=60.0),
            commands=commands,
            disturbed=first,
            undisturbed="idle" + name,
        )

    made = {
        "type": "execute-cells",
        "cellIds": ["big"],
        "codes": ['big = sqlalchemy.create_engine("sqlite:///" + path)'],
    }
    discovered = [{"op": "data-source-connections"}]
    return [
        beside(
            "listing",
            f"a database that somebody else has locked takes {HANGING:g} s to list its tables",
            {"engine": ENGINE, "lock": LOCK.format(seconds=HANGING + first)},
            [Timed(first, tables("listing", "catalogue"), [replied("sql-table-list-preview")])],
            HANGING + 1,
        ),
        beside(
            "storage",
            f"a web server takes {HANGING:g} s to list its files",
            {"bucket": WEB},
            [Timed(first, files("listing", "bucket"), [replied("storage-entries")])],
            HANGING + 1,
        ),
        beside(
            "preview",
            f"a column of {ROWS:,} numbers is summarised, three times",
            {"frame": FRAME},
            [
                Timed(at, column("frame", "number"), [{"op": "data-column-preview"}])
                for at in (first, first + 1, first + 2)
            ],
            HANGING - 1,
        ),
        beside(
            "catalogue",
            f"a cell makes an engine with {TABLES:,} tables, four times",
            {"tables": BIG_CATALOGUE},
            [Timed(first + number, made, discovered) for number in range(4)],
            HANGING - 1,
        ),
    ]


def tables(request: str, engine: str) -> dict[str, Any]:
    """A listing of the tables of an engine."""
    return {
        "type": "list-sql-tables",
        "requestId": request,
        "engine": engine,
        "database": "",
        "schema": "main",
    }


def files(request: str, namespace: str) -> dict[str, Any]:
    """A listing of the files of a storage."""
    return {
        "type": "storage-list-entries",
        "requestId": request,
        "namespace": namespace,
        "limit": 1000,
        "prefix": "",
    }


def column(table: str, name: str) -> dict[str, Any]:
    """A summary of a column of a dataframe."""
    return {
        "type": "preview-dataset-column",
        "sourceType": "local",
        "source": "memory",
        "tableName": table,
        "columnName": name,
    }


def replied(op: str) -> dict[str, Any]:
    """What answers a request with the id ``listing``."""
    return {"op": op, "request_id": "listing"}
