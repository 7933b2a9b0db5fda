"""A report in GitHub's Markdown, for the comment on a change that is reviewed."""

from __future__ import annotations

import re
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
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.cli.report.words import Outcome
    from tidegate.v1 import finding_pb2 as pb

_CODE = re.compile(r"(`[^`\n]+`)")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~@])")


def write_markdown(outcome: Outcome) -> None:
    """Writes a heading with the verdict, a table of the findings, and the details of those that break."""
    for line in _report_lines(outcome):
        click.echo(line)


def _report_lines(outcome: Outcome) -> Iterator[str]:
    mark = "\N{CROSS MARK}" if outcome.refused else "\N{WHITE HEAVY CHECK MARK}"
    yield f"### {mark} {_code(outcome.subject)} {_text(describe_verdict(outcome.report))}"
    yield ""
    findings = [*outcome.breaking(), *outcome.notices()]
    if findings:
        yield "| | element | change | who notices |"
        yield "| --- | --- | --- | --- |"
        for finding in findings:
            yield _row(outcome, finding)
        yield ""
    for finding in filter(is_breaking, findings):
        yield from _details(outcome, finding)
    for label, text in describe_surroundings(outcome):
        yield f"* **{label}** {_text(text)}"
    tried = list(describe_backtest(outcome))
    if tried:
        yield ""
        yield from _block("\n".join(tried))


def _row(outcome: Outcome, finding: pb.Finding) -> str:
    severity = "**breaks**" if is_breaking(finding) else "notice"
    place = outcome.place(finding)
    element = _code(finding.path) + (f"<br>{_text(place)}" if place else "")
    change = f"{_text(finding.change)}<br>{_code(finding.rule_id)}"
    return " | ".join((f"| {severity}", element, change, f"{_text(describe_audiences(finding))} |"))


def _details(outcome: Outcome, finding: pb.Finding) -> Iterator[str]:
    yield f"<details><summary>{_html(finding.path)}: {_html(finding.change)}</summary>"
    yield ""
    if finding.effect:
        yield _text(finding.effect)
        yield ""
    written = [("was", finding.old_position), ("now", finding.new_position)]
    sources = [
        f"// {word}: {format_position(at, outcome.path_of(at.file) if word == 'now' else at.file)}\n{at.text}"
        for word, at in written
        if at.text
    ]
    if sources:
        yield from _block("\n".join(sources), "proto")
    for example in finding.counter_examples:
        yield from _block("\n".join(describe_example(finding, example)))
    if finding.suggestion:
        yield "Instead:"
        yield ""
        yield from _block(finding.suggestion)
    yield "</details>"
    yield ""


def _text(text: str) -> str:
    """Answers a text of one line with what Markdown would take for its own escaped, besides code."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(
        part.replace("|", r"\|") if index % 2 else _SPECIAL.sub(r"\\\1", part)
        for index, part in enumerate(parts)
    )


def _code(text: str) -> str:
    return f"`{text}`" if re.fullmatch(r"[\w.()\[\]-]+", text) else _text(text)


def _html(text: str) -> str:
    return " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _block(text: str, language: str = "") -> Iterator[str]:
    """Yields a block of code, whose fence is longer than any in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    yield f"{fence}{language}"
    yield text.rstrip()
    yield fence
    yield ""
