"""A schema tried on stored events counts what a naive look at each of them finds, on any two schemas."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor import FieldDescriptor as Kind
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2

from gateway.entries import Sealer
from registry.checking.trial import Trial
from registry.checking.validator import BatchValidator
from registry.errors import InvalidEvents
from tests.generated_schemas import EVENT_TYPE, Encoder, Schema, schemas
from tests.naive_check import Naive

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
SCHEMAS = 5_000 if LONG else 60
RUNS = 4
CHANGES = 3
SIZES = (1, 1, 3, 20, 150)


@dataclass(frozen=True)
class Stored:
    """A stored batch, as a run has it: its entry, and its events' places and data."""

    entry: bytes
    events: list[tuple[int, int, bytes]]


def test_agrees_with_a_naive_look_at_each_event() -> None:
    """No two schemas and no events make a trial crash, or count otherwise than a naive look at each event."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "tests.test_trial_differential"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"exit {run.returncode}\n{run.stdout[-9000:]}\n{run.stderr[-9000:]}"
    print(run.stdout)


def changed(schema: Schema, random: Random) -> Schema:
    """A schema with some fields removed, renumbered, of another type, repeated or required."""
    files = [pb.FileDescriptorProto.FromString(file.SerializeToString()) for file in schema.files]
    for _ in range(random.randint(0, CHANGES)):
        messages = [message for message in files[-1].message_type if message.field]
        if messages:
            message = random.choice(messages)
            random.choice((_remove, _renumber, _retype, _relabel))(message, random)
    return Schema(tuple(files))


def is_loadable(schema: Schema) -> bool:
    """Tells whether a schema can be loaded; protoc would refuse some of those that are changed at random."""
    try:
        schema.pool()
    except TypeError:
        return False
    return True


def _remove(message: pb.DescriptorProto, random: Random) -> None:
    message.field.pop(random.randrange(len(message.field)))


def _renumber(message: pb.DescriptorProto, random: Random) -> None:
    random.choice(message.field).number = random.randint(3_000, 3_010)


def _retype(message: pb.DescriptorProto, random: Random) -> None:
    field = random.choice(message.field)
    field.ClearField("type_name")
    field.options.ClearField("packed")
    field.type = random.choice((Kind.TYPE_INT32, Kind.TYPE_STRING, Kind.TYPE_DOUBLE, Kind.TYPE_FIXED32))


def _relabel(message: pb.DescriptorProto, random: Random) -> None:
    field = random.choice(message.field)
    field.options.ClearField("packed")
    field.label = random.choice((1, 2, 3))


class Bounded(Encoder):
    """Gives up on types that require ever more messages below them."""

    left = 3_000

    def message(self, descriptor: Descriptor, depth: int) -> bytes:
        """Writes a message."""
        self.left -= 1
        assume(self.left > 0)
        return super().message(descriptor, depth)


def stored(schema: Schema, random: Random, sequence: count) -> list[Stored]:
    """A run of batches that the schema accepts, as the log has them."""
    pool = schema.pool()
    validator, event_type = BatchValidator(pool, EVENT_TYPE, 3), pool.FindMessageTypeByName(EVENT_TYPE)
    run = []
    for _ in range(random.randint(1, 4)):
        encoder = Bounded(random, random.choice((0, 0, 0.003)))
        try:
            batch = validator.check(
                encoder.batch(event_type, random.choice(SIZES)), allow_unknown=True, path="b"
            )
        except InvalidEvents:
            continue
        events = event_pb2.EventBatch.FromString(batch.data).events
        if not events:  # an encoder this wild may leave them out; a publisher is refused that
            continue
        places = [next(sequence) for _ in events]
        entry = Sealer("shop.orders", EVENT_TYPE, 3).seal(batch.data, places[0], 1)
        run.append(Stored(entry, [(place, 3, each.data) for place, each in zip(places, events, strict=True)]))
    return run


def look(naive: Naive, data: bytes) -> tuple[str, ...]:
    """What is wrong with one event, seen naively."""
    if not naive.parses(data):
        return ("unparsable",)
    unknown = ("with_unknown_fields",) * naive.has_unknown(data)
    missing = ("unparsable",) * (not naive.is_complete(data))
    return (unknown + missing) or ("passed",)


def compare(before: Schema, after: Schema, seed: int, seen: Counter[str]) -> None:
    """Tries one schema on what another accepted, both ways."""
    random, sequence = Random(seed), count(1)
    descriptor_set = pb.FileDescriptorSet(file=after.files).SerializeToString()
    trial, naive = Trial(descriptor_set, [EVENT_TYPE]), Naive(after.pool(), EVENT_TYPE)
    expected, faults = Counter[str](), {}
    for _ in range(RUNS):
        run = stored(before, random, sequence)
        events = [event for batch in run for event in batch.events]
        for _ in trial.take(EVENT_TYPE, len(events), b"".join(batch.entry for batch in run)):
            pass
        for place, _, data in events:
            found = look(naive, data)
            expected.update(found)
            if found != ("passed",):
                faults[place] = found
    report = trial.report()
    seen.update(expected)
    assert (report.examined, report.without_type, report.breaking_rules) == (next(sequence) - 1, 0, 0)
    for kind in ("passed", "unparsable", "with_unknown_fields"):
        assert getattr(report, kind) == expected[kind], kind
    for sample in report.samples:
        assert (sample.type, sample.schema_version) == (EVENT_TYPE, 3)
        assert len(sample.violations) == len(faults[sample.sequence])
        assert all(violation.field.startswith("data") for violation in sample.violations), sample
    shown = {sample.sequence for sample in report.samples}
    for kind in ("unparsable", "with_unknown_fields"):
        first = next((place for place, found in faults.items() if kind in found), None)
        assert first is None or first in shown


def main() -> None:
    """Runs the comparison in a process of its own: the parser under test can end a process."""
    seen: Counter[str] = Counter()

    @settings(
        max_examples=SCHEMAS,
        deadline=None,
        database=None,
        derandomize=not LONG,
        suppress_health_check=list(HealthCheck),
    )
    @given(schemas(), st.integers(0, 2**32))
    def agree(schema: Schema, seed: int) -> None:
        after = changed(schema, Random(seed))
        assume(is_loadable(after))
        compare(schema, after, seed, seen)

    agree()
    print(dict(seen))
    assert min(seen[kind] for kind in ("passed", "unparsable", "with_unknown_fields")) > SCHEMAS


if __name__ == "__main__":
    main()
