"""``tidegate dead-letters``: reads, redrives and purges what groups gave up."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from tidegate.cli.group_facts import last_line
from tidegate.cli.output import format_count, format_time, json_option, write_facts, write_json, write_table
from tidegate.cli.session import run, run_listing
from tidegate.cli.values import SEQUENCE, format_examples
from tidegate.v1 import dead_letter_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tidegate.aio import AsyncClient
    from tidegate.v1 import group_service_pb2


def _selecting(*, with_all: bool) -> Callable[[Any], Any]:
    """Adds the arguments that say which dead letters are meant."""

    def add(command: Any) -> Any:
        options = [
            click.argument("sequences", metavar="[SEQUENCE]...", type=SEQUENCE, nargs=-1),
            click.option("--type", "type_", metavar="TYPE", default="", help="Those of this event type."),
            click.option(
                "--filter",
                "filter_",
                metavar="EXPR",
                default="",
                help="Those that this CEL expression holds of; over event.data with --type.",
            ),
            click.option(
                "--reason", metavar="TEXT", default="", help="Those whose last reason contains this."
            ),
        ]
        if with_all:
            options.append(click.option("--all", "all_", is_flag=True, help="All of them."))
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group(
    "dead-letters",
    epilog=format_examples(
        "tidegate dead-letters list billing",
        "tidegate dead-letters show billing 1200",
        "tidegate dead-letters redrive billing --all --rate 100",
    ),
)
def dead_letters() -> None:
    """Read, redrive and purge what groups gave up."""


@dead_letters.command(
    "list",
    epilog=format_examples(
        "tidegate dead-letters list billing",
        "tidegate dead-letters list billing --reason 'card declined' --json",
    ),
)
@click.argument("group")
@_selecting(with_all=False)
@json_option
@click.pass_obj
def list_(
    server: str,
    /,
    group: str,
    *,
    sequences: Sequence[int],
    type_: str,
    filter_: str,
    reason: str,
    as_json: bool,
) -> None:
    """List the dead letters of GROUP, or those that are named."""
    wanted = _selection(sequences, type_, filter_, reason)
    letters = run_listing(server, lambda client: client.list_dead_letters(group, **wanted))
    if as_json:
        write_json(*letters)
        return
    write_table(("SEQUENCE", "TYPE", "KEY", "GIVEN UP", "CAUSE", "ATTEMPTS", "WHY"), map(_row, letters))


@dead_letters.command(epilog=format_examples("tidegate dead-letters show billing 1200"))
@click.argument("group")
@click.argument("sequence", type=SEQUENCE)
@json_option
@click.pass_obj
def show(server: str, group: str, sequence: int, *, as_json: bool) -> None:
    """Show a dead letter of GROUP: its event with its data decoded, and every attempt."""
    letter = run(server, lambda client: client.get_dead_letter(group, sequence))
    if as_json:
        write_json(letter)
        return
    write_facts(_facts(letter))
    if letter.attempts:
        click.echo()
        write_table(("TIME", "PROGRAM", "MEMBER", "OUTCOME", "WHY"), map(_attempt, letter.attempts))
    if "\n" in letter.reason.strip():
        click.echo(f"\n{letter.reason.strip()}")


@dead_letters.command(
    epilog=format_examples(
        "tidegate dead-letters redrive billing 1200 1201",
        "tidegate dead-letters redrive billing --reason timeout --rate 50",
        "tidegate dead-letters redrive billing --all --dry-run",
    )
)
@click.argument("group")
@_selecting(with_all=True)
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="How many a second at most.")
@click.option("--dry-run", is_flag=True, help="Only tell how many it would be.")
@click.pass_obj
def redrive(
    server: str,
    /,
    group: str,
    *,
    sequences: Sequence[int],
    type_: str,
    filter_: str,
    reason: str,
    all_: bool,
    rate: float | None,
    dry_run: bool,
) -> None:
    """Give dead letters to GROUP again, and to nobody else.

    They are delivered as if they had never failed, ahead of events that wait. A key that is parked behind one
    goes on. Ctrl-C ends it where it is; what was redriven stays so.
    """
    wanted = _chosen(sequences, type_, filter_, reason, all_=all_)
    wanted |= {"events_per_second": rate or 0.0, "dry_run": dry_run}
    last: list[group_service_pb2.RedriveDeadLettersResponse] = []
    try:
        run(server, lambda client: _redrive(client, group, wanted, last))
    finally:
        if last and not dry_run:
            click.echo(f"redrove {format_count(last[-1].redriven_count, 'dead letter')} of group {group}")
    if dry_run and last:
        click.echo(f"would redrive {format_count(last[-1].total_count, 'dead letter')} of group {group}")


@dead_letters.command(
    epilog=format_examples(
        "tidegate dead-letters purge billing 1200",
        "tidegate dead-letters purge billing --type shop.v1.OrderPlaced --dry-run",
    )
)
@click.argument("group")
@_selecting(with_all=True)
@click.option("--dry-run", is_flag=True, help="Only tell how many it would be.")
@click.pass_obj
def purge(
    server: str,
    /,
    group: str,
    *,
    sequences: Sequence[int],
    type_: str,
    filter_: str,
    reason: str,
    all_: bool,
    dry_run: bool,
) -> None:
    """Forget dead letters of GROUP for good. Keys that are parked behind them stay parked."""
    wanted = _chosen(sequences, type_, filter_, reason, all_=all_) | {"dry_run": dry_run}
    count = run(server, lambda client: client.purge_dead_letters(group, **wanted))
    verb = "would purge" if dry_run else "purged"
    click.echo(f"{verb} {format_count(count, 'dead letter')} of group {group}")


async def _redrive(
    client: AsyncClient,
    group: str,
    wanted: dict[str, Any],
    last: list[group_service_pb2.RedriveDeadLettersResponse],
) -> None:
    with _progress() as show_progress:
        async for progress in client.redrive_dead_letters(group, **wanted):
            last[:] = [progress]
            show_progress(progress.redriven_count, progress.total_count)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], object]]:
    """Draws a bar on stderr, if that is a terminal; answers what is to be told how far it is."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def _selection(sequences: Sequence[int], type_: str, filter_: str, reason: str) -> dict[str, Any]:
    return {"sequences": sequences, "type": type_, "filter": filter_, "reason": reason}


def _chosen(sequences: Sequence[int], type_: str, filter_: str, reason: str, *, all_: bool) -> dict[str, Any]:
    """Answers which dead letters are meant.

    Raises:
        click.UsageError: None are named, or all and some.
    """
    is_some = bool(sequences or type_ or filter_ or reason)
    if all_ and is_some:
        raise click.UsageError("--all contradicts sequences, --type, --filter and --reason.")
    if not (all_ or is_some):
        raise click.UsageError("Say which: sequences, --type, --filter, --reason, or --all.")
    return _selection(sequences, type_, filter_, reason) | {"all": all_}


def _row(letter: dead_letter_pb2.DeadLetter) -> tuple[str, ...]:
    return (
        str(letter.sequence),
        letter.batch.type,
        letter.batch.events[0].key,
        format_time(letter.dead_time),
        _cause(letter),
        str(letter.attempt_count),
        last_line(letter.reason),
    )


def _cause(letter: dead_letter_pb2.DeadLetter) -> str:
    name = dead_letter_pb2.DeadLetterCause.Name(letter.cause)
    return name.removeprefix("DEAD_LETTER_CAUSE_").lower().replace("_", " ")


def _facts(letter: dead_letter_pb2.DeadLetter) -> Sequence[tuple[str, str]]:
    batch, event = letter.batch, letter.batch.events[0]
    attributes = ", ".join(f"{name}={value}" for name, value in sorted(event.attributes.items()))
    return (
        ("sequence", str(letter.sequence)),
        ("topic", batch.topic),
        ("type", f"{batch.type}, version {batch.schema_version}"),
        ("id", event.id or str(letter.sequence)),
        ("key", event.key + (" (parked)" if letter.key_parked else "")),
        ("time", format_time(event.time if event.HasField("time") else batch.append_time)),
        ("attributes", attributes or "none"),
        ("data", json.dumps(json.loads(letter.data_json), ensure_ascii=False) if letter.data_json else ""),
        ("given up", f"{format_time(letter.dead_time)}, {_cause(letter)}"),
        ("attempts", str(letter.attempt_count)),
        ("why", last_line(letter.reason)),
    )


def _attempt(attempt: dead_letter_pb2.Attempt) -> tuple[str, ...]:
    name = dead_letter_pb2.AttemptOutcome.Name(attempt.outcome)
    outcome = name.removeprefix("ATTEMPT_OUTCOME_").lower().replace("_", " ")
    return (
        format_time(attempt.time),
        attempt.client_name,
        attempt.member_id,
        outcome,
        last_line(attempt.reason),
    )
