"""The detectors of data sources, in the order in which their findings are shown. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from callboard.actors.datasets.discovery import (
    Detector,
    Surroundings,
    iceberg_catalogs,
)
from callboard.messages.payloads import (
    DetectedDataSource,
    DetectedSetting,
    DetectionOrigin,
    EnvironmentVariableReference,
    HiddenByDialect,
    HiddenByStorage,
    SafeLiteral,
)


def _source(
    surroundings: Surroundings,
    integration: str,
    display_name: str,
    settings: Iterable[tuple[str, str]],
    code: str,
    hides_when: HiddenByDialect | HiddenByStorage,
    *,
    category: Literal["database", "catalog", "object-storage"] = "database",
    confidence: Literal["high", "medium"] = "high",
) -> DetectedDataSource:
    """Make a source whose ``settings`` are pairs of a field and a variable; unset variables are left out."""
    used = [(field, name) for field, name in settings if surroundings.has(name)]
    return DetectedDataSource(
        id=integration,
        integration=integration,
        category=category,
        display_name=display_name,
        confidence=confidence,
        origins=[DetectionOrigin("environment", name) for _, name in used],
        configuration=[
            DetectedSetting(field, EnvironmentVariableReference(name)) for field, name in used
        ],
        code=code,
        hides_when=hides_when,
    )


# The imports of a snippet have private names, so that it fits beside other cells that import the same.


def postgres(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find what `psql` would connect to."""
    if not surroundings.has("PGHOST", "PGUSER", "PGDATABASE"):
        return
    if not surroundings.port_is_usable("PGPORT"):
        return
    yield _source(
        surroundings,
        "postgres",
        "PostgreSQL",
        [
            ("host", "PGHOST"),
            ("port", "PGPORT"),
            ("username", "PGUSER"),
            ("password", "PGPASSWORD"),
            ("database", "PGDATABASE"),
        ],
        """\
import os as _os

import sqlalchemy as _sqlalchemy

postgres = _sqlalchemy.create_engine(
    _sqlalchemy.URL.create(
        "postgresql+psycopg",
        host=_os.environ["PGHOST"],
        port=int(_os.environ.get("PGPORT") or 5432),
        username=_os.environ["PGUSER"],
        password=_os.environ.get("PGPASSWORD"),
        database=_os.environ["PGDATABASE"],
    )
)
""",
        HiddenByDialect(["postgres"]),
    )


def mysql(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find a MySQL server with an account."""
    password = next(iter(surroundings.present(("MYSQL_PASSWORD", "MYSQL_PWD"))), None)
    if password is None or not surroundings.has("MYSQL_HOST", "MYSQL_USER", "MYSQL_DATABASE"):
        return
    port = next(iter(surroundings.present(("MYSQL_PORT", "MYSQL_TCP_PORT"))), "MYSQL_PORT")
    if not surroundings.port_is_usable(port):
        return
    yield _source(
        surroundings,
        "mysql",
        "MySQL",
        [
            ("host", "MYSQL_HOST"),
            ("port", port),
            ("username", "MYSQL_USER"),
            ("password", password),
            ("database", "MYSQL_DATABASE"),
        ],
        f"""\
import os as _os

import sqlalchemy as _sqlalchemy

mysql = _sqlalchemy.create_engine(
    _sqlalchemy.URL.create(
        "mysql+pymysql",
        host=_os.environ["MYSQL_HOST"],
        port=int(_os.environ.get("{port}") or 3306),
        username=_os.environ["MYSQL_USER"],
        password=_os.environ["{password}"],
        database=_os.environ["MYSQL_DATABASE"],
    )
)
""",
        HiddenByDialect(["mysql", "mariadb"]),
    )


def aws(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find an account for S3: a pair of keys, or a named profile."""
    keys = surroundings.has("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    if not keys and not surroundings.has("AWS_PROFILE"):
        return
    arguments = [] if keys else ['profile=_os.environ["AWS_PROFILE"]']
    endpoint = next(
        iter(surroundings.present(("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))), "AWS_ENDPOINT_URL"
    )
    if surroundings.has(endpoint):
        arguments.append(f'endpoint_url=_os.environ["{endpoint}"]')
    needs = "import os as _os\n\n" if arguments else ""
    yield _source(
        surroundings,
        "aws",
        "Amazon S3",
        [
            *(
                [
                    ("access_key_id", "AWS_ACCESS_KEY_ID"),
                    ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
                    ("session_token", "AWS_SESSION_TOKEN"),
                ]
                if keys
                else [("profile", "AWS_PROFILE")]
            ),
            ("region", next(iter(surroundings.present(("AWS_REGION",))), "AWS_DEFAULT_REGION")),
            ("endpoint_url", endpoint),
        ],
        f"{needs}import s3fs as _s3fs\n\ns3 = _s3fs.S3FileSystem({', '.join(arguments)})\n",
        HiddenByStorage(["s3", "s3a"], []),
        category="object-storage",
    )


def trino(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find a Trino coordinator and a catalog of it."""
    if not surroundings.has("TRINO_HOST", "TRINO_USER", "TRINO_CATALOG"):
        return
    if not surroundings.port_is_usable("TRINO_PORT"):
        return
    yield _source(
        surroundings,
        "trino",
        "Trino",
        [
            ("host", "TRINO_HOST"),
            ("port", "TRINO_PORT"),
            ("username", "TRINO_USER"),
            ("password", "TRINO_PASSWORD"),
            ("catalog", "TRINO_CATALOG"),
            ("schema", "TRINO_SCHEMA"),
        ],
        """\
import os as _os

import sqlalchemy as _sqlalchemy

trino = _sqlalchemy.create_engine(
    _sqlalchemy.URL.create(
        "trino",
        host=_os.environ["TRINO_HOST"],
        port=int(_os.environ.get("TRINO_PORT") or 8080),
        username=_os.environ["TRINO_USER"],
        password=_os.environ.get("TRINO_PASSWORD") or None,
        database="/".join(
            filter(None, (_os.environ["TRINO_CATALOG"], _os.environ.get("TRINO_SCHEMA")))
        ),
    )
)
""",
        HiddenByDialect(["trino"]),
    )


def databricks(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find a Databricks SQL warehouse."""
    if not surroundings.has("DATABRICKS_SQL_WAREHOUSE_ID"):
        return
    hosts = ("DATABRICKS_HOST", "DATABRICKS_SERVER_HOSTNAME")
    host = next(iter(surroundings.present(hosts)), "DATABRICKS_HOST")
    complete = surroundings.has(host, "DATABRICKS_TOKEN")
    yield _source(
        surroundings,
        "databricks",
        "Databricks SQL",
        [
            ("warehouse_id", "DATABRICKS_SQL_WAREHOUSE_ID"),
            ("server_hostname", host),
            ("access_token", "DATABRICKS_TOKEN"),
        ],
        f"""\
import os as _os

import ibis as _ibis

databricks = _ibis.databricks.connect(
    server_hostname=_os.environ["{host}"].removeprefix("https://").rstrip("/"),
    http_path="/sql/1.0/warehouses/" + _os.environ["DATABRICKS_SQL_WAREHOUSE_ID"],
    access_token=_os.environ.get("DATABRICKS_TOKEN"),
)
""",
        HiddenByDialect(["databricks"]),
        confidence="high" if complete else "medium",
    )


def pyspark(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find a Spark Connect server."""
    if not surroundings.has("SPARK_REMOTE"):
        return
    yield _source(
        surroundings,
        "pyspark",
        "Spark Connect",
        [("remote", "SPARK_REMOTE")],
        """\
import os as _os

import ibis as _ibis
from pyspark.sql import SparkSession as _SparkSession

spark = _ibis.pyspark.connect(
    _SparkSession.builder.remote(_os.environ["SPARK_REMOTE"]).getOrCreate()
)
""",
        HiddenByDialect(["spark"]),
    )


def pyiceberg(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find the Iceberg catalogs that PyIceberg is configured for, one source each."""
    for name, variables in iceberg_catalogs(surroundings).items():
        if variables:
            origins = [DetectionOrigin("environment", variable) for variable in variables]
        else:
            assert surroundings.iceberg is not None
            origins = [DetectionOrigin("configuration", surroundings.iceberg.place)]
        variable_name = "iceberg_" + re.sub(r"\W", "_", name)
        yield DetectedDataSource(
            id=f"pyiceberg-{name}",
            integration="pyiceberg",
            category="catalog",
            display_name=f"Iceberg ({name})",
            confidence="high",
            origins=origins,
            configuration=[
                DetectedSetting("catalog", SafeLiteral(name)),
                *(
                    DetectedSetting(
                        variable.split("__", 2)[2].lower().replace("__", ".").replace("_", "-"),
                        EnvironmentVariableReference(variable),
                    )
                    for variable in variables
                ),
            ],
            code=(
                "from pyiceberg.catalog import load_catalog as _load_catalog\n\n"
                f"{variable_name} = _load_catalog({name!r})\n"
            ),
            hides_when=HiddenByDialect(["iceberg"]),
        )


def huggingface(surroundings: Surroundings) -> Iterable[DetectedDataSource]:
    """Find an account at Hugging Face."""
    names = surroundings.present(("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"))
    if not names:
        return
    yield _source(
        surroundings,
        "huggingface",
        "Hugging Face",
        [("token", names[0])],
        f"""\
import os as _os

import huggingface_hub as _huggingface_hub

huggingface = _huggingface_hub.HfFileSystem(token=_os.environ["{names[0]}"])
""",
        HiddenByStorage(["hf"], ["huggingface"]),
        category="object-storage",
    )


DETECTORS: Final[tuple[Detector, ...]] = (
    postgres,
    mysql,
    aws,
    trino,
    databricks,
    pyspark,
    pyiceberg,
    huggingface,
)
