"""Checks batches of events against their schema: the hot path of publishing.

One ``BatchValidator`` an event type and schema version. A clean batch takes four calls in C, however
many events it has (see ``registry.checking.envelope`` for the twins): parse and serialize its envelope, which
is canonical if the same bytes come out; parse it merged, and look for unknown fields in the one small
tree that comes out. Only an event type with required fields or rules has a second look at each event
(``demands``). Per-event Python only finds the words for a rejection (``diagnosis``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf.message import DecodeError, EncodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from registry.checking.demands import Demands
from registry.checking.diagnosis import RECORDS, Diagnosis, in_version
from registry.checking.envelope import (
    BATCH,
    DEEPEST,
    EVENT,
    FRAME_LEVELS,
    NORMAL,
    SPLIT,
    VERBATIM,
    framed,
    padded,
)
from registry.checking.fields import can_nest, reachable
from registry.checking.merged import merged_frame
from registry.checking.wire import LENGTH_DELIMITED, Malformed, length_delimited, records
from registry.errors import VIOLATIONS_LISTED, InvalidEvents, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from registry.checking.demands import BrokenRule

_EVENTS: Final = 16
_EVENT, _DATA = "event", "data"
"""Paths, where there is no request that they could begin with."""
_DISCARD_LEVELS: Final = 60
"""``DiscardUnknownFields()`` silently leaves what lies deeper than 62 messages as it is."""
_SMALL: Final = 4096
"""Up to how many bytes a merged frame is rather walked in Python than a batch parsed again."""
_CHUNK: Final = 64
"""How many events of a rejected batch are tried at once before each is tried by itself."""


@dataclass(frozen=True, slots=True)
class CheckedBatch:
    """A batch that passed.

    Attributes:
        data: Its canonical bytes; the very object that came in, where that was canonical.
        count: How many events it has.
    """

    data: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Faults:
    """All that is wrong with one event.

    Attributes:
        unparsable: Whether its data does not parse as the event type, or lacks required fields.
        has_unknown: Whether its data parses, and has fields that the schema version does not know.
        rules: What it breaks, if it is not unparsable; of a large event the first.
    """

    unparsable: bool = False
    has_unknown: bool = False
    rules: tuple[BrokenRule, ...] = ()


class BatchValidator:
    """Checks batches of one event type against one schema version. Stateless between calls.

    Canonical is a batch whose fields and whose events' fields stand in the order of their numbers, each
    once (but events and attributes), without those that have proto3's defaults, in the shortest encoding.
    ``data`` is the publisher's own bytes, as are the insides of ``time`` and of each attribute.
    """

    __slots__ = ("_demands", "_frame", "_is_deep", "_schema_version", "_type")

    def __init__(self, pool: DescriptorPool, type_name: str, schema_version: int) -> None:
        """Builds the twins of the event type.

        Args:
            pool: Holds the files of the schema version, and nothing of another; the twins are added to it.
            type_name: The full name of a message of the pool.
            schema_version: The version of the pool's files; 0 if it has none yet.

        Raises:
            KeyError: The pool has no such message.
        """
        self._type = pool.FindMessageTypeByName(type_name)
        self._schema_version = schema_version
        types = reachable(self._type)
        self._frame = merged_frame(pool, types, schema_version)
        self._is_deep = can_nest(types, _DISCARD_LEVELS - FRAME_LEVELS)
        self._demands = Demands(pool, types, schema_version)

    def check(self, data: bytes, *, allow_unknown: bool, path: str) -> CheckedBatch:
        """Checks a batch and answers its canonical form, which means the same and passes as itself.

        Args:
            data: An ``EventBatch`` as the publisher sent it. Empty events grow to 30 times their size
                in memory: bound their number before.
            allow_unknown: Whether ``data`` may have fields that the schema version does not know. The
                envelope never may.
            path: Of the batch in the request, such as ``batches[0]``.

        Raises:
            InvalidEvents: At least one event fails; one violation an event, at most ``VIOLATIONS_LISTED``.
        """
        try:
            canonical, count = _canonical(data)
        except (DecodeError, EncodeError):
            raise self._rejection(data, path, allow_unknown=allow_unknown) from None
        if not self.passes(canonical, allow_unknown=allow_unknown):
            raise self._rejection(canonical, path, allow_unknown=allow_unknown)
        return CheckedBatch(canonical, count)

    def passes(self, canonical: bytes, *, allow_unknown: bool) -> bool:
        """Tells whether all events of a canonical batch pass, or of several, one behind the other."""
        return self.has_shape(canonical, allow_unknown=allow_unknown) and (
            not self._demands or self._demands.met(canonical)
        )

    def has_shape(self, canonical: bytes, *, allow_unknown: bool) -> bool:
        """Tells whether all events parse as the event type, without fields that must not be there.

        Takes what ``passes`` takes, and leaves out what the event type demands beyond its shape.
        """
        try:
            frame: Any = self._frame.FromString(framed(canonical))
        except DecodeError:
            return False
        if allow_unknown:
            frame.batches.batches.events.ClearField("data")
        size = len(frame.SerializePartialToString())
        frame.DiscardUnknownFields()
        if len(frame.SerializePartialToString()) != size:
            return False
        if not self._is_deep or (size > _SMALL and self._is_shallow(canonical)):
            return True
        return not _has_unknown(frame)

    def _is_shallow(self, canonical: bytes) -> bool:
        """Tells whether nothing lies too deep for ``DiscardUnknownFields()``, by making it lie deeper."""
        try:
            self._frame.FromString(padded(framed(canonical), DEEPEST - _DISCARD_LEVELS))
        except DecodeError:
            return False
        return True

    def faults(self, event: bytes, *, shape: bool = True, demands: bool = True) -> Faults:
        """Tells all that is wrong with the only event of a canonical batch.

        Args:
            event: The batch.
            shape: Whether something may be wrong with its shape.
            demands: Whether something else may be.
        """
        if shape and demands and not self.has_shape(event, allow_unknown=True):
            return Faults(unparsable=True)
        has_unknown = shape and not self.has_shape(event, allow_unknown=False)
        if not demands or not self._demands:
            return Faults(has_unknown=has_unknown)
        if not self._demands.is_complete(event):
            return Faults(unparsable=True, has_unknown=has_unknown)
        return Faults(has_unknown=has_unknown, rules=tuple(self._demands.broken_rules(event, _DATA)))

    def word(self, event: bytes, faults: Faults) -> list[Violation]:
        """Words what ``faults`` found, with paths from the event on: ``data.amount_cents``."""
        words = _Words(Diagnosis(), Diagnosis(self._schema_version))
        wanted = [False] * faults.has_unknown + [True] * faults.unparsable
        found = [self._violation(event, _EVENT, words, allow_unknown=allow) for allow in wanted]
        return [
            *(replace(each, field=each.field.removeprefix(f"{_EVENT}.")) for each in found),
            *(rule.violation for rule in faults.rules),
        ]

    def _rejection(self, data: bytes, path: str, *, allow_unknown: bool) -> InvalidEvents:
        header, events, broken = _split(data)
        words = _Words(Diagnosis(), Diagnosis(self._schema_version))
        violations: list[Violation] = []
        for index, event in self._culprits(events, allow_unknown=allow_unknown):
            if len(violations) == VIOLATIONS_LISTED:
                return InvalidEvents(violations, len(violations) + 1, at_least=True)
            where = f"{path}.events[{index}]"
            violations.append(self._violation(event, where, words, allow_unknown=allow_unknown))
        if broken or not violations:
            fault = words.envelope.first_fault(BATCH, header, path, FRAME_LEVELS - 2)
            violations.append(fault or Violation(path, f"does not parse as {BATCH.full_name}: {broken}"))
        return InvalidEvents(violations, len(violations))

    def _culprits(self, events: list[bytes], *, allow_unknown: bool) -> Iterator[tuple[int, bytes]]:
        for first in range(0, len(events), _CHUNK):
            chunk = events[first : first + _CHUNK]
            if not self._is_clean(b"".join(chunk), allow_unknown=allow_unknown):
                for index, event in enumerate(chunk, first):
                    if not self._is_clean(event, allow_unknown=allow_unknown):
                        yield index, event

    def _is_clean(self, batch: bytes, *, allow_unknown: bool) -> bool:
        try:
            canonical, _ = _canonical(batch)
        except (DecodeError, EncodeError):
            return False
        return self.passes(canonical, allow_unknown=allow_unknown)

    def _violation(self, batch: bytes, path: str, words: _Words, *, allow_unknown: bool) -> Violation:
        """Words what is wrong with the only event of a batch."""
        event = batch[next(records(batch)).start :]
        fault = words.envelope.first_fault(EVENT, event, path, FRAME_LEVELS - 1)
        if fault is not None:
            return fault
        plain: Any = NORMAL.FromString(batch)
        path = f"{path}.data"
        if not plain.IsInitialized():
            return Violation(path, "is absent; an event without content has data of length 0")
        data = plain.events[0].data
        return (
            words.data.first_fault(self._type, data, path, FRAME_LEVELS, allow_unknown=allow_unknown)
            or self._unlocated(batch, path, allow_unknown=allow_unknown)
            or self._missing(batch, data, path, words)
            or self._demands.first_broken_rule(batch, path)
            or Violation(path, f"fails as {self._type.full_name}")
        )

    def _unlocated(self, batch: bytes, path: str, *, allow_unknown: bool) -> Violation | None:
        """Words a fault of the shape that was too far inside to be found."""
        try:
            self._frame.FromString(framed(batch))
        except DecodeError:
            return Violation(path, f"does not parse as {self._type.full_name}")
        if self.has_shape(batch, allow_unknown=allow_unknown):
            return None
        what = f"has fields that {self._type.full_name} does not know{in_version(self._schema_version)}"
        return Violation(path, what)

    def _missing(self, batch: bytes, data: bytes, path: str, words: _Words) -> Violation | None:
        if self._demands.is_complete(batch):
            return None
        fault = words.data.first_fault(
            self._type, data, path, FRAME_LEVELS, allow_unknown=True, required=True
        )
        return fault or Violation(path, f"misses a required field of {self._type.full_name}")


class _Words(NamedTuple):
    """Finds the words for one rejection: for the envelope, and for the data of events."""

    envelope: Diagnosis
    data: Diagnosis


def _canonical(data: bytes) -> tuple[bytes, int]:
    """Answers a batch's canonical bytes, and how many events it has.

    Raises:
        DecodeError: The envelope does not parse.
        EncodeError: The data of an event is absent.
    """
    batch: Any = VERBATIM.FromString(data)
    if batch.SerializeToString() == data:
        return data, len(batch.events)
    normal: Any = NORMAL.FromString(data)
    return normal.SerializeToString(), len(normal.events)


def _has_unknown(message: Message) -> bool:
    """Tells whether a tree of messages has an unknown field, however deep."""
    if len(UnknownFieldSet(message)):
        return True
    return any(
        _has_unknown(below)
        for field, value in message.ListFields()
        if field.message_type is not None
        for below in (value if field.is_repeated else (value,))
    )


def _split(data: bytes) -> tuple[bytes, list[bytes], str]:
    """Takes a batch apart: its header, batches of one event each, and why the rest is malformed."""
    try:
        batch: Any = SPLIT.FromString(data)
    except DecodeError:
        return _split_malformed(data)
    events = [length_delimited(_EVENTS, event) for event in batch.events]
    batch.ClearField("events")
    return batch.SerializePartialToString(), events, ""


def _split_malformed(data: bytes) -> tuple[bytes, list[bytes], str]:
    header, events, position = [], [], 0
    try:
        for record in islice(records(data), RECORDS):
            piece, position = data[position : record.end], record.end
            if (record.number, record.wire_type) == (_EVENTS, LENGTH_DELIMITED):
                events.append(length_delimited(_EVENTS, data[record.start : record.end]))
            else:
                header.append(piece)
    except Malformed as error:
        return b"".join(header), events, str(error)
    return b"".join(header), events, f"something is wrong behind field {RECORDS:,}"
