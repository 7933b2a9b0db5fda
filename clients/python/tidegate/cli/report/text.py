"""A report for people at a terminal, and for logs: as compilers write, so that editors find the places."""

from __future__ import annotations

import shutil
import sys
import textwrap
from typing import TYPE_CHECKING

import click

from tidegate.cli.report.words import (
    describe_audiences,
    describe_backtest,
    describe_example,
    describe_surroundings,
    describe_verdict,
    format_position,
    is_breaking,
    printable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.cli.report.words import Outcome
    from tidegate.v1 import finding_pb2 as pb

_LABEL = 9
_NARROWEST = 40


def write_text(outcome: Outcome, *, err: bool = False) -> None:
    """Writes a report; in colours if it goes to a terminal."""
    stream = sys.stderr if err else sys.stdout
    width = shutil.get_terminal_size().columns if stream.isatty() else 0
    for line in _report_lines(outcome, width):
        click.echo(line, err=err)


def _report_lines(outcome: Outcome, width: int) -> Iterator[str]:
    for finding in (*outcome.breaking(), *outcome.notices()):
        yield _headline(outcome, finding)
        details = _details(finding) if is_breaking(finding) else [("effect", finding.effect)]
        for label, text in details:
            yield from _labelled(label, text, width)
        yield ""
    for label, text in describe_surroundings(outcome):
        yield from _labelled(label, text, width, "red" if label == "refused" else "cyan")
    yield from map(printable, describe_backtest(outcome))
    colour = "red" if outcome.refused else "green"
    yield click.style(f"{outcome.subject} {describe_verdict(outcome.report)}", fg=colour, bold=True)


def _headline(outcome: Outcome, finding: pb.Finding) -> str:
    breaks = is_breaking(finding)
    severity = click.style("breaks" if breaks else "notice", fg="red" if breaks else "yellow", bold=True)
    place = outcome.place(finding)
    start = f"{click.style(printable(place), bold=True)}: " if place else ""
    what = click.style(printable(f"{finding.path}: {finding.change}"), bold=True)
    return f"{start}{severity}: {what} [{finding.rule_id}]"


def _details(finding: pb.Finding) -> Iterator[tuple[str, str]]:
    """Yields what is to be known of a finding, each text with the word that it stands under."""
    yield "now", finding.new_position.text
    yield "was", _old(finding)
    yield "who", describe_audiences(finding)
    yield "effect", finding.effect
    for example in finding.counter_examples:
        yield "proof", "\n".join(describe_example(finding, example))
    yield "instead", finding.suggestion


def _old(finding: pb.Finding) -> str:
    position = finding.old_position
    if not position.file:
        return ""
    version = f"version {finding.against_version}, " if finding.against_version else ""
    where = f"({version}{format_position(position, position.file)})"
    return f"{position.text}   {where}" if position.text else where


def _labelled(label: str, text: str, width: int, colour: str = "cyan") -> Iterator[str]:
    """Yields the lines of a text behind its label; nothing for an empty text."""
    if not text:
        return
    head = click.style(f"{label:>{_LABEL}}  ", fg=colour)
    for line in _wrap(printable(text), width - _LABEL - 2):
        yield f"{head}{line}"
        head = " " * (_LABEL + 2)


def _wrap(text: str, width: int) -> Iterator[str]:
    """Yields the lines of a text, folded where a terminal is too narrow for them."""
    for line in text.rstrip().splitlines():
        if width < _NARROWEST or len(line) <= width:
            yield line
        else:
            indent = " " * (len(line) - len(line.lstrip()))
            yield from textwrap.wrap(
                line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
            )
