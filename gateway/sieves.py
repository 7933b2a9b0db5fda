"""Sieves: which events of a batch somebody gets, and in which form. For subscriptions, groups and reads.

A sieve is a filter (``filter``), a projection of the data (``projection``), or both. What they find out about
a batch is shared by all that ask the same. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final, NamedTuple
from weakref import WeakValueDictionary

from gateway.entries import OpenEntry, pick
from gateway.filter import Filter, Results
from gateway.projection import Projection, Wish
from gateway.turns import in_turns
from registry.filters.program import Outcome

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from gateway.filter import Condition
    from gateway.live_filters import LiveFilters
    from gateway.log import StoredBatch
    from gateway.projection import Projected, Projector
    from gateway.sieve_request import SieveRequest
    from gateway.sieve_terms import SieveTerms
    from registry.decoding import Decoding
    from registry.uses import LiveFilter

PIECE_BYTES: Final = 128 * 1024
"""How much stored data is projected at once."""
ENTRY_BYTES: Final = 3 * 1024 * 1024 + 256 * 1024
"""How large an entry becomes that has several events: with all around it, it fits a frame of 3.5 MiB."""
_EVERYTHING: Final = Outcome(None)


class Holder(NamedTuple):
    """Who has a sieve: a group, or a program that subscribes; either may be empty."""

    group: str = ""
    client_name: str = ""


class Failures(NamedTuple):
    """Events that can't be delivered as asked: how many, from where to where, and why the first of them."""

    count: int  # type: ignore[assignment]  # in place of tuple.count, which nobody needs here
    first_sequence: int
    last_sequence: int
    reason: str

    def joined(self, later: Failures | None) -> Failures:
        """Answers these and later ones as one."""
        if later is None:
            return self
        last = max(self.last_sequence, later.last_sequence)
        first = min(self.first_sequence, later.first_sequence)
        return Failures(self.count + later.count, first, last, self.reason)


class Piece(NamedTuple):
    """A part of a batch as it is delivered.

    Attributes:
        entry: A finished entry.
        through: The reader is through the batch up to this sequence.
        withheld: Events that come without their data.
    """

    entry: bytes
    through: int
    withheld: Failures | None = None


class Sieves:
    """Makes sieves, and has what equal ones share."""

    def __init__(self, terms: SieveTerms, decoding: Decoding, live: LiveFilters) -> None:
        self._terms = terms
        self._decoding = decoding
        self._live = live
        self._results = Results()
        self._filters: WeakValueDictionary[object, Filter] = WeakValueDictionary()
        self._projections: WeakValueDictionary[Wish, Projection] = WeakValueDictionary()

    async def make(self, wanted: SieveRequest, *, holder: Holder) -> Sieve | None:
        """Makes a sieve that is live until it is closed; answers None if it would change nothing.

        Raises:
            InvalidFilter: A filter does not compile, is no condition, or may cost too much.
            InvalidRequest: A field says what can't be.
            TopicNotFound, SchemaVersionNotFound, StorageFailed.
        """
        understood = await self._terms.understand(wanted, holder.group, holder.client_name)
        if understood is None:
            return None
        wish = understood.wish
        sieve = Sieve(
            self._filter(understood.by_type, understood.others),
            self._projection(wish) if wish != Wish() else None,
            self._results,
            self._live,
            understood.live,
        )
        sieve.pinned = {wish.subject: wish.version} if wish.subject else {}
        return sieve

    def _filter(self, by_type: Mapping[str, Condition], others: Condition | None) -> Filter | None:
        if not by_type and others is None:
            return None
        key = (frozenset(by_type.items()), others)
        shared = self._filters.get(key)
        if shared is None:
            shared = self._filters[key] = Filter(self._decoding, self._results, by_type, others)
        return shared

    def _projection(self, wish: Wish) -> Projection:
        shared = self._projections.get(wish)
        if shared is None:
            shared = self._projections[wish] = Projection(self._decoding, wish)
        return shared


class Sieve:
    """Tells which events of batches its holder gets, and in which form.

    Batches come as they are stored, or as runs of their events: without offsets. ``prepare`` comes first.

    Attributes:
        filter: Its filter, shared; None if all events pass.
        pinned: From a subject to the version that its data is delivered as, if the holder asked for one.
    """

    def __init__(
        self,
        shared_filter: Filter | None,
        projection: Projection | None,
        results: Results,
        live_filters: LiveFilters,
        live: Sequence[tuple[str, LiveFilter]],
    ) -> None:
        self.filter = shared_filter
        self.pinned: Mapping[str, int] = {}
        self._projection = projection
        self._results = results
        self._live_filters = live_filters
        self._live: Sequence[tuple[str, LiveFilter]] = live
        self._outcomes: dict[tuple[int, int], Outcome] = {}
        self._failures: Failures | None = None
        self._withheld: Failures | None = None
        live_filters.add(live)

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Decides batches, in turns with other work; what follows is then quick. Forgets those before.

        Counts the events on which the filter fails.

        Raises:
            StorageFailed: The registry can't be read.
        """
        self._outcomes = {}
        if self._projection is not None:
            await self._projection.load({(batch.type, batch.schema_version) for batch in batches})
        if self.filter is None:
            return
        for batch in batches:
            outcome = await self.filter.decide(batch)
            self._outcomes[batch.first_sequence, batch.count] = outcome
            if outcome.failed:
                self._failures = _failures(batch, outcome.failed, outcome.reason, self._failures)

    def matches(self, batch: StoredBatch) -> Sequence[int] | None:
        """Answers the indexes of the events of a batch that pass; None for all.

        Raises:
            LookupError: It was not among those that were last prepared.
        """
        return self._outcome(batch).passed

    def failed(self, batch: StoredBatch) -> Sequence[int]:
        """Answers the indexes of the events of a batch on which the filter fails.

        Raises:
            LookupError: It was not among those that were last prepared.
        """
        return self._outcome(batch).failed

    def entry(self, batch: StoredBatch, indexes: Sequence[int] | None) -> bytes:
        """Answers a finished entry with some events of a batch, whether they pass or not; None for all.

        Of a projection, ask for few at a time: it is computed anew, and JSON may be larger than what is
        stored. Whoever delivers all that pass asks for ``pieces``.

        Raises:
            LookupError: Its type and version were not prepared, or more than 64 others were since.
        """
        projector = self._projector(batch)
        if projector is None:
            return batch.entry if indexes is None else pick(batch.entry, indexes)
        opened = OpenEntry(batch.entry)
        indexes = range(batch.count) if indexes is None else indexes
        projected = _at_once(projector, opened, indexes)
        self._note(_withheld(batch, indexes, projected))
        return opened.pick(indexes, [it.event for it in projected], schema_version=projector.version)

    async def pieces(self, batch: StoredBatch) -> AsyncIterator[Piece]:
        """Answers all events of a batch that pass, as they are delivered, in entries that frames can hold.

        Raises:
            LookupError: It was not among those that were last prepared.
        """
        passed, projector = self._outcome(batch).passed, self._projector(batch)
        if projector is None:
            if passed is None:
                yield Piece(batch.entry, batch.last_sequence)
            elif passed:
                yield Piece(self._sparse(batch, passed), batch.last_sequence)
            return
        assert self._projection is not None  # noqa: S101 - whoever has a projector has it from there
        parts = _Parts(self._key(batch), batch, passed, projector, self._results)
        async for piece in parts.pieces(self._projection.working):
            self._note(piece.withheld)
            yield piece

    async def some(self, batch: StoredBatch, indexes: Sequence[int]) -> AsyncIterator[Piece]:
        """Answers some events of a batch, whether they pass or not, in entries that frames can hold.

        What is computed is not shared with others.

        Raises:
            LookupError: Its type and version were not prepared, or more than 64 others were since.
        """
        projector = self._projector(batch)
        if projector is None or self._projection is None:
            yield Piece(pick(batch.entry, indexes), batch.last_sequence)
            return
        parts = _Parts((), batch, indexes, projector, Results())
        async for piece in parts.pieces(self._projection.working):
            self._note(piece.withheld)
            yield piece

    def take_failures(self) -> Failures | None:
        """Answers on which events the filter failed since this was last asked."""
        failures, self._failures = self._failures, None
        return failures

    def take_withheld(self) -> Failures | None:
        """Answers which events came without their data since this was last asked."""
        withheld, self._withheld = self._withheld, None
        return withheld

    def close(self) -> None:
        """Ends it: it is live no more. To close it again changes nothing."""
        live, self._live = self._live, ()
        self._live_filters.remove(live)

    def _outcome(self, batch: StoredBatch) -> Outcome:
        return self._outcomes[batch.first_sequence, batch.count] if self.filter is not None else _EVERYTHING

    def _projector(self, batch: StoredBatch) -> Projector | None:
        if self._projection is None:
            return None
        return self._projection.projector((batch.type, batch.schema_version))

    def _key(self, batch: StoredBatch) -> tuple[object, ...]:
        numbers = (self.filter and self.filter.number, self._projection and self._projection.number)
        return (*numbers, batch.first_sequence, batch.count)

    def _sparse(self, batch: StoredBatch, passed: Sequence[int]) -> bytes:
        key = self._key(batch)
        entry: bytes | None = self._results.get(*key)
        if entry is None:
            entry = pick(batch.entry, passed)
            self._results.keep(entry, len(entry), *key)
        return entry

    def _note(self, withheld: Failures | None) -> None:
        if withheld is not None:
            self._withheld = self._withheld.joined(withheld) if self._withheld else withheld


class _Parts:
    """The projected events of one batch, part by part: what is projected at once, and shared, is bounded."""

    def __init__(
        self,
        key: tuple[object, ...],
        batch: StoredBatch,
        passed: Sequence[int] | None,
        projector: Projector,
        results: Results,
    ) -> None:
        self._key = key
        self._batch = batch
        self._indexes: Sequence[int] = range(batch.count) if passed is None else passed
        self._projector = projector
        self._results = results
        self._opened: OpenEntry | None = None

    async def pieces(self, working: asyncio.Lock) -> AsyncIterator[Piece]:
        """Answers the pieces; whoever computes some holds the lock meanwhile, so that others find them."""
        begin = 0
        for number in count():
            if begin >= len(self._indexes):
                return
            key = (*self._key, number)
            part: tuple[int, list[Piece]] | None = self._results.get(*key)
            if part is None:
                async with working:
                    part = self._results.get(*key) or await self._make(begin)
                    self._results.keep(part, sum(len(piece.entry) for piece in part[1]), *key)
            begin, pieces = part
            for piece in pieces:
                yield piece

    async def _make(self, begin: int) -> tuple[int, list[Piece]]:
        """Projects a part, and answers where the next one begins, and the pieces."""
        self._opened = self._opened or OpenEntry(self._batch.entry)
        end, size = begin, 0
        while end < len(self._indexes) and (end == begin or size < PIECE_BYTES):
            size += len(self._opened.events[self._indexes[end]])
            end += 1
        indexes = self._indexes[begin:end]
        some = [self._opened.events[index] for index in indexes]
        projected = await in_turns(self._projector.project(some))
        return end, list(self._cut(self._opened, indexes, projected, is_last=end == len(self._indexes)))

    def _cut(
        self,
        opened: OpenEntry,
        indexes: Sequence[int],
        projected: Sequence[Projected],
        *,
        is_last: bool,
    ) -> Iterator[Piece]:
        begin = 0
        while begin < len(indexes):
            end = _fitting(projected, begin)
            some, made = indexes[begin:end], projected[begin:end]
            entry = opened.pick(some, [it.event for it in made], schema_version=self._projector.version)
            through = self._batch.first_sequence + some[-1]
            if is_last and end == len(indexes):
                through = self._batch.last_sequence
            yield Piece(entry, through, _withheld(self._batch, some, made))
            begin = end


def _fitting(projected: Sequence[Projected], begin: int) -> int:
    """Answers the end of those events that fit an entry, from the one that begins it."""
    end, size = begin, 0
    while end < len(projected):
        size += len(projected[end].event) + 16
        if size > ENTRY_BYTES and end > begin:
            break
        end += 1
    return end


def _at_once(projector: Projector, opened: OpenEntry, indexes: Iterable[int]) -> list[Projected]:
    work = projector.project([opened.events[index] for index in indexes])
    while True:
        try:
            next(work)
        except StopIteration as done:
            projected: list[Projected] = done.value
            return projected


def _withheld(batch: StoredBatch, indexes: Sequence[int], projected: Sequence[Projected]) -> Failures | None:
    found = [(index, it.withheld) for index, it in zip(indexes, projected, strict=True) if it.withheld]
    return _failures(batch, [index for index, _ in found], found[0][1]) if found else None


def _failures(
    batch: StoredBatch, indexes: Sequence[int], reason: str, before: Failures | None = None
) -> Failures:
    first, last = batch.first_sequence + min(indexes), batch.first_sequence + max(indexes)
    found = Failures(len(indexes), first, last, reason)
    return before.joined(found) if before else found
