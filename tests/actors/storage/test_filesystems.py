"""Local, memory and web storages."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from callboard.actors.storage.addresses import AddressPolicy
from callboard.engines.placement import Place
from callboard.messages.codec import encode_notification as encode
from tests.actors.storage.support import Client, redirect_to, web_server


def filesystem(protocol: str, **options: Any) -> Any:
    fsspec: Any = importlib.import_module("fsspec")
    return fsspec.filesystem(protocol, skip_instance_cache=True, **options)


def directory(path: str, fs: Any) -> Any:
    dirfs: Any = importlib.import_module("fsspec.implementations.dirfs")
    return dirfs.DirFileSystem(path, fs)


def store(kind: str, *args: Any, **options: Any) -> Any:
    library: Any = importlib.import_module("obstore.store")
    return getattr(library, kind)(*args, **options)


def memory_store(files: dict[str, bytes]) -> Any:
    obstore: Any = importlib.import_module("obstore")
    opened = store("MemoryStore")
    for path, content in files.items():
        obstore.put(opened, path, content)
    return opened


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory ``root`` beside a file that is none of its business."""
    root = tmp_path / "root"
    (root / "sub" / "deeper").mkdir(parents=True)
    (root / "a.json").write_bytes(b'{"a": 1}')
    (root / "sub" / "b.txt").write_text("bé", encoding="utf-8")
    (root / "empty.txt").touch()
    (tmp_path / "secret.txt").write_text("not for clients")
    return root


@pytest.mark.parametrize("limit", [1, 2, 1000])
async def test_a_local_filesystem_is_listed_in_pages(tree: Path, limit: int) -> None:
    client = Client(filesystem("file"))
    entries = await client.listing(str(tree), limit)
    assert sorted((Path(entry.path).name, entry.kind, entry.size) for entry in entries) == [
        ("a.json", "file", 8),
        ("empty.txt", "file", 0),
        ("sub", "directory", 0),
    ]
    found = next(entry for entry in entries if entry.path.endswith("a.json"))
    assert found.path == str(tree / "a.json")
    assert found.last_modified == pytest.approx((tree / "a.json").stat().st_mtime)
    assert found.mime_type == "application/json"
    assert client.last is not None
    assert client.last.places == [Place.ANY_THREAD]


@pytest.mark.parametrize("limit", [1, 2, 1000])
@pytest.mark.parametrize("kind", ["obstore", "dirfs"])
async def test_a_directory_is_listed_from_its_own_root(tree: Path, kind: str, limit: int) -> None:
    opened = (
        store("LocalStore", tree) if kind == "obstore" else directory(str(tree), filesystem("file"))
    )
    client = Client(opened)
    assert sorted(await client.paths(None, limit)) == ["a.json", "empty.txt", "sub"]
    assert sorted(await client.paths("sub", limit)) == ["sub/b.txt", "sub/deeper"]
    assert await client.listing("sub/deeper", limit) == []
    file = await client.file("sub/b.txt")
    assert (file.content, file.mime_type) == ("bé".encode(), "text/plain")
    assert (await client.download("empty.txt")).url == "data:text/plain;base64,"


@pytest.mark.parametrize("kind", ["obstore", "dirfs"])
@pytest.mark.parametrize(
    "path", ["../secret.txt", "sub/../../secret.txt", "..", "/../secret.txt", "..\\secret.txt"]
)
async def test_nothing_leads_out_of_a_root(tree: Path, kind: str, path: str) -> None:
    opened = (
        store("LocalStore", tree) if kind == "obstore" else directory(str(tree), filesystem("file"))
    )
    client = Client(opened)
    assert (await client.refusal(client.page(path))).startswith("prefix must not go upwards")
    assert (await client.refusal(client.download(path))).startswith("path must not go upwards")


@pytest.mark.parametrize("kind", ["obstore", "dirfs"])
async def test_an_absolute_path_begins_at_the_root(tree: Path, kind: str) -> None:
    opened = (
        store("LocalStore", tree) if kind == "obstore" else directory(str(tree), filesystem("file"))
    )
    client = Client(opened)
    assert sorted(await client.paths("/sub")) == ["sub/b.txt", "sub/deeper"]
    assert (await client.file("/sub/b.txt")).content == "bé".encode()
    outside = str(tree.parent / "secret.txt")
    assert "secret.txt" in await client.refusal(client.download(outside))


async def test_symbolic_links_are_followed_and_broken_ones_harm_nothing(tree: Path) -> None:
    os.symlink(tree / "sub", tree / "link")
    os.symlink(tree / "nowhere", tree / "broken")
    for opened in (
        filesystem("file"),
        directory(str(tree), filesystem("file")),
        store("LocalStore", tree),
    ):
        base = f"{tree}/" if type(opened).__name__ == "LocalFileSystem" else ""
        client = Client(opened)
        kinds = {entry.path: entry.kind for entry in await client.listing(base or None)}
        assert kinds[f"{base}link"] == "directory"
        assert (await client.file(f"{base}link/b.txt")).content == "bé".encode()
        assert "broken" in await client.refusal(client.download(f"{base}broken"))


@pytest.mark.parametrize("kind", ["obstore", "dirfs"])
async def test_odd_files_of_the_system_are_listed_and_harm_nothing(tree: Path, kind: str) -> None:
    os.symlink(tree / "loop", tree / "loop")
    (tree / os.fsdecode(b"latin-\xe9.txt")).write_bytes(b"x")
    os.mkfifo(tree / "pipe")
    opened = (
        store("LocalStore", tree) if kind == "obstore" else directory(str(tree), filesystem("file"))
    )
    client = Client(opened)
    reply = await client.page()
    assert {"loop", "pipe", "latin-?.txt"} <= {entry.path for entry in reply.entries}
    assert encode(reply)
    assert "loop" in await client.refusal(client.download("loop"))


@pytest.mark.parametrize("path", ["a\x00b", "a\nb", "\x1b[31m", "a\x7f", "\ud800"])
@pytest.mark.parametrize("protocol", ["file", "memory"])
async def test_control_characters_are_refused_by_name_of_the_field(
    protocol: str, path: str
) -> None:
    client = Client(filesystem(protocol))
    assert "prefix must not hold control" in await client.refusal(client.page(path))
    assert "path must not hold control" in await client.refusal(client.download(path))


async def test_odd_names_are_listed_and_fetched(tmp_path: Path) -> None:
    names = ["a b.txt", "ü★😀.txt", "a'b\".txt", "%2e%2e", "a::b.txt", "a#b?c.txt", "...", "x:y"]
    for name in names:
        (tmp_path / name).write_text(name, encoding="utf-8")
    fs = filesystem("file")
    for client in (Client(directory(str(tmp_path), fs)), Client(store("LocalStore", tmp_path))):
        assert sorted(await client.paths()) == sorted(names)
        for name in names:
            assert (await client.file(name)).content == name.encode()


async def test_missing_directories_and_files_are_errors(tree: Path) -> None:
    for opened, base in (
        (filesystem("file"), f"{tree}/"),
        (filesystem("memory"), ""),
        (directory(str(tree), filesystem("file")), ""),
        (store("LocalStore", tree), ""),
        (memory_store({"x": b"x"}), ""),
    ):
        client = Client(opened)
        assert "missing" in await client.refusal(client.page(f"{base}missing"))
        assert "missing.txt" in await client.refusal(client.download(f"{base}missing.txt"))
        assert "path names no" in await client.refusal(client.download(""))


async def test_memory_filesystems_are_browsed_from_any_thread() -> None:
    fs = filesystem("memory", global_store=False)
    for number in range(25):
        fs.pipe(f"/data/{number:02}.csv", b"x" * number)
    fs.pipe("/data/sub/x.txt", b"deep")
    client = Client(fs)
    paths = await client.paths("/data", 10)
    assert paths == [*(f"/data/{number:02}.csv" for number in range(25)), "/data/sub"]
    assert await client.paths(None) == ["/data"]
    assert (await client.file("/data/sub/x.txt")).content == b"deep"
    assert client.last is not None
    assert client.last.places == [Place.ANY_THREAD]


async def test_memory_stores_are_listed_directories_first() -> None:
    opened = memory_store({"z/1": b"1", "z/2": b"2", "a": b"a", "y/x/1": b"", "b.csv": b"b"})
    client = Client(opened)
    for limit in (1, 2, 3, 100):
        assert await client.paths(None, limit) == ["y", "z", "a", "b.csv"]
    assert (await client.file("z/2")).content == b"2"


async def test_a_download_is_bounded_whether_or_not_the_size_is_known(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 2000)
    client = Client(filesystem("file"), max_download_bytes=1000)
    text = await client.refusal(client.download(str(tmp_path / "big")))
    assert "2000 bytes, more than the 1000 that can be downloaded" in text
    assert len((await client.file(str(tmp_path / "big"), preview=True)).content) == 1000


async def test_only_regular_files_of_the_system_are_fetched(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    client = Client(filesystem("file"))
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        assert "no regular file" in await client.refusal(client.download(path))


async def test_without_virtual_files_small_ones_are_in_the_address(tree: Path) -> None:
    client = Client(filesystem("file"), files=None)
    reply = await client.download(str(tree / "a.json"))
    assert reply.url == "data:application/json;base64,eyJhIjogMX0="
    assert reply.filename == "a.json"
    (tree / "big.bin").write_bytes(bytes(4_000_001))
    assert "4000001 bytes" in await client.refusal(client.download(str(tree / "big.bin")))


PAGES = {
    "/": b'<html><a href="data/">data</a> <a href="b.txt">b</a> <a href="a.csv">a</a></html>',
    "/data/": b'<html><a href="c.csv">c</a></html>',
    "/a.csv": b"x,y\n",
    "/a.csv?x=1": b"x,y\n",
    "/big": bytes(3_000_000),
    "/data/c.csv": b"c",
}


async def test_the_notebooks_own_web_address_may_be_anywhere() -> None:
    with web_server(PAGES) as (address, _):
        fs = filesystem("http")
        client = Client(directory(address, fs))
        for limit in (1, 2, 100):
            assert await client.paths(None, limit) == ["a.csv", "b.txt", "data/"]
        assert (await client.listing())[0].mime_type == "text/csv"
        assert (await client.file("a.csv")).content == b"x,y\n"
        assert (await client.file("big")).content == PAGES["/big"]
        assert len((await client.file("big", preview=True)).content) == 1_000_000
        assert "nothing" in await client.refusal(client.download("nothing"))
        for path in ("%2e%2e/x", "%252e%252e/x", "a/..%5cx", f"{address}/a.csv"):
            await client.refusal(client.download(path))
        await close(fs)


async def close(fs: Any) -> None:
    asyn: Any = importlib.import_module("fsspec.asyn")
    asyn.sync(fs.loop, fs._session.close)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "me@127.0.0.1",
    ],
)
async def test_no_client_reaches_the_kernels_own_machine(host: str) -> None:
    with web_server(PAGES) as (address, asked):
        fs = filesystem("http")
        client = Client(fs)
        url = f"http://{host}:{address.rpartition(':')[2]}/a.csv"
        for do in (client.page(url), client.download(url), client.download(url, preview=True)):
            text = await client.refusal(do)
            assert "which only the notebook itself may ask" in text
        assert asked == []
        await close(fs)


@pytest.mark.parametrize(
    "path",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.internal/",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "ftp://example.org/x",
        "simplecache::file:///etc/passwd",
        "zip://a::http://example.org/x.zip",
        "etc/passwd",
        "http://",
        "",
    ],
)
async def test_no_client_reaches_the_inside_of_the_network_or_another_kind_of_storage(
    path: str,
) -> None:
    policy = AddressPolicy(lambda host: ["169.254.169.254", "93.184.215.14"])
    fs = filesystem("http")
    client = Client(fs, policy=policy)
    assert (await client.refusal(client.page(path))).startswith("prefix")
    assert (await client.refusal(client.download(path))).startswith("path")
    if fs._session is not None:
        await close(fs)


@pytest.mark.parametrize("protocol", ["file", "memory"])
@pytest.mark.parametrize(
    "path", ["http://127.0.0.1/x", "simplecache::http://127.0.0.1/x", "s3://b/k"]
)
async def test_an_address_is_no_path_of_another_storage(protocol: str, path: str) -> None:
    client = Client(filesystem(protocol))
    assert "not an address of another" in await client.refusal(client.download(path))


def public_web(address: str) -> tuple[Any, AddressPolicy, str]:
    """A filesystem for which the name ``files.example`` is the server, and a policy that takes it for a public one."""
    aiohttp: Any = importlib.import_module("aiohttp")
    resolver: Any = importlib.import_module("aiohttp.abc")

    class Resolver(resolver.AbstractResolver):  # type: ignore[misc]
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
            assert host == "files.example"
            return [
                {
                    "hostname": host,
                    "host": "127.0.0.1",
                    "port": port,
                    "family": 2,
                    "proto": 0,
                    "flags": 0,
                }
            ]

        async def close(self) -> None:
            """Nothing to release."""

    async def get_client(**options: Any) -> Any:
        connector = aiohttp.TCPConnector(resolver=Resolver())
        return aiohttp.ClientSession(connector=connector, **options)

    fs = filesystem("http", get_client=get_client)
    policy = AddressPolicy(
        lambda host: ["93.184.215.14"] if host == "files.example" else ["127.0.0.1"]
    )
    return fs, policy, f"http://files.example:{address.rpartition(':')[2]}"


async def test_public_addresses_are_listed_and_fetched() -> None:
    with web_server({**PAGES, "/moved": redirect_to("/a.csv")}) as (address, _):
        fs, policy, public = public_web(address)
        client = Client(fs, policy=policy)
        assert await client.paths(f"{public}/", 2) == [
            f"{public}/{name}" for name in ("a.csv", "b.txt", "data/")
        ]
        file = await client.file(f"{public}/a.csv?x=1#y")
        assert (file.content, file.mime_type) == (b"x,y\n", "text/csv")
        assert (await client.file(f"{public}/a.csv")).content == b"x,y\n"
        assert (await client.download(f"{public}/a.csv")).filename == "a.csv"
        assert (await client.file(f"{public}/moved")).content == b"x,y\n"
        assert len((await client.file(f"{public}/big", preview=True)).content) == 1_000_000
        await close(fs)


async def test_no_redirect_leads_where_a_client_may_not_go() -> None:
    pages: dict[str, Any] = {"/secret": b"internal"}
    with web_server(pages) as (address, asked):
        port = address.rpartition(":")[2]
        pages["/out"] = redirect_to(f"http://127.0.0.1:{port}/secret")
        pages["/far"] = redirect_to("http://169.254.169.254/latest")
        pages["/file"] = redirect_to("file:///etc/passwd")
        pages["/round"] = redirect_to("/round")
        fs, policy, public = public_web(address)
        client = Client(fs, policy=policy)
        for path in ("out", "far", "file", "round"):
            for do in (client.page(f"{public}/{path}"), client.download(f"{public}/{path}")):
                await client.refusal(do)
        assert "/secret" not in asked
        await close(fs)


async def test_credentials_do_not_go_to_whatever_host_a_client_names() -> None:
    with web_server(PAGES) as (address, asked):
        for options in (
            {"client_kwargs": {"headers": {"Authorization": "Bearer abcdef"}}},
            {"headers": {"X-Key": "abcdef"}},
            {"client_kwargs": {"auth": ("user", "abcdef")}},
            {"cookies": {"session": "abcdef"}},
        ):
            fs = filesystem("http", **options)
            client = Client(fs, policy=AddressPolicy(lambda host: ["93.184.215.14"]))
            text = await client.refusal(
                client.download(f"http://files.example{address[-6:]}/a.csv")
            )
            assert "holds credentials" in text
            assert "abcdef" not in text
        assert asked == []
