"""Which existing names somebody may have meant."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME_LENGTH = 512
"""Characters that a name can have at most; longer ones are cut where they are shown."""
_COMPARED = 500
_LENGTHS_APART = 8


def close_names(name: str, existing: Iterable[str]) -> list[str]:
    """Answers up to three of ``existing`` that are close to ``name``, the closest first.

    Compares at most 500 of about the same length, so that a wrong name costs some milliseconds.
    """
    if len(name) > NAME_LENGTH:
        return []
    similar = (other for other in existing if abs(len(other) - len(name)) <= _LENGTHS_APART)
    return get_close_matches(name, list(islice(similar, _COMPARED)))


def shown(name: str) -> str:
    """Answers ``name`` cut to a length that an error can carry."""
    return name if len(name) <= NAME_LENGTH else f"{name[:NAME_LENGTH]}…"
