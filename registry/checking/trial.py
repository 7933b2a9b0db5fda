"""Tries a schema on stored events: counts what is wrong with them, and keeps some of them to show.

A run of stored batches of one type is checked like a batch that is published, as a whole; only where that
fails are its events looked at, in chunks and then one by one. Pure: no I/O, no clock. It is run in a process
of its own (``trial_worker``), for nobody has accepted the schema yet.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FieldDescriptor as Kind

from registry.checking.envelope import SPLIT, add_field, message_class, new_file
from registry.checking.tried import (
    RULES_LISTED,
    SAMPLES_LISTED,
    VIOLATIONS_SHOWN,
    Report,
    RuleFailures,
    Sample,
)
from registry.checking.validator import BatchValidator, Faults
from registry.descriptors import build_pool
from registry.errors import Violation
from registry.names import shown
from registry.ready import VALIDATORS_KEPT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_CHUNK: Final = 64
"""How many events of a run that failed are tried at once before each is tried by itself."""
RULES_COUNTED: Final = 10_000
"""How many rules are counted, by id and field: fields of a type that holds itself have no end."""
KINDS_SAMPLED: Final = 200
"""Of how many faults and rules events are kept to be shown."""
SampleKey: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Stored:
    """One stored event: where it stands, and its bytes."""

    sequence: int
    schema_version: int
    data: bytes


class Trial:
    """One schema, tried on any number of runs of stored batches."""

    def __init__(self, descriptor_set: bytes, types: Collection[str]) -> None:
        """Loads the schema.

        Args:
            descriptor_set: As a compiled schema has it.
            types: Its event types.
        """
        self._pool = build_pool(descriptor_set)
        self._types = frozenset(types)
        self._validators: OrderedDict[str, BatchValidator] = OrderedDict()
        self._counts: Counter[str] = Counter()
        self._rules: Counter[tuple[str, str]] = Counter()
        self._samples = _Samples()

    def take(self, type_name: str, count: int, entries: bytes) -> Iterator[None]:
        """Tries a run of batches; yields after every piece of work, the largest of which is the whole run.

        Args:
            type_name: The event type of all of them.
            count: How many events they have.
            entries: The batches, each as an entry of a delivered frame, in sequence order.
        """
        self._counts["examined"] += count
        if type_name not in self._types:
            self._counts["without_type"] += count
            self._keep_without_type(type_name, entries)
            return
        validator = self._validator(type_name)
        yield
        batches = _ENTRIES.FromString(entries).batches
        if validator.passes(b"".join(batches), allow_unknown=False):
            self._counts["passed"] += count
            return
        yield
        events = _events(batches)
        while chunk := list(islice(events, _CHUNK)):
            yield from self._take_chunk(type_name, validator, chunk)

    def report(self) -> Report:
        """Answers what was found so far."""
        often = sorted(self._rules, key=lambda rule: (-self._rules[rule], rule))[:RULES_LISTED]
        rules = tuple(RuleFailures(*rule, self._rules[rule]) for rule in often)
        return Report(**self._counts, rules=rules, samples=self._samples.chosen())

    def _validator(self, type_name: str) -> BatchValidator:
        validator = self._validators.get(type_name)
        if validator is None:
            validator = self._validators[type_name] = BatchValidator(self._pool, type_name, 0)
            if len(self._validators) > VALIDATORS_KEPT:
                self._validators.popitem(last=False)
        self._validators.move_to_end(type_name)
        return validator

    def _take_chunk(self, type_name: str, validator: BatchValidator, chunk: list[_Stored]) -> Iterator[None]:
        whole = _batch(event.data for event in chunk)
        shape = not validator.has_shape(whole, allow_unknown=False)
        demands = not validator.passes(whole, allow_unknown=True)
        if not (shape or demands):
            self._counts["passed"] += len(chunk)
            return
        for event in chunk:
            yield
            batch = _batch([event.data])
            faults = validator.faults(batch, shape=shape, demands=demands)
            if faults == _NO_FAULTS:
                self._counts["passed"] += 1
            else:
                self._count(faults)
                self._keep(type_name, validator, event, batch, faults)

    def _count(self, faults: Faults) -> None:
        self._counts["unparsable"] += faults.unparsable
        self._counts["with_unknown_fields"] += faults.has_unknown
        self._counts["breaking_rules"] += bool(faults.rules)
        for rule in {(rule.violation.rule_id, rule.field) for rule in faults.rules}:
            if rule in self._rules or len(self._rules) < RULES_COUNTED:
                self._rules[rule] += 1

    def _keep(
        self, type_name: str, validator: BatchValidator, event: _Stored, batch: bytes, faults: Faults
    ) -> None:
        wanted = [key for key in _keys(type_name, faults) if self._samples.wants(key)]
        if wanted:
            words = validator.word(batch, faults)
            self._samples.keep(wanted, _sample(type_name, event, words))

    def _keep_without_type(self, type_name: str, entries: bytes) -> None:
        key = ("without type", type_name)
        words = [Violation("type", f"the schema has no event type {type_name!r}")]
        if self._samples.wants(key):
            for event in islice(_events(_ENTRIES.FromString(entries).batches), SAMPLES_LISTED):
                self._samples.keep([key], _sample(type_name, event, words))


class _Samples:
    """Keeps the first events of each fault and rule, and chooses fairly among them."""

    def __init__(self) -> None:
        self._kept: dict[SampleKey, list[Sample]] = {}

    def wants(self, key: SampleKey) -> bool:
        """Tells whether another event of a fault would be kept."""
        kept = self._kept.get(key)
        return len(self._kept) < KINDS_SAMPLED if kept is None else len(kept) < SAMPLES_LISTED

    def keep(self, keys: Iterable[SampleKey], sample: Sample) -> None:
        """Keeps an event for the faults that it shows."""
        for key in keys:
            if self.wants(key):
                self._kept.setdefault(key, []).append(sample)

    def chosen(self) -> tuple[Sample, ...]:
        """Answers the first of each fault, then the second of each, and so on, as many as are listed."""
        chosen: dict[int, Sample] = {}
        for place in range(SAMPLES_LISTED):
            for kept in self._kept.values():
                if place < len(kept) and len(chosen) < SAMPLES_LISTED:
                    chosen.setdefault(kept[place].sequence, kept[place])
        return tuple(chosen[sequence] for sequence in sorted(chosen))


_NO_FAULTS = Faults()


def _keys(type_name: str, faults: Faults) -> list[SampleKey]:
    """Answers under what an event is kept."""
    keys = [("unparsable", type_name)] * faults.unparsable
    keys += [("unknown fields", type_name)] * faults.has_unknown
    return keys + [(rule.violation.rule_id, rule.field) for rule in faults.rules]


def _sample(type_name: str, event: _Stored, words: list[Violation]) -> Sample:
    violations = tuple(
        Violation(shown(each.field), shown(each.description), shown(each.rule_id))
        for each in words[:VIOLATIONS_SHOWN]
    )
    return Sample(event.sequence, type_name, event.schema_version, violations)


def _events(batches: Iterable[bytes]) -> Iterator[_Stored]:
    for data in batches:
        batch = _BATCH.FromString(data)
        for sequence, event in enumerate(batch.events, batch.first_sequence):
            yield _Stored(sequence, batch.schema_version, event)


def _batch(events: Iterable[bytes]) -> bytes:
    """Answers a batch of events, which has nothing else."""
    batch: Any = SPLIT()
    batch.events.extend(events)
    data: bytes = batch.SerializePartialToString()
    return data


def _twins() -> tuple[Any, Any]:
    """Builds the shapes in which entries are taken apart: bytes of batches, and bytes of their events."""
    file = new_file("tidegate.trial")
    many = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
    entries, batch = file.message_type.add(name="Batches"), file.message_type.add(name="EventBatch")
    add_field(entries, "batches", 1, Kind.TYPE_BYTES).label = many
    add_field(batch, "schema_version", 3, Kind.TYPE_UINT32)
    add_field(batch, "first_sequence", 5, Kind.TYPE_UINT64)
    add_field(batch, "events", 16, Kind.TYPE_BYTES).label = many
    pool = descriptor_pool.DescriptorPool()
    return message_class(pool, file, "Batches"), message_class(pool, file, "EventBatch")


_ENTRIES, _BATCH = _twins()
