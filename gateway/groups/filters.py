"""What groups ask of filters: whether one can be, and which dead letters one holds of.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gateway.errors import InvalidFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gateway.groups.values import DeadLetter
    from gateway.selection import Selection


class LetterFilter(Protocol):
    """A filter over dead letters."""

    async def matches(self, letters: Sequence[DeadLetter]) -> Sequence[bool]:
        """Tells of each letter whether the filter holds of it; where it fails, it does not."""
        ...


class Filters(Protocol):
    """Compiles filters."""

    async def require(
        self, selection: Selection, expression: str, type_expressions: Mapping[str, str], prefix: str
    ) -> None:
        """Refuses filters that can't be used over a selection.

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

    async def require(
        self,
        selection: Selection,  # noqa: ARG002
        expression: str,
        type_expressions: Mapping[str, str],
        prefix: str,
    ) -> None:
        """Refuses filters."""
        if expression or type_expressions:
            raise InvalidFilter(f"{prefix}filter", "this gateway has no filters; leave it out")

    async def of_letters(self, expression: str, event_type: str, field: str) -> LetterFilter:  # noqa: ARG002
        """Refuses the filter."""
        raise InvalidFilter(field, "this gateway has no filters; leave it out")
