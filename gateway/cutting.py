"""Parts of stored batches. Imports nothing of gRPC or of the generated stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.entries import pick

if TYPE_CHECKING:
    from gateway.log import StoredBatch


def part(batch: StoredBatch, first: int, last: int) -> StoredBatch:
    """Answers the events of a batch whose sequences lie between the two, both inclusive."""
    first, last = max(first, batch.first_sequence), min(last, batch.last_sequence)
    count = last - first + 1
    if count == batch.count:
        return batch
    begin = first - batch.first_sequence
    entry = pick(batch.entry, range(begin, begin + count))
    return batch._replace(first_sequence=first, count=count, entry=entry)
