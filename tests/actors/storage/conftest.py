"""A server that speaks S3."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

KEY = "AKIAEXAMPLEKEY"
SECRET = "a-very-secret-key"
KEYS = {
    "top.txt": b"at the top",
    "data/": b"",
    "data/a.csv": b"x,y\n1,2\n",
    "data/b.parquet": b"PAR1",
    "data/deep/c.bin": bytes(2_500_000),
    "data/deep/d.txt": b"deep",
    "empty/": b"",
    "sign+& s/é.txt": "é".encode(),
    "zero": b"",
}


@attrs.frozen
class S3:
    """Where the server is, and its bucket, filled with `KEYS`."""

    endpoint: str
    bucket: str
    client: Any
    """Of boto3."""

    def options(self) -> dict[str, Any]:
        """Of a store of obstore."""
        return {
            "endpoint": self.endpoint,
            "access_key_id": KEY,
            "secret_access_key": SECRET,
            "region": "us-east-1",
            "client_options": {"allow_http": True},
        }

    def store(self, bucket: str | None = None, **more: Any) -> Any:
        store: Any = importlib.import_module("obstore.store")
        return store.S3Store(bucket or self.bucket, **{**self.options(), **more})

    def filesystem(self, **more: Any) -> Any:
        library: Any = importlib.import_module("s3fs")
        return library.S3FileSystem(
            key=KEY,
            secret=SECRET,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": "us-east-1"},
            **more,
        )


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    moto: Any = importlib.import_module("moto.server")
    boto3: Any = importlib.import_module("boto3")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="lake")
    for key, body in KEYS.items():
        client.put_object(Bucket="lake", Key=key, Body=body)
    client.create_bucket(Bucket="many")
    yield S3(endpoint, "lake", client)
    client.close()
    server.stop()
