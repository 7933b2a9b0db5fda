"""Backtests as messages of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.v1 import backtest_pb2 as pb

from gateway.history import Wanted

if TYPE_CHECKING:
    from gateway.backtest import Progress
    from registry.checking.tried import Report, Sample


def read_wanted(backtest: pb.Backtest) -> Wanted:
    """Answers which stored events a request names."""
    chosen = backtest.WhichOneof("range")
    return Wanted(
        backtest.topic,
        last_events=backtest.last_events if chosen == "last_events" else None,
        from_sequence=backtest.from_sequence if chosen == "from_sequence" else None,
        end_sequence=backtest.end_sequence,
        types=tuple(backtest.types),
    )


def progress_message(progress: Progress) -> pb.BacktestProgress:
    """Answers how far a backtest is, as a message."""
    return pb.BacktestProgress(examined=progress.examined, total=progress.total, position=progress.position)


def tried_message(report: Report) -> pb.BacktestReport:
    """Answers what a backtest found, as a message."""
    return pb.BacktestReport(
        examined=report.examined,
        passed=report.passed,
        unparsable=report.unparsable,
        with_unknown_fields=report.with_unknown_fields,
        breaking_rules=report.breaking_rules,
        without_type=report.without_type,
        rules=[
            pb.RuleFailures(rule_id=rule.rule_id, field=rule.field, events=rule.events)
            for rule in report.rules
        ],
        samples=map(_sample_message, report.samples),
        first_sequence=report.first_sequence,
        last_sequence=report.last_sequence,
    )


def _sample_message(sample: Sample) -> pb.BacktestSample:
    return pb.BacktestSample(
        sequence=sample.sequence,
        type=sample.type,
        schema_version=sample.schema_version,
        violations=[
            pb.BacktestViolation(field=each.field, description=each.description, rule_id=each.rule_id)
            for each in sample.violations
        ],
    )
