"""``tidegate schema check``: says what a schema would change, whom it breaks, and what to write instead."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click
from google.protobuf.json_format import MessageToDict
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tidegate.cli.candidate import read_candidate, schema_arguments
from tidegate.cli.output import format_count
from tidegate.cli.promise import direction_option, surface_option
from tidegate.cli.report.github import write_github
from tidegate.cli.report.markdown import write_markdown
from tidegate.cli.report.text import write_text
from tidegate.cli.report.words import Outcome
from tidegate.cli.session import run
from tidegate.cli.values import HIGHEST_SEQUENCE, format_examples
from tidegate.v1 import backtest_pb2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FORMS = ("text", "json", "markdown", "github")
HIGHEST_VERSION = 2**32 - 1
_POSITIVE = click.IntRange(1, HIGHEST_SEQUENCE)
Against = int | Literal["all"] | None


class AgainstType(click.ParamType[Any]):
    """``latest``, ``all``, or a version's number."""

    name = "latest|all|VERSION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Answers the version, 0 for the latest one, or ``all``."""
        text = str(value)
        if text == "latest":
            return 0
        if text == "all":
            return text
        if not (text.isascii() and text.isdecimal() and 0 < int(text[:11]) <= HIGHEST_VERSION):
            self.fail(f"{text!r} is no version: latest, all, or a number from 1 on.", param, ctx)
        return int(text)


@click.command(
    epilog=format_examples(
        "tidegate schema check flights proto/flights.proto",
        "tidegate schema check shop -I proto proto/shop/v1/*.proto --against all --direction FULL",
        "tidegate schema check shop -I proto proto/shop/v1/*.proto --backtest shop.orders --last 10000",
        "tidegate schema check shop -I proto proto/shop/v1/*.proto --format github",
    )
)
@schema_arguments
@click.option(
    "--against",
    metavar="latest|all|VERSION",
    type=AgainstType(),
    help="Compare with these versions, not with what counts.",
)
@direction_option("Hold it to this direction, instead of the subject's.")
@surface_option("Hold it to this surface, instead of the subject's.")
@click.option("--backtest", "topic", metavar="TOPIC", help="Try it on the events that are stored there too.")
@click.option("--last", metavar="COUNT", type=_POSITIVE, help="Only on the last so many events.")
@click.option("--from-sequence", metavar="SEQUENCE", type=_POSITIVE, help="Only on events from there on.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMS),
    default="text",
    show_default=True,
    help="How to write the report: markdown for a comment, github for annotations.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.pass_obj
def check(
    server: str,
    /,
    *,
    against: Against,
    direction: Any,
    surface: Any,
    topic: str | None,
    last: int | None,
    from_sequence: int | None,
    form: str,
    as_json: bool,
    **schema: Any,
) -> None:
    """Say what a schema would break, and what to write instead.

    Nothing is registered. The schema is held to what SUBJECT promises, against the versions that count; with
    --backtest it is also tried on stored events. The exit code is 0 if it can be registered, 1 if it breaks
    something.
    """
    candidate = read_candidate(**schema)
    backtest = _read_backtest(topic, last, from_sequence)
    with _progress(shown=backtest is not None) as advance:
        found = run(
            server,
            lambda client: client.check_schema(
                candidate.subject,
                **candidate.arguments(),
                against=against,
                direction=direction,
                surface=surface,
                backtest=backtest,
                on_progress=advance,
            ),
        )
    outcome = Outcome(candidate.subject, found.report, found.backtest, topic or "", candidate.sources.paths)
    _WRITERS["json" if as_json else form](outcome)
    if outcome.refused:
        raise click.exceptions.Exit(1)


def _read_backtest(
    topic: str | None, last: int | None, from_sequence: int | None
) -> backtest_pb2.Backtest | None:
    if last and from_sequence:
        raise click.UsageError("--last and --from-sequence contradict each other.")
    if topic is None:
        if last or from_sequence:
            raise click.UsageError("--last and --from-sequence say which events of a --backtest TOPIC.")
        return None
    backtest = backtest_pb2.Backtest(topic=topic)
    if last:
        backtest.last_events = last
    if from_sequence:
        backtest.from_sequence = from_sequence
    return backtest


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[backtest_pb2.BacktestProgress], None]]:
    """Draws a bar on stderr, if that is a terminal; answers what is to be told how far it is."""
    console = Console(stderr=True)
    if not (shown and console.is_terminal):
        yield lambda _progress: None
        return
    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda at: progress.update(
            bar,
            completed=at.examined,
            total=at.total,
            description=f"{at.examined:,} of {format_count(at.total, 'event')}",
        )


def _write_json(outcome: Outcome) -> None:
    """Writes one object in one line: what programs look at is there, also where it is false or none."""

    def values(message: Any) -> dict[str, Any]:
        return MessageToDict(
            message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )

    answer = {"subject": outcome.subject, "refused": outcome.refused, "report": values(outcome.report)}
    if outcome.backtest is not None:
        answer["backtest"] = values(outcome.backtest)
    click.echo(json.dumps(answer, ensure_ascii=False))


_WRITERS: dict[str, Callable[[Outcome], None]] = {
    "text": write_text,
    "json": _write_json,
    "markdown": write_markdown,
    "github": write_github,
}
