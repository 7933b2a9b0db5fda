"""Where the events of a key stand: the records of the index of keys, and how they are made and found.

Pure: no database, no threads. Imports nothing of gRPC or of the generated stubs.

A record has a fixed size, and those of a part of all hashes lie behind one another in no order: joining two
such runs of records is joining bytes, and finding a hash among them is a search for eight bytes, both in C.
That several keys share a hash is rare and harmless: whoever reads the event compares the key.
"""

from __future__ import annotations

import struct
from itertools import compress, count, repeat
from typing import TYPE_CHECKING, Final, NamedTuple

import xxhash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from gateway.entries import KeyedEvents

PARTS: Final = 4096
"""Into how many parts the hashes are divided. Two of a key lie in the same part, whatever the topic."""
RECORD: Final = struct.Struct(">Q16s3I")
"""Hash of the key; what all events of a batch share; the event's index, its end and its size in the batch."""
SHARED: Final = struct.Struct(">IQI")
"""Number of the topic, first sequence of the batch, where its events begin and whether it has a source."""
HASH_BYTES: Final = 8
_PART_SHIFT: Final = 64 - 12
_HAS_SOURCE: Final = 1 << 31


class Place(NamedTuple):
    """Where an event stands.

    Attributes:
        sequence: Its own.
        first_sequence: Its batch's.
        offset: Where in the batch's finished entry it begins, with its tag and length.
        size: How many bytes it takes, with these.
        head: How many bytes in front of the events are the batch's own, 0 if its trailer says the same.
    """

    sequence: int
    first_sequence: int
    offset: int
    size: int
    head: int


def key_hash(key: bytes, seed: int) -> int:
    """Answers the hash of a key, of 64 bits; a secret seed keeps strangers from making keys that collide."""
    return xxhash.xxh3_64_intdigest(key, seed)


def part_of(hashed: int) -> int:
    """Answers the part that a hash belongs to."""
    return hashed >> _PART_SHIFT


def add_records(
    parts: list[bytearray], events: KeyedEvents, *, seed: int, topic: int, first_sequence: int, envelope: int
) -> int:
    """Adds a record of each event that has a key to its part; answers how many there are.

    Args:
        parts: The records of each part.
        events: The events of a batch.
        seed: Of the hashes.
        topic: The topic's number.
        first_sequence: The batch's.
        envelope: How many bytes of the finished entry stand in front of the batch.
    """
    begin = envelope + events.begin | (_HAS_SOURCE if events.has_source else 0)
    shared = SHARED.pack(topic, first_sequence, begin)
    pack, added = RECORD.pack, 0
    hashes = map(xxhash.xxh3_64_intdigest, events.keys, repeat(seed))
    each = zip(hashes, count(), events.ends, events.sizes, strict=False)
    for hashed, index, end, size in each if all(events.keys) else compress(each, events.keys):
        parts[hashed >> _PART_SHIFT] += pack(hashed, shared, index, end, size)
        added += 1
    return added


def find_records(
    records: bytes, hashed: int, topics: Collection[int], first: int, last: int
) -> Iterator[Place]:
    """Answers the places of a hash that belong to some topics and lie between two sequences, inclusive."""
    wanted = hashed.to_bytes(HASH_BYTES, "big")
    at = records.find(wanted)
    while at >= 0:
        if at % RECORD.size:  # other fields happen to hold the same bytes
            at = records.find(wanted, at + 1)
            continue
        _, shared, index, end, size = RECORD.unpack_from(records, at)
        topic, first_sequence, begin = SHARED.unpack(shared)
        if topic in topics and first <= first_sequence + index <= last:
            head = begin & ~_HAS_SOURCE
            offset = head + end - size
            yield Place(
                first_sequence + index, first_sequence, offset, size, head if begin & _HAS_SOURCE else 0
            )
        at = records.find(wanted, at + RECORD.size)


def without_topics(records: bytes, topics: Collection[int]) -> bytes:
    """Leaves out the records of some topics."""
    gone = {topic.to_bytes(4, "big") for topic in topics}
    end = HASH_BYTES + 4
    each = struct.unpack(f"{RECORD.size}s" * (len(records) // RECORD.size), records)
    return b"".join([record for record in each if record[HASH_BYTES:end] not in gone])
