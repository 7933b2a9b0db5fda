"""One filter at work: decides batches, once for all who share it.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.entries import batch_of
from gateway.turns import in_turns
from registry.filters.expression import BadFilter
from registry.filters.program import Batch, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.log import StoredBatch
    from registry.decoding import Decoding
    from registry.filters.program import Program

RESULTS_BYTES: Final = 32 * 1024 * 1024
"""How much is kept of what was found out about batches, over all filters and projections."""
_RESULT_OVERHEAD: Final = 300
_INDEX_BYTES: Final = 40
_numbers = count()


class Results:
    """What was found out about batches lately: for those who ask the same of the same batch."""

    def __init__(self, capacity: int = RESULTS_BYTES) -> None:
        self._capacity = capacity
        self._size = 0
        self._kept: OrderedDict[tuple[object, ...], tuple[Any, int]] = OrderedDict()

    def get(self, *key: object) -> Any:
        """Answers what is kept; None if nothing is."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        self._kept.move_to_end(key)
        return kept[0]

    def keep(self, value: Any, weight: int, *key: object) -> None:
        """Keeps something of about so many bytes; what was asked for longest ago goes first."""
        weight += _RESULT_OVERHEAD
        if weight > self._capacity // 4 or key in self._kept:
            return
        self._kept[key] = (value, weight)
        self._size += weight
        while self._size > self._capacity:
            _, (_, gone) = self._kept.popitem(last=False)
            self._size -= gone


class Condition(NamedTuple):
    """A filter over events of a type, or without one over those of any type: over their envelopes alone."""

    type: str
    text: str


class Filter:
    """Decides which events of batches pass. Whoever has one that is equal shares it.

    Attributes:
        number: Tells it from all others that there ever were in this process.
    """

    def __init__(
        self, decoding: Decoding, results: Results, by_type: Mapping[str, Condition], others: Condition | None
    ) -> None:
        """Takes the conditions by event type, and the one of all other types; None: they pass."""
        self._decoding = decoding
        self._results = results
        self._by_type = by_type
        self._others = others
        self._deciding = asyncio.Lock()
        self.number = next(_numbers)

    async def decide(self, batch: StoredBatch) -> Outcome:
        """Decides a batch, in turns with other work.

        The batch must be as it is stored, or a run of its events: without offsets.

        Raises:
            StorageFailed: The registry can't be read.
        """
        condition = self._by_type.get(batch.type, self._others)
        if condition is None:
            return Outcome(None)
        key = (self.number, batch.first_sequence, batch.count)
        outcome: Outcome | None = self._results.get(*key)
        if outcome is None:
            async with self._deciding:
                outcome = self._results.get(*key) or await self._decide(condition, batch)
                indexes = len(outcome.passed or ()) + len(outcome.failed)
                self._results.keep(outcome, indexes * _INDEX_BYTES, *key)
        return outcome

    async def _decide(self, condition: Condition, batch: StoredBatch) -> Outcome:
        try:
            program = await self._program(condition, batch)
        except BadFilter as error:
            return Outcome((), tuple(range(batch.count)), _broken(batch, error))
        return await in_turns(program.decide(_opened(batch)))

    async def _program(self, condition: Condition, batch: StoredBatch) -> Program:
        version = batch.schema_version if condition.type else 0
        return await self._decoding.program(condition.type, version, condition.text)


def _opened(batch: StoredBatch) -> Batch:
    return Batch(
        batch.topic,
        batch.type,
        batch.schema_version,
        batch.first_sequence,
        batch.count,
        batch.append_time,
        batch_of(batch.entry),
    )


def _broken(batch: StoredBatch, error: BadFilter) -> str:
    return f"it does not compile for version {batch.schema_version} of {batch.type}: {error}"
