"""``tidegate read``: writes stored events as JSON lines, and ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

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
from tidegate.cli.values import POSITION, Position, format_examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from tidegate.aio import AsyncClient

PAGE = 10_000
"""Events a page: as many as the gateway gives at once."""
MOST_LAST = 100_000
"""How many of the last events can be read: they are held until the first of them is there."""


@click.command(
    epilog=format_examples(
        "tidegate read airport.departures --key UA-EWR",
        "tidegate read airport.departures --last 10",
        "tidegate read 'airport.>' --from 2013-01-04T00:00:00Z --to 2013-01-05T00:00:00Z | jq .data",
        "tidegate read airport.departures --type flights.v1.Departed \\\\",
        "  --filter 'event.data.delay_minutes > 60' --backwards --limit 5",
    )
)
@click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--key", help="Only events of this key; quick for topics that index their keys.")
@type_option
@filter_option
@type_filter_option
@fields_option
@schema_version_option
@click.option(
    "--from",
    "position",
    type=POSITION,
    default="earliest",
    show_default=True,
    help="The first event: earliest, a sequence, or a time (by when it was appended).",
)
@click.option(
    "--to", "end", type=POSITION, help="The last event: latest, a sequence (inclusive), or a time (not)."
)
@click.option("--last", type=click.IntRange(1, MOST_LAST), help="Only the last so many events, in order.")
@click.option("--backwards", is_flag=True, help="Write the newest event first.")
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.pass_obj
def read(
    server: str,
    *,
    topics: Sequence[str],
    key: str | None,
    types: tuple[str, ...],
    filter_: str,
    type_filters: tuple[tuple[str, str], ...],
    fields: str,
    schema_version: int | None,
    position: Position,
    end: Position | None,
    last: int | None,
    backwards: bool,
    limit: int | None,
) -> None:
    """Write stored events as JSON lines, and end.

    A TOPIC may be a pattern: `*` stands for one level, `>` for all below. Lines are those of `tidegate
    subscribe`. What is appended after the command began is not written.
    """
    if last and (limit or backwards):
        raise click.UsageError("--last contradicts --limit and --backwards: it is both at once.")
    most = last or limit
    wanted = {
        "topics": topics,
        "key": key,
        **selection(types, filter_, type_filters, fields, schema_version),
        "start": start_from(position),
        "end": end_at(end),
        "backwards": backwards or last is not None,
        "page_size": min(most or PAGE, PAGE),
    }
    try:
        run(server, lambda client: _write_events(client, wanted, most, reverse=last is not None))
    except KeyboardInterrupt:
        raise click.Abort from None


def start_from(position: Position) -> Any:
    """Answers where to begin, as the client's methods want it.

    Raises:
        click.UsageError: Nothing lies there.
    """
    if position.end == "latest":
        raise click.UsageError("--from latest leaves nothing to read: it begins behind what is stored.")
    return start_of(position)


def end_at(position: Position | None) -> int | datetime | None:
    """Answers where to end, as the client's methods want it.

    Raises:
        click.UsageError: Nothing lies there.
    """
    if position is None or position.end == "latest":
        return None
    if position.end == "earliest":
        raise click.UsageError("--to earliest leaves nothing to read: it ends where it begins.")
    return position.sequence if position.sequence is not None else position.time


async def _write_events(
    client: AsyncClient, wanted: dict[str, Any], most: int | None, *, reverse: bool
) -> None:
    left = most
    held: list[bytes] = []
    with ending_with_reader():
        async for page in client.read_events(**wanted).pages():
            events = page if left is None else (event for event, _ in zip(page, range(left), strict=False))
            lines = [format_event(event) for event in events]
            left = None if left is None else left - len(lines)
            if reverse:
                held += lines
            else:
                write_lines(lines)
            if left == 0:
                break
        write_lines(held[::-1])
