from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.actors.datasets.detectors import DETECTORS
from callboard.actors.datasets.discovery import (
    Detector,
    IcebergFile,
    Surroundings,
    detect,
    iceberg_catalogs,
    take_surroundings,
)
from callboard.messages import codec
from callboard.messages.ids import RequestId
from callboard.messages.notifications import DataSourceDiscoveryResultNotification
from callboard.messages.payloads import DetectedDataSource, EnvironmentVariableReference

POSTGRES = {"PGHOST": "db.example", "PGUSER": "ada", "PGDATABASE": "sales"}
MYSQL = {"MYSQL_HOST": "h", "MYSQL_USER": "u", "MYSQL_DATABASE": "d", "MYSQL_PWD": "w"}
TRINO = {"TRINO_HOST": "h", "TRINO_USER": "u", "TRINO_CATALOG": "c"}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}
EVERYTHING = {
    **POSTGRES,
    **MYSQL,
    **KEYS,
    **TRINO,
    "DATABRICKS_SQL_WAREHOUSE_ID": "w1",
    "SPARK_REMOTE": "sc://localhost",
    "PYICEBERG_CATALOG__LAKE__URI": "http://localhost",
    "HF_TOKEN": "hf_x",
}


def found(environ: Mapping[str, str], iceberg: str | None = None) -> list[DetectedDataSource]:
    file = None if iceberg is None else IcebergFile("here", iceberg)
    return detect(Surroundings(environ, file), DETECTORS)


def ids(environ: Mapping[str, str], iceberg: str | None = None) -> list[str]:
    return [source.id for source in found(environ, iceberg)]


def test_sources_are_found_in_the_order_of_their_detectors() -> None:
    assert ids(EVERYTHING) == [
        "postgres",
        "mysql",
        "aws",
        "trino",
        "databricks",
        "pyspark",
        "pyiceberg-lake",
        "huggingface",
    ]


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        (POSTGRES, "postgres"),
        (MYSQL, "mysql"),
        (KEYS, "aws"),
        ({"AWS_PROFILE": "work"}, "aws"),
        (TRINO, "trino"),
        ({"DATABRICKS_SQL_WAREHOUSE_ID": "w1"}, "databricks"),
        ({"SPARK_REMOTE": "sc://localhost"}, "pyspark"),
        ({"PYICEBERG_CATALOG__LAKE__URI": "u"}, "pyiceberg-lake"),
        ({"HUGGING_FACE_HUB_TOKEN": "t"}, "huggingface"),
    ],
)
def test_a_source_needs_all_of_its_variables_and_an_empty_one_is_unset(
    environ: dict[str, str], source: str
) -> None:
    assert ids(environ) == [source]
    for name in environ:
        assert ids({**environ, name: ""}) == []
        assert ids({other: value for other, value in environ.items() if other != name}) == []


@pytest.mark.parametrize("port", ["0", "65536", "-1", "5432x", "٣", " 1", "1" * 5000])
@pytest.mark.parametrize(("environ", "name"), [(POSTGRES, "PGPORT"), (TRINO, "TRINO_PORT")])
def test_a_source_whose_port_is_none_is_not_offered(
    environ: dict[str, str], name: str, port: str
) -> None:
    assert ids({**environ, name: port}) == []


@pytest.mark.parametrize("port", ["", "1", "5432", "65535"])
def test_a_usable_port_is_named(port: str) -> None:
    (source,) = found({**POSTGRES, "PGPORT": port})
    fields = [setting.field for setting in source.configuration]
    assert ("port" in fields) == bool(port)


@settings(max_examples=20)
@given(st.fixed_dictionaries(dict.fromkeys(EVERYTHING, st.text().map("canary-{}".format))))
def test_no_value_of_a_variable_is_in_what_is_sent(environ: dict[str, str]) -> None:
    reply = DataSourceDiscoveryResultNotification(RequestId("1"), found(environ))
    sent = codec.encode_notification(reply).decode()
    assert "canary-" not in sent


def test_the_values_of_an_iceberg_file_are_not_sent() -> None:
    text = "catalog:\n  lake:\n    uri: http://u:hunter2@host\n    token: hunter2\n"
    reply = DataSourceDiscoveryResultNotification(RequestId("1"), found({}, text))
    assert [source.display_name for source in reply.sources] == ["Iceberg (lake)"]
    assert b"hunter2" not in codec.encode_notification(reply)


def test_the_catalogs_of_a_file_are_those_that_pyiceberg_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pytest.importorskip("pyiceberg.utils.config")
    text = """\
# a comment: with a colon
default-catalog: lake
catalog:
    lake:
      uri: http://localhost:8181   # here
      s3.endpoint: http://localhost:9000

    "Other One":
      type: sql
other:
    nothing: 1
"""
    (tmp_path / ".pyiceberg.yaml").write_text(text)
    monkeypatch.setenv("PYICEBERG_HOME", str(tmp_path))
    monkeypatch.setenv("PYICEBERG_CATALOG__FROM_ENV__S3__ENDPOINT", "x")
    theirs = config.Config().get_known_catalogs()
    ours = take_surroundings({"PYICEBERG_HOME": str(tmp_path)})
    assert ours.iceberg is not None
    assert ours.iceberg.place == ".pyiceberg.yaml in PYICEBERG_HOME"
    environ = {"PYICEBERG_CATALOG__FROM_ENV__S3__ENDPOINT": "x"}
    assert sorted(iceberg_catalogs(attrs.evolve(ours, environ=environ))) == sorted(theirs)


@settings(max_examples=50)
@given(st.text(), st.dictionaries(st.text(), st.text()))
def test_whatever_the_file_and_the_environment_say_something_is_answered(
    text: str, environ: dict[str, str]
) -> None:
    environ = {f"PYICEBERG_CATALOG__{name}": value for name, value in environ.items()}
    for source in found(environ, text):
        ast.parse(source.code)
        codec.encode_notification(DataSourceDiscoveryResultNotification(RequestId("1"), [source]))


def test_a_file_that_cannot_be_read_is_as_none(tmp_path: Path) -> None:
    (tmp_path / ".pyiceberg.yaml").mkdir()
    surroundings = take_surroundings({"PYICEBERG_HOME": str(tmp_path)})
    assert surroundings.iceberg is None or surroundings.iceberg.place != "PYICEBERG_HOME"


def test_a_failing_detector_is_skipped_and_of_one_id_the_first_counts() -> None:
    (source,) = found(POSTGRES)
    second = attrs.evolve(source, display_name="second")
    other = attrs.evolve(source, id="other")
    seen: list[Surroundings] = []

    def giving(*sources: DetectedDataSource, fails: bool = False) -> Detector:
        def detector(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
            seen.append(surroundings)
            yield from sources
            if fails:
                raise RuntimeError("no")

        return detector

    surroundings = Surroundings({})
    detectors = [giving(source), giving(other, fails=True), giving(second), giving(other)]
    assert detect(surroundings, detectors) == [source, other]
    assert all(each is surroundings for each in seen)


def test_the_snapshot_does_not_follow_the_environment() -> None:
    environ = {"HF_TOKEN": "t"}
    surroundings = Surroundings(environ)
    environ.clear()
    assert surroundings.has("HF_TOKEN")
    with pytest.raises(TypeError):
        surroundings.environ["HF_TOKEN"] = ""  # type: ignore[index]


@pytest.mark.parametrize("environ", [EVERYTHING, {**EVERYTHING, "AWS_ENDPOINT_URL": "http://x"}])
def test_a_snippet_binds_one_public_name_and_reads_what_is_configured(
    environ: dict[str, str],
) -> None:
    for source in found(environ):
        tree = ast.parse(source.code)
        bound = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        } | {
            node.id
            for node in ast.walk(tree)
            if isinstance(getattr(node, "ctx", None), ast.Store) and isinstance(node, ast.Name)
        }
        assert len([name for name in bound if not name.startswith("_")]) == 1, source.code
        read = {
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and str(node.value) in environ
        }
        named = {
            setting.value.name
            for setting in source.configuration
            if isinstance(setting.value, EnvironmentVariableReference)
        }
        assert read <= named


@contextmanager
def imported_anew(package: str) -> Iterator[None]:
    """Import a package anew in the block; other tests go on with the modules they know, all of one set."""

    def loaded() -> dict[str, ModuleType]:
        return {
            name: module
            for name, module in sys.modules.items()
            if name == package or name.startswith(package + ".")
        }

    before = loaded()
    for name in before:
        del sys.modules[name]
    try:
        yield
    finally:
        for name in loaded():
            del sys.modules[name]
        sys.modules.update(before)


@pytest.mark.slow
def test_the_snippets_whose_libraries_are_here_make_what_they_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    environ = {
        **POSTGRES,
        "PGPASSWORD": "p@ss/word",
        "AWS_PROFILE": "work",
        "PYICEBERG_CATALOG__MY_LAKE__TYPE": "sql",
        "PYICEBERG_CATALOG__MY_LAKE__URI": "sqlite://",
    }
    for name in [*KEYS, "PYICEBERG_HOME"]:
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    made: dict[str, Any] = {"__builtins__": builtins}
    for source in found(environ):
        if source.id == "pyiceberg-my-lake":
            # Its configuration is read when it is imported.
            with imported_anew("pyiceberg"):
                exec(source.code, made)
        else:
            exec(source.code, made)
    assert made["postgres"].url.password == "p@ss/word"
    assert made["postgres"].url.database == "sales"
    assert made["s3"].protocol == ("s3", "s3a")
    assert made["iceberg_my_lake"].name == "my-lake"
