"""A subscription's sieve at work: frames of what passes, and warnings of what could not be told.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.entries import batches_frame
from gateway.frames import WarningFrame, WarningKind

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from gateway.log import StoredBatch
    from gateway.sieves import Failures, Sieve

_WORDS: Final = {
    WarningKind.FILTER_FAILED: (
        "the filter failed on {count} not delivered; on the first one: {reason}. Let the filter ask first, "
        "as in has(event.data.x) && …"
    ),
    WarningKind.DATA_WITHHELD: "{count} delivered without data; of the first one: {reason}",
}


class Sifted(NamedTuple):
    """A finished frame: the reader is through the log up to ``through``, and up to what came at that time."""

    frame: bytes
    through: int
    append_time: int


class Sifting:
    """Puts what a subscription reads through its sieve."""

    def __init__(self, sieve: Sieve, interval: float, frame_bytes: int) -> None:
        """Warns of each kind once in ``interval`` seconds; makes frames of about ``frame_bytes``."""
        self._sieve = sieve
        self._interval = interval
        self._frame_bytes = frame_bytes
        self._quiet_until = 0.0

    async def passing(self, batches: Sequence[StoredBatch]) -> list[StoredBatch]:
        """Answers those of the batches that have events that pass, in turns with other work.

        Raises:
            StorageFailed: The registry can't be read.
        """
        await self._sieve.prepare(batches)
        matches = self._sieve.matches
        return [batch for batch in batches if (passed := matches(batch)) is None or passed]

    async def frames(self, batches: Sequence[StoredBatch]) -> AsyncIterator[Sifted]:
        """Answers what passes of batches as few frames."""
        entries: list[bytes] = []
        size = through = append_time = 0
        for batch in batches:
            async for piece in self._sieve.pieces(batch):
                if entries and size + len(piece.entry) > self._frame_bytes:
                    yield Sifted(batches_frame(entries), through, append_time)
                    entries, size = [], 0
                entries.append(piece.entry)
                size += len(piece.entry)
                through, append_time = piece.through, batch.append_time
        if entries:
            yield Sifted(batches_frame(entries), through, append_time)

    def warnings(self, now: float, *, last: bool = False) -> Iterator[WarningFrame]:
        """Answers what there is to warn of at this time; with ``last`` all that there is."""
        if now < self._quiet_until and not last:
            return
        failures, withheld = self._sieve.take_failures(), self._sieve.take_withheld()
        if failures or withheld:
            self._quiet_until = now + self._interval
        if failures:
            yield warning_of(WarningKind.FILTER_FAILED, failures)
        if withheld:
            yield warning_of(WarningKind.DATA_WITHHELD, withheld)


def warning_of(kind: WarningKind, found: Failures) -> WarningFrame:
    """Answers the warning that events could not be delivered as asked."""
    one = found.count == 1
    count = "1 event, which was" if one else f"{found.count:,} events, which were"
    text = _WORDS[kind].format(count=count, reason=found.reason)
    return WarningFrame(kind, text, found.count, found.first_sequence, found.last_sequence)
