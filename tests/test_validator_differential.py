"""The check of a batch agrees with a naive one, event by event, on any schema and any bytes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2

from registry.checking.envelope import NORMAL
from registry.checking.validator import BatchValidator
from registry.errors import InvalidEvents
from tests.generated_schemas import EVENT_TYPE, Encoder, Schema, damaged, schemas
from tests.naive_check import Naive

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
SCHEMAS = 20_000 if LONG else 100
BATCHES = 40
WILDNESS = (0, 0, 0.003, 0.02, 0.1)
COUNTS = (0, *[1] * 20, *[2] * 15, *[3] * 10, 70)


def test_agrees_with_the_naive_check() -> None:
    """No schema and no bytes make the batch check crash, or decide otherwise than the naive one."""
    root = Path(__file__).parent.parent
    command = [sys.executable, "-m", "tests.test_validator_differential"]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"exit {run.returncode}\n{run.stdout[-9000:]}\n{run.stderr[-9000:]}"
    print(run.stdout)


def compare(schema: Schema, seed: int, seen: Counter[str]) -> None:
    """Checks batches of one schema both ways."""
    random = Random(seed)
    pool = schema.pool()
    naive, validator = Naive(pool, EVENT_TYPE), BatchValidator(pool, EVENT_TYPE, 1)
    for _ in range(BATCHES):
        encoder = Encoder(random, random.choice(WILDNESS))
        batch = encoder.batch(naive.type, random.choice(COUNTS))
        while random.random() < 0.2:
            batch = damaged(random, batch)
        for allow_unknown in (False, True):
            seen[compare_batch(naive, validator, batch, allow_unknown=allow_unknown)] += 1


def compare_batch(naive: Naive, validator: BatchValidator, batch: bytes, *, allow_unknown: bool) -> str:
    """Checks one batch both ways and answers the verdict."""
    expected = naive.accepts(batch, allow_unknown=allow_unknown)
    try:
        checked = validator.check(batch, allow_unknown=allow_unknown, path="batches[0]")
    except InvalidEvents as error:
        refused = error
    else:
        refused = None
    if refused is not None:
        assert not expected, f"{refused} in {batch.hex()}"
        assert refused.violations
        assert all(violation.field.startswith("batches[0]") for violation in refused.violations)
        return "rejected"
    assert expected, f"accepted {batch.hex()}"
    assert_same_meaning(batch, checked.data)
    assert checked.count == len(event_pb2.EventBatch.FromString(checked.data).events)
    again = validator.check(checked.data, allow_unknown=allow_unknown, path="batches[0]")
    assert again.data is checked.data
    return "accepted as it is" if checked.data is batch else "accepted in normal form"


def assert_same_meaning(before: bytes, after: bytes) -> None:
    """Holds the canonical bytes equal to the publisher's, as a reader of either decodes them."""
    assert event_pb2.EventBatch.FromString(before) == event_pb2.EventBatch.FromString(after)
    assert NORMAL.FromString(before) == NORMAL.FromString(after)


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
        compare(schema, seed, seen)

    agree()
    print(dict(seen))
    assert (
        min(seen[verdict] for verdict in ("rejected", "accepted as it is", "accepted in normal form"))
        > SCHEMAS
    )


if __name__ == "__main__":
    main()
