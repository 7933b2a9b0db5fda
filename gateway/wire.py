"""The bytes of the contract, where they are handled as bytes.

Requests and frames carry batches that are never decoded as a whole: twins of the contract's messages,
built here as private descriptors, declare those fields as bytes. ``tests/test_wire.py`` holds them
equal to ``proto/``. Nothing here imports gRPC or the generated stubs.
"""

from __future__ import annotations

BATCHES_FRAME = 0x12
"""The tag of ``SubscribeResponse.batches`` (field 2, length-delimited)."""
ENTRY = 0x0A
"""The tag of ``Batches.batches`` (field 1, length-delimited)."""


def varint(value: int) -> bytes:
    """Encodes a non-negative integer as a Protobuf varint."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class Sealer:
    """Makes finished frame entries of one topic, event type and schema version.

    An entry is a batch's bytes followed by a trailer that always carries topic, type, schema_version,
    first_sequence and append_time, zeros written out: in Protobuf the last value wins, so nothing that
    a publisher wrote in front can stand against it.
    """

    __slots__ = ("_constant",)

    def __init__(self, topic: str, event_type: str, schema_version: int) -> None:
        name, kind = topic.encode(), event_type.encode()
        self._constant = b"".join(
            (b"\x0a", varint(len(name)), name, b"\x12", varint(len(kind)), kind, b"\x18", varint(schema_version))
        )

    def seal(self, data: bytes, first_sequence: int, append_time: int) -> bytes:
        """Answers the entry: tag and length of ``Batches.batches``, the batch, the trailer.

        Args:
            data: The bytes of an ``EventBatch``.
            first_sequence: Of its first event.
            append_time: Nanoseconds since the epoch.
        """
        seconds, nanos = divmod(append_time, 1_000_000_000)
        time = b"\x08" + varint(seconds) + b"\x10" + varint(nanos)
        trailer = b"".join((self._constant, b"\x28", varint(first_sequence), b"\x32", varint(len(time)), time))
        return b"".join((b"\x0a", varint(len(data) + len(trailer)), data, trailer))


def batches_frame(entries: list[bytes]) -> bytes:
    """Joins finished entries into one ``SubscribeResponse`` with a ``batches`` frame."""
    return b"".join((b"\x12", varint(sum(map(len, entries))), *entries))
