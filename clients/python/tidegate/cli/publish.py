"""``tidegate publish``: publishes events from JSON lines."""

from __future__ import annotations

import asyncio
import os
import stat
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, RenderableColumn, TimeElapsedColumn

from tidegate.cli.lines import BadLine, parse_event, read_lines
from tidegate.cli.output import format_count
from tidegate.cli.session import run
from tidegate.cli.values import format_examples
from tidegate.errors import LimitExceeded, TidegateError
from tidegate.schemas import build_class

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tidegate.aio import AsyncClient
    from tidegate.outbox import Published
    from tidegate.publisher import AsyncPublisher

REFUSED_AT_MOST = 100
"""Refused lines after which publishing ends: then it is not the lines that are wrong."""
PATIENCE = 3.0
"""Seconds in which what was read before an interruption may still be published."""


@click.command(
    epilog=format_examples(
        "tidegate publish airport.departures --type flights.v1.Departed departures.jsonl",
        "zcat departures.jsonl.gz | tidegate publish airport.departures --type flights.v1.Departed",
        "tidegate subscribe a.b --from earliest --until caught-up |",
        "  tidegate publish c.d --type flights.v1.Departed --envelope",
    )
)
@click.argument("topic")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--type", "event_type", metavar="TYPE", required=True, help="Event type: a full message name.")
@click.option("--envelope", is_flag=True, help="Lines are objects with id, key, time, attributes and data.")
@click.pass_obj
def publish(server: str, topic: str, file: IO[bytes], event_type: str, *, envelope: bool) -> None:
    """Publish events from JSON lines.

    FILE, or stdin, has one JSON object a line: the event's data in ProtoJSON, or with --envelope an object
    with id, key, time, attributes and data, of which only data must be there. Events are written with the
    schema's latest version.

    A line that is refused is named on stderr, with its field and rule; the other lines are published all the
    same, and the exit code is then 1. After 100 refused lines publishing ends.
    """
    outcome = Outcome(file.name)
    source = Source(topic, event_type, file, envelope=envelope)
    try:
        run(server, lambda client: _publish_all(client, source, outcome))
    finally:
        if outcome.lines:
            click.echo(outcome.describe(topic), err=True)
    if outcome.refused:
        raise click.exceptions.Exit(1)


@dataclass(frozen=True, slots=True)
class Source:
    """What is published, and where to."""

    topic: str
    event_type: str
    file: IO[bytes]
    envelope: bool


@dataclass(slots=True)
class Outcome:
    """What became of the lines so far.

    Attributes:
        name: Of the file, for messages.
        lines: How many were read.
        published: Events that are durable.
        first, last: The lowest and the highest of their sequences.
        refused: Lines that are no events of the type, or that the gateway refused.
        failure: What makes it pointless to go on.
    """

    name: str
    lines: int = 0
    published: int = 0
    first: int = 0
    last: int = 0
    refused: int = 0
    failure: Exception | None = None

    def __rich__(self) -> str:
        """Answers what stands beside the progress bar."""
        return format_count(self.published, "event")

    def settle(self, number: int, future: asyncio.Future[Published]) -> None:
        """Notes what became of one line."""
        error = None if future.cancelled() else future.exception()
        if future.cancelled() or isinstance(error, RuntimeError):
            return  # interrupted: nobody refused it
        if error is None:
            self._count(future.result().sequence)
        elif isinstance(error, TidegateError) and error.violations:
            self.refuse(number, f"{error.reason}: " + "; ".join(map(str, error.violations)))
        elif isinstance(error, Exception):
            self.failure = self.failure or error

    def refuse(self, number: int, why: str) -> None:
        """Names a refused line on stderr."""
        self.refused += 1
        if self.refused <= REFUSED_AT_MOST:
            click.echo(f"Error: {self.name}, line {number}: {why}", err=True)
        if self.refused == REFUSED_AT_MOST:
            self.failure = click.ClickException(
                f"{REFUSED_AT_MOST} lines were refused: the rest is not tried."
            )

    def describe(self, topic: str) -> str:
        """Answers the summary."""
        if not self.published:
            text = f"published nothing to {topic}"
        elif self.published == 1:
            text = f"published 1 event to {topic}, sequence {self.first}"
        else:
            text = f"published {self.published:,} events to {topic}, sequences {self.first} to {self.last}"
        unknown = self.lines - self.published - self.refused
        refused = f"; refused {format_count(self.refused, 'line')}" if self.refused else ""
        return text + refused + (f"; {format_count(unknown, 'line')} not acknowledged" if unknown else "")

    def _count(self, sequence: int) -> None:
        self.published += 1
        self.first = min(self.first or sequence, sequence)
        self.last = max(self.last, sequence)


async def _publish_all(client: AsyncClient, source: Source, outcome: Outcome) -> None:
    await client.get_topic(source.topic)
    schema = await client.get_schema(type=source.event_type)
    message_class = build_class(schema.descriptor_set, source.event_type)
    with _progress(source.file, outcome) as advance:
        async with _publishing(client) as publisher:
            async for number, line in read_lines(source.file.fileno()):
                advance(line)
                outcome.lines += 1
                try:
                    event = parse_event(line, message_class, envelope=source.envelope)
                    future = await publisher.publish(source.topic, event, schema_version=schema.version)
                except (BadLine, LimitExceeded) as error:
                    outcome.refuse(number, str(error))
                else:
                    future.add_done_callback(partial(outcome.settle, number))
                if outcome.failure:
                    break
    if outcome.failure:
        raise outcome.failure


@asynccontextmanager
async def _publishing(client: AsyncClient) -> AsyncIterator[AsyncPublisher]:
    """Flushes at the end; an interrupted command waits no longer than a moment for a gateway that is gone."""
    publisher = client.publisher()
    try:
        yield publisher
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            await asyncio.wait_for(publisher.close(), PATIENCE)
        raise
    await publisher.close()


@contextmanager
def _progress(file: IO[bytes], outcome: Outcome) -> Iterator[Callable[[bytes], None]]:
    """Draws a bar on stderr, if that is a terminal; answers what is to be told of each line."""
    console = Console(stderr=True)
    if not console.is_terminal or file.isatty():
        yield lambda _line: None
        return
    status = os.fstat(file.fileno())
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    columns = (BarColumn(), RenderableColumn(outcome), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=size)
        yield lambda line: progress.advance(bar, len(line) + 1)
