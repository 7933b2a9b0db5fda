"""``tidegate replay``: publishes stored events to another topic again."""

from __future__ import annotations

import asyncio
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, RenderableColumn, TimeElapsedColumn, TimeRemainingColumn

from tidegate.cli.output import format_count
from tidegate.cli.read import PAGE, end_at, start_from
from tidegate.cli.replaying import ATTRIBUTE, Pace, Pending, Replayed, Way
from tidegate.cli.selecting import filter_option, type_option
from tidegate.cli.session import Refused, run
from tidegate.cli.values import POSITION, SPEED, Position, Speed, format_examples
from tidegate.connection import Backoff
from tidegate.errors import TidegateError, UnexpectedSequence
from tidegate.outgoing import new_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.aio import AsyncClient
    from tidegate.received import Batch, Event

_log = logging.getLogger("tidegate")

PATIENCE = 60.0
"""Seconds for which a gateway that is away is waited for."""
REPLAYED = f'"{ATTRIBUTE}" in event.attributes'
"""The filter that finds what was replayed."""


@click.command(
    epilog=format_examples(
        "tidegate replay shop.orders shop.orders-copy",
        "tidegate replay shop.orders shop.test --from 2013-01-04T00:00:00Z --to 2013-01-05T00:00:00Z",
        "tidegate replay shop.orders shop.test --speed 10x",
        "tidegate replay shop.orders shop.test --key A1 --speed 500/s",
    )
)
@click.argument("source")
@click.argument("target")
@click.option("--key", help="Only events of this key.")
@type_option
@filter_option
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
@click.option(
    "--speed",
    type=SPEED,
    default="max",
    show_default=True,
    help="as-recorded, a number a second such as 500/s, a number of times as fast such as 10x, or max.",
)
@click.pass_obj
def replay(
    server: str,
    *,
    source: str,
    target: str,
    key: str | None,
    types: tuple[str, ...],
    filter_: str,
    position: Position,
    end: Position | None,
    speed: Speed,
) -> None:
    """Publish stored events to another topic again.

    Events of SOURCE, a topic or a pattern, go to TARGET, a topic that exists, in their order, with their
    ids, keys, times and attributes, and the attribute replayed_from, which says topic/sequence. What TARGET
    has already is left out: a replay that was interrupted goes on where it was when it is run again, and no
    event is published twice, not even by two replays at once (as far as TARGET's retention has kept what was
    replayed before).

    as-recorded and times of it follow the times at which the events were appended to the log.
    """
    if source == target:
        raise click.UsageError("SOURCE and TARGET are the same topic.")
    wanted = {
        "topics": source,
        "key": key,
        "types": types,
        "filter": filter_,
        "start": start_from(position),
        "end": end_at(end),
        "page_size": PAGE,
    }
    outcome = Outcome()
    try:
        run(server, lambda client: _Replay(client, target, speed, outcome).run(wanted))
    except Refused:
        if outcome.has_begun:
            click.echo(outcome.describe(source, target), err=True)
        raise
    except KeyboardInterrupt:
        click.echo(outcome.describe(source, target), err=True)
        raise
    click.echo(outcome.describe(source, target), err=True)


@dataclass(slots=True)
class Outcome:
    """What became of the replay so far.

    Attributes:
        published: Events that were published.
        left_out: Events that the target had already.
        position: The last sequence of the source that was dealt with.
        is_done: Whether it came to its end.
    """

    published: int = 0
    left_out: int = 0
    position: int = 0
    is_done: bool = False

    @property
    def has_begun(self) -> bool:
        """Whether there is anything that another run would go on behind."""
        return bool(self.published or self.left_out)

    def __rich__(self) -> str:
        """Answers what stands beside the progress bar."""
        return format_count(self.published, "event")

    def describe(self, source: str, target: str) -> str:
        """Answers the summary."""
        there = f"; {format_count(self.left_out, 'event')} were there already" if self.left_out else ""
        end = "" if self.is_done else "; interrupted: run it again to go on"
        return f"replayed {format_count(self.published, 'event')} from {source} to {target}{there}{end}"


class _Replay:
    """One run of a replay. See the rules of ``replaying``."""

    def __init__(self, client: AsyncClient, target: str, speed: Speed, outcome: Outcome) -> None:
        self._client = client
        self._target = target
        self._pace = Pace(speed)
        self._outcome = outcome
        self._replayed = Replayed()
        self._last_sequence = 0
        self._loop = asyncio.get_running_loop()
        self._backoff = Backoff()

    async def run(self, wanted: dict[str, Any]) -> None:
        """Replays what is wanted."""
        await self._look_at_target()
        began = self._loop.time()
        pending = Pending(self._target)
        end = wanted["end"]
        with _progress(self._outcome, Way(end if isinstance(end, int) else None)) as show:
            async for page in self._client.read_events(**wanted).pages():
                # A pattern may match the target, too: what stands there is not replayed into itself.
                for batch in (each for each in page.batches if each.topic != self._target):
                    for event in batch:
                        pending = await self._take(pending, batch, event, began)
                        show(event.sequence, page.head_sequence)
            await self._publish(pending)
        self._outcome.is_done = True

    async def _take(self, pending: Pending, batch: Batch, event: Event, began: float) -> Pending:
        """Deals with the next event; answers what waits now."""
        if event.sequence not in self._replayed:
            due = began + self._pace.next_due(batch.append_time)
            if due > self._loop.time() or pending.is_full:
                await self._publish(pending)
                pending = Pending(self._target)
                await asyncio.sleep(due - self._loop.time())
        if event.sequence in self._replayed:  # or came to be, while what waited was published
            self._outcome.left_out += 1
        else:
            pending.add(batch, event)
        return pending

    async def _publish(self, pending: Pending) -> None:
        """Publishes what waits, all of it and once, whatever happens in between."""
        failing_since: float | None = None
        while pending:
            try:
                answer = await self._client.publish_request(pending.request(new_id(), self._last_sequence))
            except UnexpectedSequence:
                await self._look_again(pending)
            except TidegateError as error:
                failing_since = failing_since or self._loop.time()
                if not error.is_transient or self._loop.time() - failing_since > PATIENCE:
                    raise
                _log.info("the replay is interrupted and goes on by itself: %s", error)
                await asyncio.sleep(self._backoff.next_delay())
            else:
                self._backoff.reset()
                self._outcome.published += len(pending)
                last = answer.results[-1]
                self._last_sequence = last.first_sequence + last.count - 1
                return

    async def _look_at_target(self) -> None:
        """Learns what the target has of any source, behind where it was last looked at."""
        topic = await self._client.get_topic(self._target)
        last = topic.stats.last_sequence
        if last > self._last_sequence:
            found = self._client.read_events(
                self._target, filter=REPLAYED, start=self._last_sequence + 1, end=last, page_size=PAGE
            )
            async for event in found:
                self._replayed.add(event.envelope.attributes[ATTRIBUTE])
            self._last_sequence = last

    async def _look_again(self, pending: Pending) -> None:
        before = len(pending)
        await self._look_at_target()
        pending.leave_out(self._replayed)
        self._outcome.left_out += before - len(pending)


@contextmanager
def _progress(outcome: Outcome, way: Way) -> Iterator[Callable[[int, int], object]]:
    """Draws a bar on stderr, if that is a terminal; answers what is to be told of each event."""
    console = Console(stderr=True)
    columns = (BarColumn(), RenderableColumn(outcome), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        if progress.disable:
            yield lambda _sequence, _head: None
            return
        bar = progress.add_task("", total=None)

        def show(sequence: int, head: int) -> None:
            done, total = way.come(sequence, head)
            progress.update(bar, completed=done, total=total)

        yield show
