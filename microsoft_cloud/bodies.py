"""Reading a response body within limits, whatever the other side sends."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

from .pool import require_time_left

_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32


class OverCapError(Exception):
    """The body is larger than allowed."""


def read_body(response: httpx.Response, cap: int) -> bytes:
    """Return the decompressed body.

    Raises:
        OverCapError: it has more than ``cap`` bytes; no more than that were ever held.
        zlib.error: the compressed data is damaged or ends early.
        httpx.TransportError: the connection broke or the time is over.
    """
    body = bytearray()
    for chunk in _decompressed(response, cap):
        require_time_left()
        body += chunk
        if len(body) > cap:
            raise OverCapError
    return bytes(body)


def _decompressed(response: httpx.Response, cap: int) -> Iterator[bytes]:
    """Yield the body, never inflating more than the cap at once: httpx would inflate a whole chunk first."""
    if not isinstance(response.stream, httpx.SyncByteStream):
        raise TypeError("A synchronous client gives a synchronous stream.")
    if response.headers.get("Content-Encoding", "").lower() not in _COMPRESSED:
        yield from response.stream
        return
    inflate, is_empty = zlib.decompressobj(_GZIP_OR_ZLIB), True
    for chunk in response.stream:
        is_empty = is_empty and not chunk
        yield inflate.decompress(chunk, cap + 1)
    if not (inflate.eof or is_empty):
        raise zlib.error("The compressed answer ends early.")
