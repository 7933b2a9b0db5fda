"""Counter-examples: small events that one side writes and the other can't read, or reads as something else.

Nothing is claimed: each is encoded with one version's descriptors and decoded with the other's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from registry.compat.catalogue import RULES
from registry.compat.example_readings import (
    UNSAYABLE,
    Unreadable,
    as_json,
    as_seen,
    can_be_shown,
    check_complete,
    cut,
    facts,
    from_binary,
    from_json,
    without,
)
from registry.compat.example_values import payloads, record, required_payload
from registry.compat.finding import Audience, CounterExample, Encoding
from registry.compat.promise import Surface, Verdict, Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from registry.compat.example_targets import Schema, Target
    from registry.compat.finding import Finding

_EXAMPLES = 2
_TRIED = 24
_FIELDS_TRIED = 8


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One way of showing a finding: who writes, who reads, and how the event travels."""

    writer: Schema
    reader: Schema
    audience: Audience
    encoding: Encoding


def examples_of(finding: Finding, old: Schema, new: Schema) -> tuple[CounterExample, ...]:
    """Answers at most two events that show a finding; none if no event of the kinds that are tried does."""
    targets = old.targets(finding.path) or new.targets(finding.path)
    found = (_example(attempt, targets, finding) for attempt in _attempts(finding, old, new))
    return tuple(islice((it for it in found if it is not None), _EXAMPLES))


def _example(attempt: _Attempt, targets: Iterable[Target], finding: Finding) -> CounterExample | None:
    # Who promises JSON promises binary, too.
    encodings = dict.fromkeys((attempt.encoding, Encoding.BINARY))
    for encoding, target in product(encodings, targets):
        example = _Search(replace(attempt, encoding=encoding), target, finding.rule_id).best()
        if example is not None:
            return example
    return None


def _attempts(finding: Finding, old: Schema, new: Schema) -> list[_Attempt]:
    """Answers the ways in which a finding can be shown, those that break something first."""
    rule = RULES[finding.rule_id]
    attempts: list[tuple[Verdict, _Attempt]] = []
    for way, writer, reader, audience in (
        (Way.BACKWARD, old, new, Audience.NEW_READERS),
        (Way.FORWARD, new, old, Audience.OLD_READERS),
    ):
        if rule.lineage and (way is Way.FORWARD or finding.rule_id.startswith("RESERVED_")):
            continue  # it is about what later versions may do, which no event of these two shows
        wire, json = (finding.cells.get((way, it), Verdict.FINE) for it in (Surface.WIRE, Surface.WIRE_JSON))
        if wire is not Verdict.FINE:
            attempts.append((wire, _Attempt(writer, reader, audience, Encoding.BINARY)))
        if json > wire:
            attempts.append((json, _Attempt(writer, reader, audience, Encoding.JSON)))
    return [attempt for _, attempt in sorted(attempts, key=lambda it: -it[0])]


class _Search:
    """Looks for an event that shows one finding in one way."""

    def __init__(self, attempt: _Attempt, target: Target, rule_id: str) -> None:
        self._attempt = attempt
        self._target = target
        self._rule_id = rule_id
        self._defaults = rule_id == "FIELD_SAME_DEFAULT"
        self._beside: frozenset[int] = frozenset()  # set only because the writer requires it

    def best(self) -> CounterExample | None:
        """Answers the first event whose reading fails or differs, or else one that only looks otherwise."""
        writer = self._attempt.writer.message(self._target.message)
        reader = self._attempt.reader.message(self._target.message)
        base = None if writer is None else required_payload(writer)
        if writer is None or reader is None or base is None:
            return None
        if not (can_be_shown(writer) and can_be_shown(reader)):
            return None
        if self._target.numbers:
            required = (it.number for it in writer.fields if it.is_required)
            self._beside = frozenset(required).difference(self._target.numbers)
        alike = None
        for payload in islice(self._candidates(writer, reader), _TRIED):
            example, differs = self._try(writer, reader, base + payload)
            if differs:
                return example
            alike = alike or example
        return alike

    def _candidates(self, writer: Descriptor, reader: Descriptor) -> Iterator[bytes]:
        """Answers payloads that set the fields that matter, alone and together."""
        side = self._attempt.writer
        numbers = self._target.numbers
        if not numbers:
            numbers = (*islice(writer.fields_by_number, _FIELDS_TRIED), *side.extension_numbers(writer))
        if self._defaults or self._rule_id == "MESSAGE_SAME_REQUIRED_FIELDS" or not self._target.numbers:
            yield b""
        for number in numbers:
            field, other = side.field(writer, number), self._attempt.reader.field(reader, number)
            if field is not None:
                yield from self._of_field(field, other)
                yield from self._with_mates(field, other, writer)
        yield b""

    def _of_field(self, field: Any, other: Any | None) -> Iterator[bytes]:
        if "UTF8" in self._rule_id:
            yield record(field, b"caf\xe9")
        if self._target.value is None:
            yield from payloads(field, other)
        elif field.enum_type is not None and self._target.value in field.enum_type.values_by_number:
            yield record(field, self._target.value)

    def _with_mates(self, field: Any, other: Any | None, writer: Descriptor) -> Iterator[bytes]:
        """Answers payloads in which the field is set beside one with which the reader has it in a oneof."""
        oneof = None if other is None else other.containing_oneof
        for mate in islice(oneof.fields if oneof is not None else (), _FIELDS_TRIED):
            also = writer.fields_by_number.get(mate.number)
            if also is not None and also.number != field.number:
                yield from islice((a + b for a in payloads(field, other) for b in payloads(also, mate)), 1)

    def _try(self, writer: Descriptor, reader: Descriptor, data: bytes) -> tuple[CounterExample | None, bool]:
        """Answers what becomes of an event, if that shows, and whether it says something else then."""
        try:
            written = from_binary(writer, data)
            shown = self._seen(written, writer, self._attempt.writer)
            payload = self._encoded(written)
        except (Unreadable, *UNSAYABLE):
            return None, False
        try:
            got = self._read(reader, payload)
            seen = self._seen(got, reader, self._attempt.reader)
        except Unreadable as error:
            return self._example(shown, payload, error=str(error)), True
        except UNSAYABLE:
            return None, False
        if seen == shown:
            return None, False
        mine, theirs = without(written, self._beside), without(got, self._beside)
        differs = facts(mine) != facts(theirs)
        looks = (
            self._seen(mine, writer, self._attempt.writer),
            self._seen(theirs, reader, self._attempt.reader),
        )
        if not differs and looks[0] == looks[1]:
            return None, False
        return self._example(shown, payload, seen=seen), differs

    def _encoded(self, written: Message) -> bytes | str:
        if self._attempt.encoding is Encoding.JSON:
            return as_json(written, self._attempt.writer.pool)
        return written.SerializePartialToString(deterministic=True)

    def _read(self, reader: Descriptor, payload: bytes | str) -> Message:
        pool = self._attempt.reader.pool
        got = from_json(reader, payload, pool) if isinstance(payload, str) else from_binary(reader, payload)
        fields = (self._attempt.reader.field(reader, number) for number in self._target.numbers)
        if not self._target.numbers or any(it is not None and it.is_required for it in fields):
            check_complete(got)
        return got

    def _seen(self, message: Message, declared: Descriptor, side: Schema) -> str:
        fields = [side.field(declared, number) for number in self._target.numbers]
        there = [it for it in fields if it is not None]
        return as_seen(message, there, side.pool, defaults=self._defaults)

    def _example(self, shown: str, payload: bytes | str, seen: str = "", error: str = "") -> CounterExample:
        return CounterExample(
            type=self._target.message,
            reader=self._attempt.audience,
            encoding=self._attempt.encoding,
            written=cut(shown),
            payload=cut(payload if isinstance(payload, str) else payload.hex()),
            read=cut(seen),
            error=cut(error),
        )
