"""Kinds of storage services, as people know them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

DISPLAY_NAMES: Final = {
    "s3": "Amazon S3",
    "gcs": "Google Cloud Storage",
    "azure": "Azure Blob Storage",
    "cloudflare": "Cloudflare R2",
    "coreweave": "Coreweave",
    "http": "HTTP",
    "file": "File",
    "in-memory": "In-memory",
    "huggingface": "Hugging Face",
}

_SAME: Final = {
    "s3a": "s3",
    "gs": "gcs",
    "az": "azure",
    "adl": "azure",
    "abfs": "azure",
    "abfss": "azure",
    "https": "http",
    "local": "file",
    "memory": "in-memory",
    "r2": "cloudflare",
    "hf": "huggingface",
}

# Those that speak another one's protocol come first.
_HOSTS: Final = (
    ("cloudflare", ("r2.cloudflarestorage.com", "r2.dev")),
    ("coreweave", ("cwobject.com", "cwlota.com", "coreweave.com")),
    ("azure", ("blob.core.windows.net", "dfs.core.windows.net", "azure.com")),
    ("gcs", ("storage.googleapis.com", "storage.cloud.google.com")),
    ("s3", ("amazonaws.com", "amazonaws.com.cn")),
)


def protocol_of(kind: str, endpoint: str | None = None) -> str:
    """Name the protocol of a storage: by its endpoint's address if that is a known service's, else by its kind.

    ``kind`` is what its library calls it; one that is not known is returned as it is.
    """
    known = _protocol_of_endpoint(endpoint) if endpoint else None
    if known is not None:
        return known
    lowered = kind.lower()
    return _SAME.get(lowered, lowered if lowered in DISPLAY_NAMES else kind)


def display_name_of(protocol: str) -> str:
    """Name a protocol for people."""
    return DISPLAY_NAMES.get(protocol) or protocol[:1].upper() + protocol[1:]


def _protocol_of_endpoint(endpoint: str) -> str | None:
    try:
        host = urlsplit(endpoint if "://" in endpoint else f"//{endpoint}").hostname
    except ValueError:
        return None
    for protocol, suffixes in _HOSTS:
        for suffix in suffixes:
            if host is not None and (host == suffix or host.endswith("." + suffix)):
                return protocol
    return None
