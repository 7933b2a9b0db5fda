"""What groups ask of filters: which events one lets through, and which dead letters one holds of.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.errors import InvalidFilter
from gateway.groups.sieving import Everything

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.groups.sieving import GroupSieve
    from gateway.groups.values import DeadLetter, Definition


class LetterFilter(Protocol):
    """A filter over dead letters."""

    async def matches(self, letters: Sequence[DeadLetter]) -> Sequence[bool]:
        """Tells of each letter whether the filter holds of it; where it fails, it does not."""
        ...


class Filters(Protocol):
    """Compiles filters."""

    async def sieve(self, group: Definition, prefix: str) -> GroupSieve:
        """Answers which events of its selection a group delivers, by its filters.

        Raises:
            InvalidFilter: Naming the field, behind ``prefix``, and the column.
        """
        ...

    async def of_letters(self, expression: str, event_type: str, field: str) -> LetterFilter:
        """Answers a filter over dead letters; over their data only with an event type.

        Raises:
            InvalidFilter: Naming ``field`` and the column.
        """
        ...


class NoFilters:
    """A gateway without filters: refuses every one."""

    async def sieve(self, group: Definition, prefix: str) -> GroupSieve:
        """Answers what delivers everything."""
        if group.filter or group.type_filters:
            raise InvalidFilter(f"{prefix}filter", "this gateway has no filters; leave it out")
        return Everything()

    async def of_letters(self, expression: str, event_type: str, field: str) -> LetterFilter:  # noqa: ARG002
        """Refuses the filter."""
        raise InvalidFilter(field, "this gateway has no filters; leave it out")
