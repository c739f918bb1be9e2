"""What a client may name: paths, addresses, and what is told of names."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callboard.actors.storage.addresses import AddressPolicy, is_internal, look_up
from callboard.actors.storage.mime import mime_type_of
from callboard.actors.storage.paths import (
    MAX_PATH,
    check_path,
    check_web_path,
    extension_of,
    last_segment,
)
from callboard.actors.storage.ports import StorageFault
from callboard.actors.storage.protocols import display_name_of, protocol_of
from callboard.actors.storage.redaction import StorageRedactor, secrets_in
from callboard.redaction import HIDDEN


@given(st.text(max_size=30))
def test_no_path_that_passes_steps_upwards_or_holds_control_characters(path: str) -> None:
    try:
        check_path("prefix", path)
    except StorageFault:
        return
    assert ".." not in path.split("/")
    assert path.isprintable() or not any(ord(character) < 32 for character in path)
    path.encode()


@given(
    st.lists(st.sampled_from(["..", "a", "%2e%2e", "%252E.", "/", "\\", "%2f", "."]), max_size=8)
)
def test_no_web_path_that_passes_steps_upwards_for_a_server(parts: list[str]) -> None:
    path = "".join(parts)
    try:
        check_web_path("path", path)
    except StorageFault:
        return
    for _ in range(3):
        assert ".." not in path.replace("\\", "/").split("/")
        path = unquote(path)


def test_an_endless_path_is_refused() -> None:
    check_path("path", "x" * MAX_PATH)
    with pytest.raises(StorageFault, match="path is longer than"):
        check_path("path", "x" * (MAX_PATH + 1))


@pytest.mark.parametrize(
    ("path", "segment", "extension"),
    [
        ("a/b.csv", "b.csv", "csv"),
        ("a/b/", "b", None),
        ("", "", None),
        ("/", "", None),
        (".env", ".env", None),
        ("a.tar.gz", "a.tar.gz", "gz"),
        ("http://h/x.csv?a=/b.c#d", "x.csv", "csv"),
        ("http://h", "", None),
        ("b#c.txt", "b#c.txt", "txt"),
        ("x.", "x.", None),
    ],
)
def test_names_are_the_last_segment(path: str, segment: str, extension: str | None) -> None:
    assert last_segment(path) == segment
    assert extension_of(path) == extension


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b.csv", "text/csv"),
        ("b.parquet", "application/vnd.apache.parquet"),
        ("b.csv.gz", "application/gzip"),
        ("B.JSON", "application/json"),
        ("data:text/html,x", None),
        ("x.unheard-of", None),
        ("none", None),
        ("http://h/x.csv?y.html", "text/csv"),
    ],
)
def test_types_are_guessed_from_names(path: str, expected: str | None) -> None:
    assert mime_type_of(path) == expected


@pytest.mark.parametrize(
    ("kind", "endpoint", "protocol", "display"),
    [
        ("s3", None, "s3", "Amazon S3"),
        ("s3a", None, "s3", "Amazon S3"),
        ("gs", None, "gcs", "Google Cloud Storage"),
        ("abfss", None, "azure", "Azure Blob Storage"),
        ("adl", None, "azure", "Azure Blob Storage"),
        ("https", None, "http", "HTTP"),
        ("local", None, "file", "File"),
        ("memory", None, "in-memory", "In-memory"),
        ("r2", None, "cloudflare", "Cloudflare R2"),
        ("sftp", None, "sftp", "Sftp"),
        ("", None, "", ""),
        ("s3", "https://x.r2.cloudflarestorage.com", "cloudflare", "Cloudflare R2"),
        ("s3", "https://cwobject.com", "coreweave", "Coreweave"),
        ("s3", "http://127.0.0.1:9000", "s3", "Amazon S3"),
        ("s3", "https://evil-amazonaws.com.example", "s3", "Amazon S3"),
        ("http", "https://storage.googleapis.com/b", "gcs", "Google Cloud Storage"),
        ("s3", "http://[bad", "s3", "Amazon S3"),
    ],
)
def test_protocols_have_the_names_people_know(
    kind: str, endpoint: str | None, protocol: str, display: str
) -> None:
    assert protocol_of(kind, endpoint) == protocol
    assert display_name_of(protocol) == display


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.1.2.3",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "fd00:ec2::254",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "nonsense",
        "",
    ],
)
def test_addresses_of_the_inside_are_known(address: str) -> None:
    assert is_internal(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "10.1.2.3",
        "192.168.1.1",
        "2606:2800:21f::1",
        "64:ff9b::5db8:d70e",
        "fd12::1",
    ],
)
def test_other_addresses_may_be_asked(address: str) -> None:
    assert not is_internal(address)
    AddressPolicy(lambda host: [address]).check("path", "files.example")


@given(st.ip_addresses(v=4))
def test_an_address_is_judged_alike_in_all_its_forms(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    forms = [
        f"::ffff:{address}",
        str(ipaddress.IPv6Address((0x64FF9B << 96) | number)),
        str(ipaddress.IPv6Address((0x2002 << 112) | (number << 80))),
    ]
    if is_internal(str(address)):
        assert all(is_internal(form) for form in forms)


def test_one_address_of_the_inside_is_enough_to_refuse_a_name() -> None:
    policy = AddressPolicy(lambda host: ["93.184.215.14", "127.0.0.1"])
    with pytest.raises(StorageFault, match=r"^path: 'files\.example' is an address inside"):
        policy.check("path", "files.example")


def test_a_name_that_is_not_known_is_refused() -> None:
    def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for host, policy in (
        ("files.example", AddressPolicy(unknown)),
        ("files.example", AddressPolicy(lambda host: [])),
        ("", AddressPolicy()),
        (None, AddressPolicy()),
        ("\ud800", AddressPolicy()),
    ):
        with pytest.raises(StorageFault, match=r"^path"):
            policy.check("path", host)


def test_the_systems_look_up_gives_addresses() -> None:
    assert all(is_internal(address) for address in look_up("localhost"))
    assert look_up("localhost")


def test_secrets_are_found_by_their_names_and_in_addresses() -> None:
    options = {
        "key": "the-key",
        "anon": False,
        "token": "cloud",
        "client_kwargs": {"headers": {"Authorization": "Bearer the-token"}},
        "auth": ("user", "the-password"),
        "endpoint_url": "http://me:p%40ss@h",
        "bucket": "plain",
        "connection_string": b"AccountKey=the-account",
    }
    assert set(secrets_in(options)) == {
        "the-key",
        "Bearer the-token",
        "user",
        "the-password",
        "p%40ss",
        "p@ss",
        "AccountKey=the-account",
    }


def test_secrets_are_looked_for_only_so_deep() -> None:
    options: dict[str, object] = {"token": "outer"}
    options["again"] = options
    assert set(secrets_in(options)) == {"outer"}


@pytest.mark.parametrize(
    "text",
    [
        "aws_access_key_id=hunter22",
        "AccountKey=hunter22;x",
        "'password': 'hunter22'",
        "x-amz-security-token: hunter22",
        "<AWSAccessKeyId>hunter22</AWSAccessKeyId>",
        "<StringToSign>AWS4\nhunter22</StringToSign>",
        "GET https://b.s3.amazonaws.com/k?AWSAccessKeyId=hunter22&Signature=hunter22&Expires=1",
        "https://a.blob.core.windows.net/c/b?sv=1&sig=hunter22",
        "the secret itself: hunter22",
    ],
)
def test_credentials_in_texts_of_storages_are_hidden(text: str) -> None:
    safe = StorageRedactor(["the secret itself: hunter22"])(text)
    assert "hunter22" not in safe
    assert HIDDEN in safe


def test_other_text_stays_and_the_librarys_insides_go() -> None:
    redact = StorageRedactor(["abc"])
    assert redact("abc: no such key 'data/key=1/a.csv'") == "abc: no such key 'data/key=1/a.csv'"
    assert redact("gone\n\nDebug source:\nNotFound { .. }") == "gone"
    assert len(redact("x" * 10_000)) < 2100


def test_a_credential_at_the_place_where_a_text_is_cut_is_hidden() -> None:
    filler = "https://u:longlonglong@h/?sig=" + "a" * 6_000
    text = f"{filler} {'b' * 1900} https://me:hunter22@example.org {'c' * 90_000}"
    for start in range(0, 120, 7):
        safe = StorageRedactor()("d" * start + " " + text)
        assert "hunter" not in safe
        assert len(safe) < 2100
