"""``tidegate subscribe``: writes events as JSON lines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.candidate import ReferenceType
from tidegate.cli.event_lines import ending_with_reader, format_event, write_lines
from tidegate.cli.selecting import (
    fields_option,
    filter_option,
    schema_version_option,
    selection,
    start_of,
    type_filter_option,
    type_option,
)
from tidegate.cli.session import run
from tidegate.cli.values import MOST_IN_FLIGHT, POSITION, Position, format_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.aio import AsyncClient
    from tidegate.group_subscription import AsyncGroupSubscription
    from tidegate.subscription import AsyncSubscription

LATEST = Position(end="latest")


@click.command(
    epilog=format_examples(
        "tidegate subscribe airport.departures",
        "tidegate subscribe airport.departures --from earliest --until caught-up > departures.jsonl",
        "tidegate subscribe 'airport.*' 'shop.>' --from 2013-01-04T12:00:00Z | jq .data",
        "tidegate subscribe airport.departures --type flights.v1.Departed \\\\",
        "  --filter 'event.data.delay_minutes > 30' --fields flight,delay_minutes",
        "tidegate subscribe --group alerts airport.departures | while read -r line; do …; done",
        "tidegate subscribe airport.departures --from 1200 --limit 10",
    )
)
@click.argument("topics", metavar="[TOPIC]...", nargs=-1)
@type_option
@filter_option
@type_filter_option
@fields_option
@schema_version_option
@click.option(
    "--from",
    "position",
    type=POSITION,
    show_default="latest",
    help="Where to start: earliest, latest, a sequence, or a time such as 2013-01-04T12:00:00Z. A group that "
    "exists goes on where it was.",
)
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option("--until", type=click.Choice(["caught-up"]), help="End once everything stored was written.")
@click.option("--group", metavar="NAME", default="", help="Read as a member of this group, and acknowledge.")
@click.option(
    "--max-in-flight", type=MOST_IN_FLIGHT, help="With --group: events that are not acknowledged at once."
)
@click.option("--client-name", metavar="NAME", default="", help="What the program calls itself that reads.")
@click.option(
    "--built-with",
    metavar="SUBJECT@VERSION",
    type=ReferenceType(),
    multiple=True,
    help="The version that it was built with; a check of a schema then tells whether it would break.",
)
@click.pass_obj
def subscribe(
    server: str,
    *,
    topics: Sequence[str],
    types: tuple[str, ...],
    filter_: str,
    type_filters: tuple[tuple[str, str], ...],
    fields: str,
    schema_version: int | None,
    position: Position | None,
    limit: int | None,
    until: str | None,
    group: str,
    max_in_flight: int | None,
    client_name: str,
    built_with: Sequence[tuple[str, int]],
) -> None:
    """Write events as JSON lines, until Ctrl-C.

    A TOPIC may be a pattern: `*` stands for one level, `>` for all below. Each line has topic, sequence,
    type, schema_version, id, key, time, attributes and data: ProtoJSON with the field names of the schema
    version that the event names. A time given to --from is about when events were appended. A connection
    that breaks is made again; nothing is skipped or repeated.

    With --group, the events are shared with the group's other members, and each is acknowledged once its
    line is written and flushed: an event may be written twice if that is interrupted, but none is lost. The
    group is made if there is none, and goes on where it was; of one that exists, TOPIC may be left out.
    --until caught-up ends once all that is stored is acknowledged, by whichever member.
    """
    if not (topics or group):
        raise click.UsageError("Missing argument 'TOPIC...': at least one, or a --group that exists.")
    if max_in_flight and not group:
        raise click.UsageError("--max-in-flight is about a --group.")
    wanted = {
        "topics": topics,
        "start": start_of(position or LATEST),
        **selection(types, filter_, type_filters, fields, schema_version),
        "until_caught_up": until is not None,
        "client_name": client_name,
        "built_with": dict(built_with),
    }
    if group and not topics and (types or filter_):
        raise click.UsageError("What a group is to be is said as a whole: name TOPIC, too.")
    if group and not topics and position is not None:
        raise click.UsageError(
            f"--from is where a group starts that is made: name TOPIC, too. One that exists goes on where it "
            f"was; `tidegate group seek {group}` moves it."
        )
    try:
        if group:
            wanted |= {"group": group, "max_in_flight": max_in_flight or 0}
            run(server, lambda client: _share_events(client, wanted, limit))
        else:
            run(server, lambda client: _write_events(client, wanted, limit))
    except KeyboardInterrupt:
        return


async def _write_events(client: AsyncClient, wanted: dict[str, Any], limit: int | None) -> None:
    # A subscription waits a while for a gateway to appear; a call says at once that there is none.
    await anext(client.list_topics(), None)
    with ending_with_reader():
        async with client.subscribe(**wanted) as subscription:
            await _write_batches(subscription, limit)


async def _write_batches(subscription: AsyncSubscription, limit: int | None) -> None:
    left = sys.maxsize if limit is None else limit
    async for batch in subscription.batches():
        lines = [format_event(event) for event, _ in zip(batch, range(left), strict=False)]
        write_lines(lines)
        left -= len(lines)
        if not left:
            return


async def _share_events(client: AsyncClient, wanted: dict[str, Any], limit: int | None) -> None:
    await anext(client.list_topics(), None)
    with ending_with_reader():
        async with client.join(**wanted) as subscription:
            await _write_deliveries(subscription, limit)


async def _write_deliveries(subscription: AsyncGroupSubscription, limit: int | None) -> None:
    left = sys.maxsize if limit is None else limit
    while (batch := await subscription.next_unread()) is not None:
        # What is over the limit is not begun, and so goes to others untried.
        taken = [event for event, _ in zip(batch, range(left), strict=False) if event.begin()]
        write_lines([format_event(event) for event in taken])
        for event in taken:
            event.ack()
        left -= len(taken)
        if not left:
            return
