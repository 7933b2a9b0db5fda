"""A report as workflow commands of GitHub Actions: findings become annotations at the lines at fault."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegate.cli.report.words import (
    count_failing,
    describe_audiences,
    describe_backtest,
    describe_surroundings,
    describe_verdict,
    is_breaking,
)

if TYPE_CHECKING:
    from tidegate.cli.report.words import Outcome
    from tidegate.v1 import finding_pb2 as pb


def write_github(outcome: Outcome) -> None:
    """Writes one annotation a finding, and a summary that the log shows as it is."""
    for finding in (*outcome.breaking(), *outcome.notices()):
        click.echo(_annotate(outcome, finding))
    for label, text in describe_surroundings(outcome):
        level = "error" if label == "refused" else "notice"
        click.echo(_command(level, f"{outcome.subject}: {label} {text}", title=outcome.subject))
    if outcome.backtest is not None:
        level = "error" if count_failing(outcome.backtest) else "notice"
        text = "\n".join(describe_backtest(outcome))
        click.echo(_command(level, text, title=f"backtest on {outcome.topic}"))
    verdict = f"{outcome.subject} {describe_verdict(outcome.report)}"
    click.echo(_command("error", verdict, title=outcome.subject) if outcome.refused else verdict)


def _annotate(outcome: Outcome, finding: pb.Finding) -> str:
    position = finding.new_position
    text = "\n".join(
        filter(
            None,
            (
                f"{finding.path}: {finding.change}",
                finding.effect,
                f"Who: {describe_audiences(finding)}" if finding.audiences else "",
                f"Instead: {finding.suggestion}" if finding.suggestion else "",
            ),
        )
    )
    place = {}
    if position.file:
        place = {"file": _from_root(outcome.path_of(position.file))}
        place |= {"line": str(position.line)} if position.line else {}
        place |= {"col": str(position.column)} if position.column else {}
    level = "error" if is_breaking(finding) else "notice"
    return _command(level, text, **place, title=f"{finding.rule_id} {finding.path}")


def _command(level: str, text: str, **properties: str) -> str:
    """Answers a workflow command, escaped as GitHub reads it."""
    named = ",".join(f"{name}={_escape_property(value)}" for name, value in properties.items())
    return f"::{level} {named}::{_escape(text)}"


def _escape(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(text: str) -> str:
    return _escape(text).replace(":", "%3A").replace(",", "%2C")


def _from_root(path: str) -> str:
    """Answers a path as GitHub wants it: from the workspace on, whatever folder the command runs in."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return path
    absolute = Path(path).absolute()
    root = Path(workspace)
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else path
