"""The request window: which requests were appended, so that a retry appends nothing.

On disk it is a row a transaction, behind one another: an index over keys would write a page of its own for
every request. In memory it is a table from a key's hash to its row. Imports nothing of gRPC or of the
generated stubs.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from gateway.errors import RequestIdReused
from gateway.log import Placed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from gateway.log import RequestKey

REMEMBERED_TIME: Final = 600 * 10**9
"""Nanoseconds that a request is remembered at least, up to ``REMEMBERED_MOST`` requests."""
REMEMBERED_LEAST: Final = 100_000
"""How many of the last requests are remembered at least."""
REMEMBERED_MOST: Final = 2_000_000
"""How many requests are remembered at most."""
PRUNED: Final = 64
"""How many rows one transaction prunes at most."""

_HEAD: Final = struct.Struct("<HHHIq")
_PLACED: Final = struct.Struct("<II")

Record = tuple[str, str, bytes, tuple[Placed, ...]]
"""Caller, request_id, digest, placements."""


def pack(request: RequestKey, placed: tuple[Placed, ...]) -> bytes:
    """Encodes one request for ``log_request.records``."""
    caller, request_id = request.caller.encode(), request.request_id.encode()
    head = _HEAD.pack(
        len(caller), len(request_id), len(request.digest), len(placed), placed[0].first_sequence
    )
    places = [_PLACED.pack(place.count, place.schema_version) for place in placed]
    return b"".join((head, caller, request_id, request.digest, *places))


def unpack(records: bytes) -> Iterator[Record]:
    """Decodes the requests of one row."""
    at = 0
    while at < len(records):
        caller, request_id, digest, count, first = _HEAD.unpack_from(records, at)
        at += _HEAD.size
        texts = []
        for length in (caller, request_id, digest):
            texts.append(records[at : at + length])
            at += length
        placed = []
        for events, version in _PLACED.iter_unpack(records[at : at + count * _PLACED.size]):
            placed.append(Placed(first, events, version))
            first += events
        at += count * _PLACED.size
        yield texts[0].decode(), texts[1].decode(), texts[2], tuple(placed)


class RequestWindow:
    """The index over the remembered requests. Written by one thread; ``row`` may be asked by any."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}
        self._order: deque[tuple[int, int, list[int]]] = deque()
        self._count = 0

    def load(self, connection: sqlite3.Connection) -> None:
        """Fills the index from the file."""
        rows = connection.execute("SELECT ordinal, append_time, records FROM log_request ORDER BY ordinal")
        for ordinal, time, records in rows:
            self.add(ordinal, time, [hash((caller, name)) for caller, name, _, _ in unpack(records)])

    def add(self, ordinal: int, time: int, hashes: list[int]) -> None:
        """Remembers the requests of one row, by the hashes of (caller, request_id)."""
        self._rows.update(dict.fromkeys(hashes, ordinal))
        self._order.append((ordinal, time, hashes))
        self._count += len(hashes)

    def row(self, request: RequestKey) -> int | None:
        """Answers the row that may hold the request, None if it is unknown."""
        return self._rows.get(hash((request.caller, request.request_id)))

    def outdated(self, now: int) -> int:
        """Answers the last row of those that may be forgotten now, at most ``PRUNED`` of them; 0 if none."""
        last, left = 0, self._count
        for number, (ordinal, time, hashes) in enumerate(self._order):
            left -= len(hashes)
            old = now - time > REMEMBERED_TIME and left >= REMEMBERED_LEAST
            if number == PRUNED or not (old or left >= REMEMBERED_MOST):
                break
            last = ordinal
        return last

    def forget(self, through: int) -> None:
        """Forgets all rows up to ``through``, which are deleted from the file."""
        while self._order and self._order[0][0] <= through:
            ordinal, _, hashes = self._order.popleft()
            self._count -= len(hashes)
            for key in hashes:
                if self._rows.get(key) == ordinal:
                    del self._rows[key]


def find(connection: sqlite3.Connection, row: int, request: RequestKey) -> tuple[Placed, ...] | None:
    """Answers the placements of a request from its row, None if it isn't there.

    Raises:
        RequestIdReused: It is there with another digest.
    """
    found = connection.execute("SELECT records FROM log_request WHERE ordinal = ?", (row,)).fetchall()
    for caller, request_id, digest, placed in unpack(found[0][0]) if found else ():
        if (caller, request_id) == (request.caller, request.request_id):
            return check_digest(request, digest, placed)
    return None


def check_digest(request: RequestKey, digest: bytes, placed: tuple[Placed, ...]) -> tuple[Placed, ...]:
    """Answers ``placed`` if the request is the one that it was given to.

    Raises:
        RequestIdReused: The digest is another.
    """
    if digest != request.digest:
        raise RequestIdReused(request.request_id)
    return placed
