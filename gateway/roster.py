"""Who reads: the readers that are remembered, and which of them are there.

A pure object: no I/O, no clock; times are passed in and never fall. Its rules:

1. A reader is known by client name, subject and version. Its streams come and go; it is there while one of
   them is open, and was seen last when the last one closed.
2. A stream that comes while another of the same reader is open adds its topics and types; one that comes
   alone replaces them.
3. Of the readers of one client name and subject, those of other versions that are not there go when one
   comes; and one that leaves goes, if another is there: a program that was upgraded, or is being.
4. At most ``most_readers`` are remembered, with ``most_bytes`` of text; those that came or left longest ago
   go first, whether or not they are there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from registry.schema import Reader

MOST_READERS = 10_000
MOST_BYTES = 32 * 1024 * 1024
MOST_NAMES = 100
"""How many topics, and how many event types, are remembered of a reader."""
_OVERHEAD = 500


class ReaderKey(NamedTuple):
    """What a reader is known by."""

    client_name: str
    subject: str
    version: int


class Unwritten(NamedTuple):
    """What changed: readers as they are now, and those that are gone."""

    readers: list[Reader]
    gone: list[ReaderKey]


@dataclass(slots=True)
class _Entry:
    """A reader, and how many of its streams are open."""

    reader: Reader
    streams: int = 0

    @property
    def weight(self) -> int:
        """About how many bytes it takes."""
        reader = self.reader
        return _OVERHEAD + sum(map(len, (reader.client_name, *reader.topics, *reader.types)))


class Roster:
    """The readers that are remembered. See the module's rules."""

    def __init__(self, *, most_readers: int = MOST_READERS, most_bytes: int = MOST_BYTES) -> None:
        self._most_readers = most_readers
        self._most_bytes = most_bytes
        self._entries: OrderedDict[ReaderKey, _Entry] = OrderedDict()
        self._of_client: dict[tuple[str, str], set[ReaderKey]] = {}
        self._bytes = 0
        self._unwritten: set[ReaderKey] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def load(self, readers: Iterable[Reader]) -> None:
        """Takes the readers of another time, which are not there now."""
        for reader in sorted(readers, key=lambda reader: reader.last_seen_time):
            self._put(key_of(reader), _Entry(reader))
        self._make_room()

    def arrive(self, reader: Reader) -> None:
        """Notes that a stream of a reader opened; ``last_seen_time`` is now (rules 2 to 4)."""
        key = key_of(reader)
        known = self._remove(key)
        streams = known.streams if known else 0
        reader = _bounded(_merged(known.reader, reader) if known and streams else reader)
        self._put(key, _Entry(reader, streams + 1))
        if known is None or (known.reader.topics, known.reader.types) != (reader.topics, reader.types):
            self._unwritten.add(key)
        for other in self._others(key):
            if not self._entries[other].streams:
                self._drop(other)
        self._make_room()

    def leave(self, key: ReaderKey, now: datetime) -> None:
        """Notes that a stream of a reader closed (rules 1 and 3)."""
        entry = self._remove(key)
        if entry is None:
            return
        entry.streams = max(0, entry.streams - 1)
        entry.reader = replace(entry.reader, last_seen_time=now)
        self._put(key, entry)
        self._unwritten.add(key)
        if not entry.streams and any(self._entries[other].streams for other in self._others(key)):
            self._drop(key)

    def see(self, now: datetime) -> None:
        """Notes that all that are there are still there."""
        for key, entry in self._entries.items():
            if entry.streams:
                entry.reader = replace(entry.reader, last_seen_time=now)
                self._unwritten.add(key)

    def forget(self, before: datetime) -> None:
        """Forgets all that were seen last before a time, and are not there."""
        old = [
            key for key, it in self._entries.items() if not it.streams and it.reader.last_seen_time < before
        ]
        for key in old:
            self._drop(key)

    def of_subject(self, subject: str, now: datetime, alive: timedelta) -> list[Reader]:
        """Answers the readers of a subject, by client name and version.

        Args:
            subject: Its name.
            now: The present time.
            alive: How long a reader counts as alive that is not there.
        """
        entries = [entry for key, entry in self._entries.items() if key.subject == subject]
        return sorted((_as_of(entry, now, alive) for entry in entries), key=key_of)

    def take_unwritten(self, limit: int) -> Unwritten:
        """Answers some of what changed since it was last asked about; both lists are empty if nothing did."""
        keys = list(islice(self._unwritten, limit))
        self._unwritten.difference_update(keys)
        readers = [self._entries[key].reader for key in keys if key in self._entries]
        return Unwritten(readers, [key for key in keys if key not in self._entries])

    def give_back(self, unwritten: Unwritten) -> None:
        """Takes back what could not be written."""
        self._unwritten.update(map(key_of, unwritten.readers), unwritten.gone)

    def _others(self, key: ReaderKey) -> set[ReaderKey]:
        """Answers the readers of the same client name and subject, but of other versions."""
        return self._of_client[key.client_name, key.subject] - {key}

    def _make_room(self) -> None:
        while len(self._entries) > self._most_readers or self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def _put(self, key: ReaderKey, entry: _Entry) -> None:
        self._entries[key] = entry
        self._of_client.setdefault((key.client_name, key.subject), set()).add(key)
        self._bytes += entry.weight

    def _remove(self, key: ReaderKey) -> _Entry | None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.weight
            others = self._of_client[key.client_name, key.subject]
            others.discard(key)
            if not others:
                del self._of_client[key.client_name, key.subject]
        return entry

    def _drop(self, key: ReaderKey) -> None:
        self._remove(key)
        self._unwritten.add(key)


def key_of(reader: Reader) -> ReaderKey:
    """Answers what a reader is known by."""
    return ReaderKey(reader.client_name, reader.subject, reader.version)


def _as_of(entry: _Entry, now: datetime, alive: timedelta) -> Reader:
    if entry.streams:
        return replace(entry.reader, last_seen_time=now, alive=True)
    return replace(entry.reader, alive=now - entry.reader.last_seen_time <= alive)


def _merged(known: Reader, reader: Reader) -> Reader:
    """Answers a reader with the topics and types of both; no types mean all of them."""
    types = {*known.types, *reader.types} if known.types and reader.types else ()
    topics = {*known.topics, *reader.topics}
    return replace(reader, topics=tuple(sorted(topics)), types=tuple(sorted(types)))


def _bounded(reader: Reader) -> Reader:
    """Answers a reader with few names; one that asks for many types counts as asking for all."""
    types = reader.types if len(reader.types) <= MOST_NAMES else ()
    return replace(reader, topics=reader.topics[:MOST_NAMES], types=types)
