"""A server with one large bucket, which counts what it is asked and what it gives."""

from __future__ import annotations

import http.server
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import parse_qs, quote, urlsplit

import attrs


@attrs.define(eq=False)
class BigBucket:
    """Answers ListObjectsV2 as S3 documents it."""

    keys: Sequence[str]
    endpoint: str = ""
    requests: int = 0
    given: int = 0

    def answer(self, query: dict[str, list[str]]) -> str:
        self.requests += 1
        one = {name: values[0] for name, values in query.items()}
        prefix, delimiter = one.get("prefix", ""), one.get("delimiter")
        most = min(1000, int(one.get("max-keys", "1000")))
        after = one.get("continuation-token") or one.get("start-after", "")
        found: list[str] = []
        last = after
        index = bisect_right(self.keys, max(after, prefix[:-1]))
        while index < len(self.keys) and self.keys[index].startswith(prefix) and len(found) < most:
            key = self.keys[index]
            head, slash, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if slash:
                last = f"{prefix}{head}{slash}\U0010ffff"
                found.append(
                    f"<CommonPrefixes><Prefix>{quote(prefix + head + slash)}</Prefix></CommonPrefixes>"
                )
                index = bisect_right(self.keys, last)
            else:
                last = key
                found.append(
                    f"<Contents><Key>{quote(key)}</Key><Size>7</Size><ETag>x</ETag>"
                    "<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>"
                )
                index += 1
        self.given += len(found)
        more = index < len(self.keys) and self.keys[index].startswith(prefix)
        token = f"<NextContinuationToken>{quote(last)}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>many</Name><EncodingType>url</EncodingType><KeyCount>{len(found)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{''.join(found)}"
            "</ListBucketResult>"
        )


@contextmanager
def big_bucket(keys: Sequence[str]) -> Iterator[BigBucket]:
    """Serve a bucket with these keys, which are in order, on loopback."""
    bucket = BigBucket(keys)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = bucket.answer(parse_qs(urlsplit(self.path).query)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        bucket.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield bucket
        finally:
            server.shutdown()
            thread.join()
