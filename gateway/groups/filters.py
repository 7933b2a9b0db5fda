"""Filters for groups and for their dead letters, made of sieves. Imports nothing of gRPC or of the stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.entries import append_time_of
from gateway.errors import InvalidFilter
from gateway.log import StoredBatch
from gateway.sieve_request import SieveRequest
from gateway.sieves import Holder
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.groups.values import DeadLetter, Definition
    from gateway.sieves import Sieve, Sieves


class LetterFilter:
    """A filter over dead letters."""

    def __init__(self, sieve: Sieve) -> None:
        self._sieve = sieve

    async def matches(self, letters: Sequence[DeadLetter]) -> Sequence[bool]:
        """Tells of each letter whether the filter holds of it; where it fails, it does not.

        Raises:
            StorageFailed: The registry can't be read.
        """
        batches = [_batch(letter) for letter in letters]
        await self._sieve.prepare(batches)
        return [(passed := self._sieve.matches(batch)) is None or bool(passed) for batch in batches]


class GroupFilters:
    """Compiles the filters of groups."""

    def __init__(self, sieves: Sieves) -> None:
        self._sieves = sieves

    async def sieve(self, group: Definition, prefix: str) -> Sieve | None:
        """Answers which events of its selection a group delivers, None for all; live until it is closed.

        Raises:
            InvalidFilter, InvalidRequest: Naming the field, behind ``prefix``, and the column.
            TopicNotFound, StorageFailed.
        """
        wanted = SieveRequest(group.topics, group.types, group.filter, group.type_filters)
        try:
            return await self._sieves.make(wanted, holder=Holder(group=group.name))
        except (InvalidFilter, InvalidRequest) as error:
            raise _named(error, prefix + error.field) from None

    async def of_letters(self, expression: str, event_type: str, field: str) -> LetterFilter:
        """Answers a filter over dead letters; over their data only with an event type.

        Raises:
            InvalidFilter, InvalidRequest: Naming ``field`` and the column.
        """
        types = (event_type,) if event_type else ()
        wanted = SieveRequest((">",), types, expression)
        try:
            sieve = await self._sieves.make(wanted, holder=Holder())
        except (InvalidFilter, InvalidRequest) as error:
            raise _named(error, field) from None
        assert sieve is not None  # noqa: S101 - whoever has an expression gets one
        sieve.close()  # it works on, but is no filter that a schema change would break
        return LetterFilter(sieve)


def _named(error: InvalidFilter | InvalidRequest, field: str) -> InvalidFilter | InvalidRequest:
    """Answers the error for a field of another name."""
    return type(error)(field, error.violations[0].description)


def _batch(letter: DeadLetter) -> StoredBatch:
    time = append_time_of(letter.entry)
    kind = (letter.topic, letter.type, letter.schema_version)
    return StoredBatch(letter.dead.sequence, 1, *kind, time, 0, letter.entry)
