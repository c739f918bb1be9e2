"""SQL in the cells of a real kernel."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
import trio

from callboard.messages.commands import DeleteCellCommand, ExecuteScratchpadCommand
from callboard.messages.ids import CellId
from callboard.messages.notifications import VariablesNotification
from callboard.messages.payloads import SQLError
from callboard.percent import load
from callboard.testing.driver import Driver, execute, open_driver
from tests.postgres import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]

START = "import sqlite3\nimport callboard as cb, duckdb, polars as pl, sqlalchemy as sa"
SPIN = "select count(*) from range(10000000000) a, range(1000) b"
RECURSE = "with recursive r(x) as (select 1 union all select x + 1 from r) select count(*) from r"


@pytest.fixture(autouse=True)
def fresh_duckdb() -> Iterator[None]:
    """The built-in database is the process's, and so that of all tests."""
    duckdb.set_default_connection(duckdb.connect())
    yield
    duckdb.set_default_connection(duckdb.connect())


async def no_longer_than(notebook: Driver) -> float:
    """Seconds that "at once" may take while the machine is as busy as now: a second if it is calm."""
    began = time.monotonic()
    for n in range(5):
        await notebook.run(**{f"measured{n}": "1"})
    return 1 + 10 * (time.monotonic() - began)


def tables() -> list[str]:
    return [name for (name,) in duckdb.execute("select table_name from duckdb_tables()").fetchall()]


async def test_a_query_runs_again_when_the_dataframe_it_reads_changes(notebook: Driver) -> None:
    await notebook.run(
        start=START,
        df="df = pl.DataFrame({'n': [1, 2]})",
        query="out = cb.sql('select sum(n) as s from df', output=False)",
        use="print(out['s'][0])",
    )
    heard = await notebook.run(df="df = pl.DataFrame({'n': [10]})")
    assert heard.started == ["df", "query", "use"]
    assert heard.cell("use").stdout == "10\n"


async def test_a_query_runs_again_when_the_table_it_reads_is_made_anew(notebook: Driver) -> None:
    first = await notebook.run(
        start=START,
        query="print(cb.sql('from t', output=False)['n'][0])",
        make="cb.sql('create table t as select 1 as n')",
    )
    assert first.started == ["start", "make", "query"]
    assert first.cell("query").stdout == "1\n"
    heard = await notebook.run(make="cb.sql('create table t as select 2 as n')")
    assert heard.started == ["make", "query"]
    assert heard.cell("query").stdout == "2\n"


async def test_running_a_cell_again_drops_what_it_made_in_memory(notebook: Driver) -> None:
    codes = {
        "start": START,
        "schema": "cb.sql('create schema s')",
        "table": "cb.sql('create table s.t as select 1 as n')",
        "view": "cb.sql('create view v as from s.t')",
        "temporary": "duckdb.sql('create temp table temporary (x int)')",
        "attach": "cb.sql(\"attach ':memory:' as m\")",
        "inside": "cb.sql('create table m.inside (x int)')",
    }
    await notebook.run(codes)
    heard = await notebook.run({cell: code for cell, code in codes.items() if cell != "start"})
    assert [cell for cell in heard.started if heard.cell(cell).errors] == []
    for cell in codes:
        await notebook.do(DeleteCellCommand(CellId(cell)))
    assert tables() == []


async def test_a_catalog_that_is_in_use_is_detached_too(notebook: Driver) -> None:
    attach = "cb.sql(\"attach ':memory:' as m; use m\")"
    await notebook.run(start=START, attach=attach)
    heard = await notebook.run(attach=f"{attach}\n")
    assert heard.cell("attach").errors == []


async def test_a_table_in_a_file_stays(notebook: Driver, tmp_path: Path) -> None:
    file = tmp_path / "data.duckdb"
    await notebook.run(
        start=START,
        attach=f"cb.sql(\"attach '{file}' as f\")",
        make="cb.sql('create table if not exists f.t as select 1 as n')",
    )
    await notebook.do(DeleteCellCommand(CellId("make")))
    await notebook.do(DeleteCellCommand(CellId("attach")))
    # What looks into the catalog for the page has let go of the file, too.
    await notebook.kernel.wait_idle()
    with duckdb.connect(str(file)) as con:
        assert con.execute("select n from t").fetchall() == [(1,)]


async def test_a_table_of_another_connection_goes_with_its_cell(notebook: Driver) -> None:
    await notebook.run(
        start=START,
        con="con = duckdb.connect()",
        make="cb.sql('create table t (x int)', engine=con)",
    )
    heard = await notebook.run(make="cb.sql('create table t (x int)', engine=con)")
    assert heard.cell("make").errors == []
    assert tables() == []


async def test_tables_are_listed_with_the_variables(notebook: Driver) -> None:
    heard = await notebook.run(
        start=START, make="cb.sql('create table t (x int)')", read="cb.sql('from t')"
    )
    (listed,) = heard.of(VariablesNotification)
    (table,) = [each for each in listed.variables if each.name == "t"]
    assert (table.declared_by, table.used_by) == (["make"], ["read"])
    assert heard.values["t"] == "None"


async def test_rows_are_shown_once(notebook: Driver) -> None:
    heard = await notebook.run(start=START, last="cb.sql('select 41 + 1 as answer')")
    assert str(heard.cell("last").output).count("answer") == 1
    heard = await notebook.run(quiet="out = cb.sql('select 41 + 1 as answer', output=False)")
    assert heard.cell("quiet").output == ""


@pytest.mark.parametrize(
    "code",
    [
        f"cb.sql('{SPIN}')",
        f"duckdb.sql('{SPIN}').fetchall()",
        f"con = duckdb.connect()\ncb.sql('{SPIN}', engine=con)",
        f"con = duckdb.connect()\ncon.execute('{SPIN}')",
        f"con = sqlite3.connect(':memory:')\ncb.sql('{RECURSE}', engine=con)",
        f"con = sqlite3.connect(':memory:')\ncon.execute('{RECURSE}').fetchall()",
        f"engine = sa.create_engine('sqlite://')\ncb.sql('{RECURSE}', engine=engine)",
        f"import asyncio\nawait asyncio.to_thread(cb.sql, '{SPIN}')",
    ],
    ids=[
        "built-in",
        "duckdb.sql",
        "a DuckDB engine",
        "a DuckDB connection",
        "an sqlite3 engine",
        "an sqlite3 connection",
        "a SQLAlchemy engine",
        "in a thread",
    ],
)
async def test_an_interrupt_ends_a_query_at_once(notebook: Driver, code: str) -> None:
    await notebook.run(start=START)
    soon = await no_longer_than(notebook)
    envelope = notebook.post(execute({"long": f"print('started')\n{code}", "below": "1"}))
    first = await notebook.until_printed("long", "started")
    assert first.cell("long").errors == []
    # The text is on its way before the database has begun; an interrupt is due while it works.
    with trio.move_on_after(0.2):
        await envelope.wait()
    began = time.monotonic()
    assert notebook.kernel.interrupt()
    await envelope.wait()
    assert time.monotonic() - began < soon
    heard = notebook.news()
    assert heard.cell("long").error.type == "interruption"
    assert heard.cell("below").error.type == "interruption"
    # On a connection of its own: a query in a thread may take a moment longer to end than its cell.
    heard = await notebook.run(after="cb.sql('select 7 as a', engine=duckdb.connect())['a'][0]")
    assert heard.cell("after").errors == []


async def test_an_interrupt_right_at_the_start_ends_a_query_too(notebook: Driver) -> None:
    await notebook.run(start=START)
    soon = await no_longer_than(notebook)
    for _ in range(10):
        envelope = notebook.post(execute({"long": f"print('started')\ncb.sql('{SPIN}')"}))
        await notebook.until_printed("long", "started")
        began = time.monotonic()
        assert notebook.kernel.interrupt()
        await envelope.wait()
        assert time.monotonic() - began < soon
        assert notebook.news().cell("long").error.type == "interruption"


async def test_an_sql_error_says_what_was_asked_where_and_leaves_no_traceback(
    notebook: Driver,
) -> None:
    heard = await notebook.run(
        start=START, bad="print('before')\ny = 1\nx = cb.sql(f'select {y} as a\\n  frm frm t')"
    )
    story = heard.cell("bad")
    assert story.error == SQLError(
        msg='Parser Error: syntax error at or near "frm"',
        sql_statement="select 1 as a\n  frm frm t",
        sql_line=1,
        sql_col=2,
        node_lineno=3,
        node_col_offset=4,
    )
    assert story.console_items == []
    assert story.statuses[-1] == "idle"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "duckdb.sql('select x from (select 1 as abc)')",
            {"sql_statement": "select x from (select 1 as abc)", "hint": '"abc"', "msg": '"x"'},
        ),
        ("duckdb.execute('select\\n1 frm frm')", {"sql_line": 1, "sql_col": 6}),
        ("duckdb.sql(f'from {table}')", {"sql_statement": "from {table}", "msg": "nowhere"}),
        (
            "import sqlglot\nsqlglot.parse_one('select 1 frm frm x')",
            {"sql_line": 0, "sql_col": 13, "node_lineno": 2},
        ),
        (
            "with engine.connect() as connection:\n"
            "    connection.execute(sa.text('select * from nowhere'))",
            {
                "sql_statement": "select * from nowhere",
                "msg": "no such table",
                "node_lineno": 2,
                "node_col_offset": 4,
            },
        ),
        (
            "cb.sql('select * from nowhere', engine=con)",
            {"sql_statement": "select * from nowhere", "msg": "no such table: nowhere"},
        ),
        (
            "def ask(query):\n    return cb.sql(query)\nask('select nope')",
            {"sql_statement": "select nope", "node_lineno": 2, "node_col_offset": 11},
        ),
        (
            "cb.sql('select 1 as " + "a" * 200 + ", from from')",
            {"sql_line": 0, "sql_col": 219},
        ),
    ],
)
async def test_errors_of_every_library_are_sql_errors(
    notebook: Driver, code: str, expected: dict[str, object]
) -> None:
    await notebook.run(
        start=START,
        setup_="table = 'nowhere'\nengine = sa.create_engine('sqlite://')\n"
        "con = sqlite3.connect(':memory:')",
    )
    story = (await notebook.run(bad=code)).cell("bad")
    error = story.error
    assert isinstance(error, SQLError)
    assert story.stderr == ""
    for field, value in expected.items():
        found = getattr(error, field)
        assert value in found if field in ("msg", "hint") else found == value, field


async def test_secrets_in_a_statement_are_not_shown(notebook: Driver) -> None:
    await notebook.run(start=START, dsn="dsn = 'postgres://me:hunter22@host/db'")
    heard = await notebook.run(bad="cb.sql(f\"from '{dsn}'\")")
    error = heard.cell("bad").error
    assert isinstance(error, SQLError)
    assert "hunter22" not in repr(error)


async def test_errors_that_are_not_the_database_s_keep_their_traceback(notebook: Driver) -> None:
    heard = await notebook.run(start=START, bad="cb.sql('select 1', engine=3)")
    assert heard.cell("bad").error.type == "exception"
    assert "TypeError" in heard.cell("bad").stderr


async def test_the_scratchpad_shows_sql_errors_as_such(notebook: Driver) -> None:
    await notebook.run(start=START)
    heard = await notebook.do(ExecuteScratchpadCommand("cb.sql('select nope')"))
    story = heard.cell("__scratch__")
    assert isinstance(story.error, SQLError)
    assert story.stderr == ""


async def test_missing_libraries_are_reported_together() -> None:
    async with open_driver(drain=2, kill=2) as notebook:
        heard = await notebook.run(
            start="import sys\nimport callboard as cb",
            bad="for name in ('duckdb', 'polars'):\n    sys.modules[name] = None\n"
            "try:\n    cb.sql('select 1', format='polars')\nfinally:\n"
            "    for name in ('duckdb', 'polars'):\n        del sys.modules[name]",
        )
    assert "duckdb and polars" in heard.cell("bad").error.msg


async def test_the_example_follows_its_slider(notebook: Driver) -> None:
    cells = load(Path(__file__).parents[2] / "examples" / "sql.py")
    codes = {f"c{at}": cell.code for at, cell in enumerate(cells)}
    heard = await notebook.create(codes)
    assert [cell for cell in codes if heard.cell(cell).errors] == []
    (last,) = [cell for cell, code in codes.items() if "cities have at least" in code]
    assert heard.cell(last).output == "2 of 3 cities have at least 20 mm"
    (slider,) = [cell for cell, code in codes.items() if "cb.ui.slider" in code]
    heard = await notebook.tick({f"{slider}-0": 50})
    assert heard.cell(last).output == "1 of 3 cities have at least 50 mm"


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["con", "engine"])
async def test_a_server_runs_queries_is_interrupted_and_says_what_is_wrong_where(
    notebook: Driver, postgres_url: str, engine: str
) -> None:
    url = postgres_url.replace("postgresql:", "postgresql+psycopg:")
    await notebook.run(
        start=f"{START}\nimport psycopg\ncon = psycopg.connect({postgres_url!r})",
        engine=f"engine = sa.create_engine({url!r})",
        make=f"cb.sql('create table t as select 7 as a', engine={engine})",
    )
    heard = await notebook.run(read=f"print(cb.sql('select a from t', engine={engine})['a'][0])")
    assert heard.cell("read").stdout == "7\n"
    heard = await notebook.run(bad=f"cb.sql('select a,\\n  lenth(a) from t', engine={engine})")
    error = heard.cell("bad").error
    assert isinstance(error, SQLError)
    assert (error.sql_line, error.sql_col) == (1, 2)
    assert error.msg == "function lenth(integer) does not exist"
    assert str(error.hint).startswith("No function")
    await notebook.run(reset="con.rollback()")
    soon = await no_longer_than(notebook)
    long = f"print('started')\ncb.sql('select pg_sleep(600)', engine={engine})"
    envelope = notebook.post(execute({"long": long}))
    await notebook.until_printed("long", "started")
    with trio.move_on_after(0.2):
        await envelope.wait()
    began = time.monotonic()
    assert notebook.kernel.interrupt()
    await envelope.wait()
    assert time.monotonic() - began < soon
    assert notebook.news().cell("long").error.type == "interruption"
    await notebook.run(close="con.close()\nengine.dispose();")
