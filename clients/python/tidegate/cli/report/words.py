"""A check's outcome in words: the verdict, and what every form of a report says alike. Imports no gRPC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tidegate.cli.output import format_count
from tidegate.v1 import finding_pb2 as pb
from tidegate.v1 import schema_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tidegate.v1 import backtest_pb2, schema_service_pb2

CUT = 200
"""How much of an example is shown of each text."""
_VALUES = "RULE_"
"""How ids begin of findings about which values are allowed."""
AUDIENCES = {
    pb.FINDING_AUDIENCE_OLD_READERS: "old readers of new events",
    pb.FINDING_AUDIENCE_NEW_READERS: "new readers of old events",
    pb.FINDING_AUDIENCE_JSON_READERS: "readers of JSON",
    pb.FINDING_AUDIENCE_GENERATED_CODE: "generated code",
    pb.FINDING_AUDIENCE_OLD_PRODUCERS: "producers of the old version",
}
"""Who notices a change, in words."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a check.

    Attributes:
        subject: The subject's name.
        report: What the schema would change.
        backtest: What stored events make of it; None if they were not asked.
        topic: The topic of the backtest.
        paths: From a file's name to where the command line found it.
    """

    subject: str
    report: schema_service_pb2.CheckReport
    backtest: backtest_pb2.BacktestReport | None = None
    topic: str = ""
    paths: Mapping[str, Path] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether the schema should not be registered, or could not be."""
        report = self.report
        return bool(
            report.breaking_count
            or report.blocked_by_readers
            or report.topics_in_need
            or (self.backtest and count_failing(self.backtest))
        )

    def breaking(self) -> list[pb.Finding]:
        """Answers the findings that break the promise."""
        return [finding for finding in self.report.findings if is_breaking(finding)]

    def notices(self) -> list[pb.Finding]:
        """Answers the other ones."""
        return [finding for finding in self.report.findings if not is_breaking(finding)]

    def path_of(self, file: str) -> str:
        """Answers where a file of the schema is; its name if the command line did not name it."""
        return str(self.paths.get(file, file))

    def place(self, finding: pb.Finding) -> str:
        """Answers the finding's place in the schema as editors know it; empty if it is not known."""
        position = finding.new_position
        return format_position(position, self.path_of(position.file)) if position.file else ""


def is_breaking(finding: pb.Finding) -> bool:
    """Tells whether a finding breaks the promise."""
    return finding.severity == pb.FINDING_SEVERITY_BREAKS


def count_failing(backtest: backtest_pb2.BacktestReport) -> int:
    """Answers how many stored events, at least, the schema can't take; unknown fields are none of them."""
    return max(backtest.unparsable, backtest.breaking_rules, backtest.without_type)


def format_position(position: pb.SourcePosition, path: str) -> str:
    """Answers ``shop/v1/order.proto:12:3``, or what of it is known."""
    return ":".join([path, *(str(number) for number in (position.line, position.column) if number)])


def format_promise(promise: schema_pb2.Compatibility) -> str:
    """Answers a promise as the gateway says it: ``BACKWARD WIRE``."""
    return f"{format_direction(promise.direction)} {format_surface(promise.surface)}"


def format_direction(direction: schema_pb2.CompatibilityDirection) -> str:
    """Answers a direction without the contract's prefix."""
    return schema_pb2.CompatibilityDirection.Name(direction).removeprefix("COMPATIBILITY_DIRECTION_")


def format_surface(surface: schema_pb2.CompatibilitySurface) -> str:
    """Answers a surface without the contract's prefix."""
    return schema_pb2.CompatibilitySurface.Name(surface).removeprefix("COMPATIBILITY_SURFACE_")


def describe_verdict(report: schema_service_pb2.CheckReport) -> str:
    """Answers the verdict on a schema: ``breaks BACKWARD WIRE with version 3: 2 findings, 1 notice``."""
    if report.equal_version and not report.breaking_count:
        return f"has this schema as version {report.equal_version}"
    if not report.against_versions:
        return "has no version to be compared with"
    promise = format_promise(report.compatibility)
    counts = _describe_counts(report)
    if report.breaking_count:
        return f"breaks {promise} with {_describe_versions(report)}: {counts}"
    return f"holds {promise} with {_describe_versions(report)}{': ' if counts else ''}{counts}"


def _describe_versions(report: schema_service_pb2.CheckReport) -> str:
    versions = list(report.against_versions)
    if report.breaking_count:
        versions = sorted({each.against_version for each in report.findings if is_breaking(each)}) or versions
    if len(versions) == 1:
        return f"version {versions[0]}"
    shown = ", ".join(map(str, versions[:10])) + (", …" if len(versions) > 10 else "")
    return f"versions {shown}"


def _describe_counts(report: schema_service_pb2.CheckReport) -> str:
    breaking = format_count(report.breaking_count, "finding") if report.breaking_count else ""
    notices = format_count(report.notice_count, "notice") if report.notice_count else ""
    listed = len(report.findings)
    most = f"the first {listed:,} shown" if listed < report.breaking_count + report.notice_count else ""
    return ", ".join(filter(None, (breaking, notices, most)))


def describe_surroundings(outcome: Outcome) -> Iterator[tuple[str, str]]:
    """Yields what else a registration would mean, each with the word that it stands under."""
    report = outcome.report
    for label, types in (("adds", report.added_types), ("removes", report.removed_types)):
        if types and report.against_versions:
            yield label, f"{'event type' if len(types) == 1 else 'event types'} {', '.join(types)}"
    for reader in report.readers:
        yield "reader", describe_reader(reader)
    for affected in report.filters:
        yield "filter", describe_filter(affected)
    if report.blocked_by_readers:
        yield "refused", "while these readers are alive: the subject blocks on readers"
    if report.topics_in_need:
        plural = "topic" if len(report.topics_in_need) == 1 else "topics"
        yield "refused", f"while {plural} {', '.join(report.topics_in_need)} need what it removes"
    if report.referenced_by:
        named = ", ".join(f"{each.subject} version {each.version}" for each in report.referenced_by)
        yield "used by", f"{named}: they stay on the version that they name"


def describe_reader(affected: pb.AffectedReader) -> str:
    """Answers a reader that the schema would break, and by what."""
    reader = affected.reader
    state = "alive" if reader.alive else "not seen lately"
    what = f": {'; '.join(affected.findings)}" if affected.findings else ""
    return f"{reader.client_name} (built with version {reader.version}, {state}) would break{what}"


def describe_filter(affected: schema_service_pb2.AffectedFilter) -> str:
    """Answers a live filter that does not compile with the schema, and why."""
    whose = f"group {affected.group}" if affected.group else affected.client_name or "a subscription"
    what = f"would get no {affected.type} of the new version"
    return f"of {whose} {what}: `{cut(affected.filter)}`: {affected.error}"


def describe_audiences(finding: pb.Finding) -> str:
    """Answers who notices."""
    return ", ".join(AUDIENCES[audience] for audience in finding.audiences if audience in AUDIENCES)


def describe_example(finding: pb.Finding, example: pb.CounterExample) -> Iterator[str]:
    """Yields the lines that tell how an event is written by one side and read by the other."""
    against = finding.against_version
    old, new = f"version {against}" if against else "the old version", "the new schema"
    writer, reader = (new, old) if example.reader == pb.FINDING_AUDIENCE_OLD_READERS else (old, new)
    is_json = example.encoding == pb.EVENT_ENCODING_JSON
    payload = "as JSON" if is_json else f"as {cut(example.payload, 80) or 'no bytes'}"
    if is_json and example.payload != example.written:
        payload = f"as JSON {cut(example.payload)}"
    yield f"{writer} writes {cut(example.written)} {payload}"
    if example.error:
        fails = "refuses it" if finding.rule_id.startswith(_VALUES) else "fails to read it"
        yield f"{reader} {fails}: {cut(example.error)}"
    else:
        yield f"{reader} reads {cut(example.read)}"


def describe_backtest(outcome: Outcome) -> Iterator[str]:
    """Yields the lines that tell what stored events make of the schema; none without a backtest."""
    found = outcome.backtest
    if found is None:
        return
    where = f"backtest on {outcome.topic}"
    if not found.examined:
        yield f"{where}: there are no events"
        return
    counts = (
        (found.passed, "pass"),
        (found.unparsable, "can't be read"),
        (found.breaking_rules, "break rules"),
        (found.without_type, "have a type that is gone"),
        (found.with_unknown_fields, "have fields that it doesn't know"),
    )
    parts = [f"{count:,} {what}" for count, what in counts if count or what == "pass"]
    events = format_count(found.examined, "event")
    yield f"{where}: {events}, sequences {found.first_sequence} to {found.last_sequence}: {', '.join(parts)}"
    for rule in found.rules:
        yield f"  {rule.field} [{rule.rule_id}]: {format_count(rule.events, 'event')}"
    for sample in found.samples:
        event = f"sequence {sample.sequence}, {sample.type}, version {sample.schema_version}"
        for violation in sample.violations:
            rule_id = f" [{violation.rule_id}]" if violation.rule_id else ""
            yield f"  {event}: {violation.field}: {violation.description}{rule_id}"


def cut(text: str, length: int = CUT) -> str:
    """Answers a text in one line, cut where it is too long to be read."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[:length]}…"


def printable(text: str) -> str:
    """Answers a text without what would steer a terminal: it may come from somebody else's schema."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in "\n\t" else "\N{REPLACEMENT CHARACTER}" for each in text
    )
