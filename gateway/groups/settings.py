"""What somebody says of a group's settings, and the settings that this makes.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gateway.groups.values import LONGEST_WAIT, MOST_ATTEMPTS, MOST_IN_FLIGHT, Settings
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

Stated: TypeAlias = "Mapping[str, Any]"
"""The settings that somebody named, by attribute of ``Settings``; others are to have their defaults."""

SHORTEST_LEASE, LONGEST_LEASE = 0.1, 43_200.0
"""Bounds of a lease, in seconds."""
MOST_MULTIPLIED = 100.0
"""By how much each wait may be longer than the one before."""
FIELDS: Final = {
    "ordering": "ordering",
    "max_in_flight": "max_in_flight",
    "max_in_flight_per_member": "max_in_flight_per_member",
    "lease": "lease",
    "min_backoff": "retry.min_backoff",
    "max_backoff": "retry.max_backoff",
    "multiplier": "retry.multiplier",
    "max_attempts": "retry.max_attempts",
    "dead_letters": "dead_letters",
}
"""The fields of the contract's ``GroupSettings``, by attribute of ``Settings``."""


def make_settings(stated: Stated, prefix: str, current: Settings | None = None) -> Settings:
    """Answers ``current`` with what is stated; without it, the defaults with what is stated.

    Args:
        stated: What was said.
        prefix: What stands before the names of the request's fields, such as ``group.settings.``.
        current: The settings that there are.

    Raises:
        InvalidRequest: A setting is outside of its limits.
    """
    settings = replace(current or Settings(), **stated)
    if current is None and "max_backoff" not in stated:
        settings = replace(settings, max_backoff=default_backoff(settings.min_backoff))
    _require_limits(settings, prefix)
    return settings


def default_backoff(min_backoff: float) -> float:
    """Answers the longest wait, where nobody said it."""
    return max(Settings().max_backoff, min_backoff)


def _require_limits(settings: Settings, prefix: str) -> None:
    for name in ("max_in_flight", "max_in_flight_per_member"):
        value = getattr(settings, name)
        if not 1 <= value <= MOST_IN_FLIGHT:
            raise _wrong(prefix, name, f"is {value:,}; must be 1 to {MOST_IN_FLIGHT:,}, or 0 for the default")
    if not SHORTEST_LEASE <= settings.lease <= LONGEST_LEASE:
        raise _wrong(prefix, "lease", f"is {settings.lease:g} s; must be 100 ms to 12 hours")
    if not 0 <= settings.min_backoff <= LONGEST_WAIT:
        raise _wrong(prefix, "min_backoff", f"is {settings.min_backoff:g} s; must be 0 to 24 hours")
    if not settings.min_backoff <= settings.max_backoff <= LONGEST_WAIT:
        raise _wrong(
            prefix,
            "max_backoff",
            f"is {settings.max_backoff:g} s; must be at least min_backoff, which is "
            f"{settings.min_backoff:g} s, and at most 24 hours",
        )
    if not 1 <= settings.multiplier <= MOST_MULTIPLIED:  # also refuses what is no number
        raise _wrong(prefix, "multiplier", f"is {settings.multiplier:g}; must be 1 to 100, or 0 for 2")
    if not 1 <= settings.max_attempts <= MOST_ATTEMPTS:
        raise _wrong(
            prefix,
            "max_attempts",
            f"is {settings.max_attempts:,}; must be 1 to {MOST_ATTEMPTS:,}, or 0 for 10",
        )


def _wrong(prefix: str, name: str, description: str) -> InvalidRequest:
    return InvalidRequest(prefix + FIELDS[name], description)
