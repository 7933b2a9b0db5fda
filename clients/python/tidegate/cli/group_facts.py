"""How a group is shown: its settings, its members, what failed and what is parked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidegate.cli.output import format_count, format_time, write_table
from tidegate.cli.values import format_age

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.v1 import group_pb2

ORDERINGS = ("by key", "by key", "none")
"""The orderings by their number in the contract; the first is the default."""
POLICIES = ("the key goes on", "the key goes on", "the key is parked")
"""The policies by their number in the contract; the first is the default."""


def describe_selection(group: group_pb2.Group) -> str:
    """Answers in a line what a group delivers."""
    types = ", ".join(group.types) or "all types"
    filters = [group.filter] if group.filter else [f"{t}: {f}" for t, f in sorted(group.type_filters.items())]
    return f"{types} of {', '.join(group.topics)}" + (f", where {'; '.join(filters)}" if filters else "")


def group_facts(group: group_pb2.Group) -> Sequence[tuple[str, str]]:
    """Answers what there is to say of a group, as names and values."""
    settings, stats = group.settings, group.stats
    retry = settings.retry
    waits = f"{format_age(retry.min_backoff.ToTimedelta())} to {format_age(retry.max_backoff.ToTimedelta())}"
    return (
        ("group", group.name),
        ("delivers", describe_selection(group)),
        ("ordering", ORDERINGS[settings.ordering]),
        ("lease", format_age(settings.lease.ToTimedelta())),
        ("in flight", f"at most {settings.max_in_flight:,}, {settings.max_in_flight_per_member:,} a member"),
        ("retries", f"{format_count(retry.max_attempts, 'attempt')}, {waits} apart, x{retry.multiplier:g}"),
        ("given up", POLICIES[settings.dead_letters]),
        ("created", format_time(group.create_time)),
        ("changed", format_time(group.update_time)),
        ("position", f"{stats.position} of {stats.head_sequence}"),
        ("lag", _describe_lag(stats)),
        ("members", f"{len(stats.members):,}, with {format_count(stats.in_flight_events, 'event')}"),
        ("retrying", format_count(stats.retrying_events, "event")),
        ("parked keys", f"{stats.parked_key_count:,}"),
        ("dead letters", f"{stats.dead_letter_count:,}"),
        *((("lost", f"events through {stats.lost_through}, to retention"),) if stats.lost_through else ()),
        *((("stalled", stats.stalled),) if stats.stalled else ()),
    )


def write_stats(stats: group_pb2.GroupStats) -> None:
    """Writes the members of a group, the events that failed and the keys that are parked, if any."""
    if stats.members:
        click.echo()
        write_table(
            ("MEMBER", "PROGRAM", "IN FLIGHT", "AT MOST", "JOINED", "STATE"), map(_member, stats.members)
        )
    if stats.retrying:
        click.echo()
        write_table(("RETRYING", "KEY", "ATTEMPTS", "NEXT", "WHY"), map(_retrying, stats.retrying))
    if stats.parked_keys:
        click.echo()
        write_table(("PARKED KEY", "BEHIND", "SINCE", "WHY"), map(_parked, stats.parked_keys))


def last_line(reason: str) -> str:
    """Answers what a traceback, or any other reason, comes to: its last line."""
    return reason.strip().rpartition("\n")[2]


def _describe_lag(stats: group_pb2.GroupStats) -> str:
    if not stats.lag_events:
        return "none"
    events = format_count(stats.lag_events, "event")
    age = stats.lag.ToTimedelta()
    oldest = stats.oldest_unsettled_sequence
    where = f", the oldest at sequence {oldest}" if oldest else ""
    return f"{events}{where}, {age.total_seconds():,.1f} s old"


def _member(member: group_pb2.Member) -> tuple[str, ...]:
    state = "silent" if member.silent else "alive"
    in_flight, most = f"{member.in_flight_events:,}", f"{member.max_in_flight:,}"
    return member.member_id, member.client_name, in_flight, most, format_time(member.join_time), state


def _retrying(event: group_pb2.RetryingEvent) -> tuple[str, ...]:
    retry = format_time(event.retry_time)
    return str(event.sequence), event.key, str(event.attempts), retry, last_line(event.reason)


def _parked(key: group_pb2.ParkedKey) -> tuple[str, ...]:
    return key.key, str(key.sequence), format_time(key.park_time), last_line(key.reason)
