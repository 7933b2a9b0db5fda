"""Events that show how rules changed: one version's protovalidate takes them, and the other's refuses them.

Only the field at fault is set, and what the writer's rules want beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice, pairwise, takewhile
from typing import TYPE_CHECKING, Any

import protovalidate

from registry.compat.example_readings import (
    UNSAYABLE,
    Unreadable,
    as_json,
    can_be_shown,
    cut,
    from_binary,
)
from registry.compat.example_values import required_payload
from registry.compat.finding import Audience, CounterExample, Encoding
from registry.compat.promise import Surface, Verdict, Way
from registry.compat.rule_samples import constants, samples
from registry.compat.rule_trial import RuleTrial
from registry.errors import InvalidSchema
from registry.rules.options import RuleOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.message import Message

    from registry.compat.example_targets import Schema, Target
    from registry.compat.finding import Finding

_TRIED = 200
_FILLED = 8
_FIELDS_TRIED = 8


class RuleExamples:
    """Counter-examples to the rules of two versions, with one validator for each of them."""

    def __init__(self, old: Schema, new: Schema, has_time: Callable[[], bool]) -> None:
        """Makes it for two versions; it gives up where ``has_time`` answers that it should."""
        self._old = _Ruled(old)
        self._new = _Ruled(new)
        self._has_time = has_time

    def of(self, finding: Finding) -> tuple[CounterExample, ...]:
        """Answers an event for each way that the finding breaks, where one is found."""
        found = []
        for way, writer, reader, audience in (
            (Way.BACKWARD, self._old, self._new, Audience.NEW_READERS),
            (Way.FORWARD, self._new, self._old, Audience.OLD_READERS),
        ):
            if finding.cells.get((way, Surface.WIRE)) is Verdict.BREAKS:
                found.append(self._example(writer, reader, finding, audience))
        return tuple(it for it in found if it is not None)

    def _example(
        self, writer: _Ruled, reader: _Ruled, finding: Finding, audience: Audience
    ) -> CounterExample | None:
        path = finding.path
        targets = writer.schema.targets(path) or reader.schema.targets(path)
        target = targets[0] if targets else None
        written = None if target is None else writer.schema.message(target.message)
        read = None if target is None else reader.schema.message(target.message)
        if target is None or written is None or read is None or not can_be_shown(written):
            return None
        search = _Search(writer, reader, written, read)
        shown = None
        for payload in takewhile(lambda _: self._has_time(), islice(search.events(target), _TRIED)):
            for objection in search.refusal(payload, target):
                if objection.is_of(finding.change):
                    return _shown(writer, written, payload, objection.words, audience)
                shown = shown or _shown(writer, written, payload, objection.words, audience)
        return shown


@dataclass(slots=True)
class _Ruled:
    """One version: its descriptors, its rules, and what protovalidate makes of them."""

    schema: Schema
    trial: RuleTrial = field(init=False)
    _options: RuleOptions | None = None

    def __post_init__(self) -> None:
        self.trial = RuleTrial(lambda: self.schema.pool)

    def rules(self, carrier: Any | None) -> list[Any]:
        """Answers the rules of a message or field, none or one."""
        if carrier is None:
            return []
        self._options = self._options or RuleOptions(self.schema.pool)
        try:
            rules = self._options.of(carrier)
        except InvalidSchema:  # a schema that does not import rules may have anything in their place
            return []
        return [] if rules is None else [rules]

    def objections(self, message: Message) -> list[_Objection]:
        """Answers the rules that a message breaks."""
        try:
            return [_worded(it) for it in self.trial.objections(message)]
        except (protovalidate.EvaluationError, protovalidate.CompilationError, TypeError) as error:
            return [_Objection(0, "", f"a rule can't be evaluated on it: {error}")]


@dataclass(frozen=True, slots=True)
class _Objection:
    """A rule that an event breaks: the number of the field, 0 for none, the rule's id, and the words."""

    number: int
    rule_id: str
    words: str

    def is_of(self, change: str) -> bool:
        """Tells whether it is about the rules that a change names; ids of bounds join two: ``gt_lt``."""
        return bool(self.rule_id) and (self.rule_id in change or self.rule_id.partition("_")[0] in change)


def _worded(violation: protovalidate.Violation) -> _Objection:
    it = violation.proto
    path = list(it.field.elements) if it.field is not None else []
    words = it.message or "breaks a rule"
    where = ".".join(element.field_name for element in path)
    shown = f"{where}: {words} ({it.rule_id})" if where else words
    return _Objection(path[0].field_number if path else 0, it.rule_id, shown)


def _shown(
    writer: _Ruled, declared: Descriptor, payload: bytes, error: str, audience: Audience
) -> CounterExample | None:
    message = from_binary(declared, payload)
    try:
        text = as_json(message, writer.schema.pool)
    except UNSAYABLE:
        return None
    data = message.SerializePartialToString(deterministic=True).hex()
    return CounterExample(
        declared.full_name, audience, Encoding.BINARY, cut(text), cut(data), error=cut(error)
    )


@dataclass(frozen=True, slots=True)
class _Search:
    """Looks for an event that the writer takes and the reader refuses."""

    writer: _Ruled
    reader: _Ruled
    written: Descriptor
    read: Descriptor

    def events(self, target: Target) -> Iterator[bytes]:
        """Answers events that set the target to values around the constants of the rules."""
        base = self._accepted(target)
        if base is None:
            return
        of_message = [*self.writer.rules(self.written), *self.reader.rules(self.read)]
        numbers = target.numbers or tuple(islice(self.written.fields_by_number, _FIELDS_TRIED))
        yield base
        tried = []
        for number in numbers:
            found = self._samples(number, of_message if len(numbers) > 1 else [])
            yield from (base + it for it in found)
            tried.append(found[1:])
        for some, more in pairwise(tried):
            yield from (base + one + other for one, other in zip(some[:4], more[:4], strict=False))

    def _samples(self, number: int, more: list[Any]) -> list[bytes]:
        """Answers payloads of one field."""
        own = self.writer.schema.field(self.written, number)
        other = self.reader.schema.field(self.read, number)
        if own is None:
            return [b""]
        known = constants([*self.writer.rules(own), *self.reader.rules(other), *more])
        return list(islice(samples(own, known), _TRIED))

    def _accepted(self, target: Target) -> bytes | None:
        """Answers an event whose other fields the writer takes; None if that is not found at once."""
        base = required_payload(self.written)
        for _ in range(_FILLED):
            if base is None:
                return None
            found = self.writer.objections(from_binary(self.written, base))
            wrong = [it.number for it in found if it.number not in {0, *target.numbers}]
            if not wrong:
                return base
            base = self._filled(base, wrong[0])
        return None

    def _filled(self, base: bytes, number: int) -> bytes | None:
        for it in self._samples(number, []):
            found = self.writer.objections(from_binary(self.written, base + it))
            if number not in {it.number for it in found}:
                return base + it
        return None

    def refusal(self, payload: bytes, target: Target) -> list[_Objection]:
        """Answers what the reader has against an event that the writer takes, as that encodes it."""
        try:
            written = from_binary(self.written, payload)
            if self.writer.objections(written):
                return []
            read = from_binary(self.read, written.SerializePartialToString(deterministic=True))
        except Unreadable:
            return []
        return [it for it in self.reader.objections(read) if it.number in {0, *target.numbers}]
