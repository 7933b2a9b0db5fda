"""Which live filters a candidate would break: those that don't compile with it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.descriptors import build_pool
from registry.filters.event_message import typed_message
from registry.filters.expression import BadFilter, check_filter
from registry.report import FILTERS_LISTED, FILTERS_TRIED, AffectedFilter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.compiling.compiler import Compiled
    from registry.uses import LiveFilter


def broken_filters(compiled: Compiled, filters: Sequence[LiveFilter]) -> tuple[AffectedFilter, ...]:
    """Answers the filters that would not compile with a candidate, in the order given, each with its error.

    A type that the candidate doesn't have is none that there will be events of.
    """
    known = frozenset(compiled.types)
    pool = build_pool(compiled.descriptor_set)
    errors: dict[tuple[str, str], str] = {}
    for live in filters[:FILTERS_TRIED]:
        if live.type in known and (live.type, live.text) not in errors:
            try:
                check_filter(typed_message(pool, live.type, 0), live.text)
            except BadFilter as error:
                errors[live.type, live.text] = str(error)
            else:
                errors[live.type, live.text] = ""
    broken = [(live, errors.get((live.type, live.text), "")) for live in filters]
    return tuple(AffectedFilter(live, error) for live, error in broken if error)[:FILTERS_LISTED]
