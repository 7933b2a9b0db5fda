"""``tidegate subscribe``: writes events as JSON lines."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from google.protobuf.json_format import MessageToDict

from tidegate.cli.candidate import ReferenceType
from tidegate.cli.session import run
from tidegate.cli.values import POSITION, Position, format_examples
from tidegate.cursor import Start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from tidegate.aio import AsyncClient
    from tidegate.received import Event
    from tidegate.subscription import AsyncSubscription


@click.command(
    epilog=format_examples(
        "tidegate subscribe airport.departures",
        "tidegate subscribe airport.departures --from earliest --until caught-up > departures.jsonl",
        "tidegate subscribe 'airport.*' 'shop.>' --from 2013-01-04T12:00:00Z | jq .data",
        "tidegate subscribe airport.departures --from 1200 --limit 10",
    )
)
@click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Event type to read; may be repeated.")
@click.option(
    "--from",
    "position",
    type=POSITION,
    default="latest",
    show_default=True,
    help="Where to start: earliest, latest, a sequence, or a time such as 2013-01-04T12:00:00Z.",
)
@click.option("--limit", type=click.IntRange(1), help="End after so many events.")
@click.option("--client-name", metavar="NAME", default="", help="What the program calls itself that reads.")
@click.option(
    "--built-with",
    metavar="SUBJECT@VERSION",
    type=ReferenceType(),
    multiple=True,
    help="The version that it was built with; a check of a schema then tells whether it would break.",
)
@click.option("--until", type=click.Choice(["caught-up"]), help="End once everything stored was written.")
@click.pass_obj
def subscribe(
    server: str,
    *,
    topics: Sequence[str],
    types: Sequence[str],
    position: Position,
    limit: int | None,
    until: str | None,
    client_name: str,
    built_with: Sequence[tuple[str, int]],
) -> None:
    """Write events as JSON lines, until Ctrl-C.

    A TOPIC may be a pattern: `*` stands for one level, `>` for all below. Each line has topic, sequence,
    type, schema_version, id, key, time, attributes and data: ProtoJSON with the field names of the schema
    version that the event names. A time given to --from is about when events were appended. A connection
    that breaks is made again; nothing is skipped or repeated.
    """
    wanted = {
        "topics": topics,
        "start": _start(position),
        "types": types,
        "until_caught_up": until is not None,
        "client_name": client_name,
        "built_with": dict(built_with),
    }
    try:
        run(server, lambda client: _write_events(client, wanted, limit))
    except KeyboardInterrupt:
        return


async def _write_events(client: AsyncClient, wanted: dict[str, Any], limit: int | None) -> None:
    # A subscription waits a while for a gateway to appear; a call says at once that there is none.
    await anext(client.list_topics(), None)
    with _ending_with_reader():
        async with client.subscribe(**wanted) as subscription:
            await _write_batches(subscription, limit)


async def _write_batches(subscription: AsyncSubscription, limit: int | None) -> None:
    left = sys.maxsize if limit is None else limit
    async for batch in subscription.batches():
        lines = [_format_event(event) for event, _ in zip(batch, range(left), strict=False)]
        sys.stdout.buffer.writelines(lines)
        sys.stdout.buffer.flush()
        left -= len(lines)
        if not left:
            return


def _start(position: Position) -> Start | int | datetime:
    if position.end is not None:
        return Start[position.end.upper()]
    return position.sequence if position.sequence is not None else position.time or Start.LATEST


def _format_event(event: Event) -> bytes:
    line = {
        "topic": event.topic,
        "sequence": str(event.sequence),  # as ProtoJSON has it: other languages' numbers end at 2^53
        "type": event.type,
        "schema_version": event.schema_version,
        "id": event.id,
        "key": event.key,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "attributes": dict(event.attributes),
        "data": _decode_data(event),
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _decode_data(event: Event) -> Any:
    message = event.message
    try:
        return MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=message.DESCRIPTOR.file.pool
        )
    except (TypeError, ValueError) as error:  # such as an Any of a type that the schema does not have
        what = f"event {event.sequence} ({event.type}, version {event.schema_version})"
        raise click.ClickException(f"{what} is not possible as JSON: {error}") from error


@contextmanager
def _ending_with_reader() -> Iterator[None]:
    """Raises BrokenPipeError once nobody reads stdout any more, also while there is nothing to write."""
    if not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        yield
        return
    loop, task, gone = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def leave() -> None:
        loop.remove_reader(sys.stdout.fileno())
        gone.set()
        if task:
            task.cancel()

    # The writing end of a pipe never has anything to read: it only reports that the other end is closed.
    loop.add_reader(sys.stdout.fileno(), leave)
    try:
        yield
    except asyncio.CancelledError:
        if gone.is_set():
            raise BrokenPipeError from None
        raise
    finally:
        loop.remove_reader(sys.stdout.fileno())
