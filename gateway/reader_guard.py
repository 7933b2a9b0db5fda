"""Which batches a reader can read, by the schema versions that it was built with.

Where a subject promises compatibility, all of them; where it promises none, an event of another version may
fail in the reader, or mean something else to it. Such events are not sent. Imports neither gRPC nor stubs.
"""

from __future__ import annotations

from itertools import groupby, product
from operator import attrgetter
from typing import TYPE_CHECKING

from gateway.errors import IncompatibleVersion
from gateway.frames import Gap, GapCause

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gateway.log import StoredBatch
    from registry.registry import Registry

    Kind = tuple[str, int]


_TYPE, _VERSION = attrgetter("type"), attrgetter("schema_version")


class ReaderGuard:
    """Knows what one subscription's reader can read; what it has judged once costs a look-up a batch."""

    def __init__(self, registry: Registry, built_with: Mapping[str, int], *, skip: bool) -> None:
        """Takes the reader's versions by subject; with ``skip`` it answers gaps instead of errors."""
        self._registry = registry
        self._built_with = built_with
        self._skip = skip
        self._readable: set[Kind] = set()
        self._unreadable: dict[Kind, int] = {}

    async def judge(self, batches: Sequence[StoredBatch]) -> None:
        """Finds out of which of the batches' types and versions the reader can read the data.

        Raises:
            StorageFailed: The registry can't be read.
        """
        types, versions = set(map(_TYPE, batches)), set(map(_VERSION, batches))
        if self._readable.issuperset(
            product(types, versions)
        ):  # a third of the time that the exact kinds take
            return
        for kind in {(batch.type, batch.schema_version) for batch in batches} - self._readable:
            if kind not in self._unreadable:
                own = await self._version_in_the_way(*kind)
                if own:
                    self._unreadable[kind] = own
                else:
                    self._readable.add(kind)

    def can_read(self, batch: StoredBatch) -> bool:
        """Tells whether the reader can read a batch that was judged."""
        return not self._is_unreadable(batch)

    def stretches(self, batches: Sequence[StoredBatch]) -> Iterator[Sequence[StoredBatch] | Gap]:
        """Cuts judged batches into stretches that can be read, and gaps in place of those that can't.

        Raises:
            IncompatibleVersion: At the first batch that can't be read, unless gaps are to be skipped.
        """
        if not self._unreadable:
            yield batches
            return
        for unreadable, stretch in groupby(batches, key=self._is_unreadable):
            found = list(stretch)
            yield self._gap(found) if unreadable else found

    def _is_unreadable(self, batch: StoredBatch) -> bool:
        return (batch.type, batch.schema_version) in self._unreadable

    def _gap(self, batches: Sequence[StoredBatch]) -> Gap:
        first, last = batches[0], batches[-1]
        if not self._skip:
            own = self._unreadable[first.type, first.schema_version]
            raise IncompatibleVersion(first.type, own, first.schema_version, first.first_sequence)
        topics = tuple(sorted({batch.topic for batch in batches}))
        return Gap(first.first_sequence, last.last_sequence, topics, GapCause.INCOMPATIBLE_VERSION)

    async def _version_in_the_way(self, event_type: str, version: int) -> int:
        """Answers the reader's version that can't read events of a type and version; 0 if it can.

        A type that the reader's version doesn't have is none that it would read: it is sent and passed over.
        """
        subject = (await self._registry.get_by_type(event_type, version)).subject
        own = self._built_with.get(subject, version)
        if own == version or event_type not in (await self._registry.get(subject, own)).types:
            return 0
        return 0 if await self._registry.readable(subject, version, own, event_type) else own
