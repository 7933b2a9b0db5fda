"""The registry's values as messages of the contract, and back.

Names of enum values are the same on both sides, but for the contract's prefixes; a test holds them equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.v1 import finding_pb2, schema_pb2
from tidegate.v1 import schema_service_pb2 as pb

from gateway.paging import fill_page
from registry.compat.promise import DEFAULT_PROMISE, Direction, Promise, Surface, Verdict
from registry.errors import InvalidRequest
from registry.schema import Candidate, SchemaReference, SubjectMode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.compat.finding import CounterExample, Finding, Place
    from registry.report import AffectedFilter, AffectedReader, CheckReport
    from registry.schema import Change, Reader, SchemaVersion, Subject

MAX_REFERENCES = 100
"""How many references a schema may have."""
FINDINGS_BYTES = 2 * 1024 * 1024
"""How large the findings of an answer become in all: with everything else, default clients take it."""
LIST_BYTES = 256 * 1024
"""How large each other list of a report becomes."""
_SEVERITIES: dict[Verdict, Any] = {
    Verdict.NOTICE: finding_pb2.FINDING_SEVERITY_NOTICE,
    Verdict.BREAKS: finding_pb2.FINDING_SEVERITY_BREAKS,
}


def read_candidate(request: pb.RegisterSchemaRequest | pb.CheckSchemaRequest) -> Candidate:
    """Answers the schema that a request carries.

    Raises:
        InvalidRequest: It carries none, or too many references.
    """
    if len(request.references) > MAX_REFERENCES:
        raise InvalidRequest(
            "references", f"are {len(request.references):,}; at most {MAX_REFERENCES} are allowed"
        )
    references = tuple(SchemaReference(each.subject, each.version) for each in request.references)
    match request.WhichOneof("schema"):
        case "sources":
            return Candidate(sources=dict(request.sources.files), references=references)
        case "descriptor_set":
            return Candidate(descriptor_set=request.descriptor_set, references=references)
    raise InvalidRequest("schema", "must be set: either sources or descriptor_set")


def read_direction(value: int, field: str, default: Direction = DEFAULT_PROMISE.direction) -> Direction:
    """Answers a direction; ``default`` if it is unspecified.

    Raises:
        InvalidRequest: There is no such value.
    """
    name = _name(schema_pb2.CompatibilityDirection, value, field)
    return Direction[name] if value else default


def read_surface(value: int, field: str, default: Surface = DEFAULT_PROMISE.surface) -> Surface:
    """Answers a surface; ``default`` if it is unspecified.

    Raises:
        InvalidRequest: There is no such value.
    """
    name = _name(schema_pb2.CompatibilitySurface, value, field)
    return Surface[name] if value else default


def read_promise(
    compatibility: schema_pb2.Compatibility, field: str, default: Promise = DEFAULT_PROMISE
) -> Promise:
    """Answers a promise; what it leaves unspecified is as in ``default``.

    Raises:
        InvalidRequest: It has a value that there is not.
    """
    return Promise(
        read_direction(compatibility.direction, f"{field}.direction", default.direction),
        read_surface(compatibility.surface, f"{field}.surface", default.surface),
    )


def read_mode(value: int, field: str) -> SubjectMode:
    """Answers a mode; READ_WRITE if it is unspecified.

    Raises:
        InvalidRequest: There is no such value.
    """
    name = _name(schema_pb2.SubjectMode, value, field)
    return SubjectMode[name] if value else SubjectMode.READ_WRITE


def compatibility_message(promise: Promise) -> schema_pb2.Compatibility:
    """Answers a promise as a message."""
    return schema_pb2.Compatibility(
        direction=enum_value(schema_pb2.CompatibilityDirection, promise.direction.name),
        surface=enum_value(schema_pb2.CompatibilitySurface, promise.surface.name),
    )


def subject_message(subject: Subject, default: Promise) -> schema_pb2.Subject:
    """Answers a subject with the promise that holds for it: its own, or the deployment's default."""
    answer = schema_pb2.Subject(
        name=subject.name,
        latest_version=subject.latest_version,
        compatibility=compatibility_message(subject.promise or default),
        default_compatibility=subject.promise is None,
        mode=enum_value(schema_pb2.SubjectMode, subject.mode.name),
        block_on_readers=subject.block_on_readers,
        etag=subject.etag,
    )
    answer.create_time.FromDatetime(subject.create_time)
    if subject.delete_time is not None:
        answer.delete_time.FromDatetime(subject.delete_time)
    return answer


def summary_message(schema: SchemaVersion) -> schema_pb2.SchemaVersion:
    """Answers a version without its descriptors and sources."""
    answer = schema_pb2.SchemaVersion(
        subject=schema.subject,
        version=schema.version,
        types=schema.types,
        fingerprint=schema.fingerprint,
        references=map(reference_message, schema.references),
    )
    answer.create_time.FromDatetime(schema.create_time)
    if schema.delete_time is not None:
        answer.delete_time.FromDatetime(schema.delete_time)
    return answer


def version_message(schema: SchemaVersion) -> schema_pb2.SchemaVersion:
    """Answers a version with its descriptors, and its sources if it has any."""
    answer = summary_message(schema)
    answer.descriptor_set = schema.descriptor_set
    if schema.sources is not None:
        answer.sources.files.update(schema.sources)
    return answer


def reference_message(reference: SchemaReference) -> schema_pb2.SchemaReference:
    """Answers a reference as a message."""
    return schema_pb2.SchemaReference(subject=reference.subject, version=reference.version)


def change_message(change: Change) -> schema_pb2.SchemaChange:
    """Answers a recorded change as a message."""
    answer = schema_pb2.SchemaChange(
        number=change.number,
        caller=change.author.caller,
        kind=enum_value(schema_pb2.SchemaChangeKind, change.kind.name),
        subject=change.subject,
        version=change.version,
        message=change.author.message,
        detail=change.detail,
    )
    answer.time.FromDatetime(change.time)
    return answer


def reader_message(reader: Reader) -> schema_pb2.Reader:
    """Answers a reader as a message."""
    answer = schema_pb2.Reader(
        client_name=reader.client_name,
        subject=reader.subject,
        version=reader.version,
        topics=reader.topics,
        types=reader.types,
        alive=reader.alive,
    )
    answer.last_seen_time.FromDatetime(reader.last_seen_time)
    return answer


def report_message(report: CheckReport) -> pb.CheckReport:
    """Answers a report as a message that default clients take; lists end where they must."""
    readers = fill_page(map(_affected_message, report.readers), len(report.readers), LIST_BYTES)
    return pb.CheckReport(
        compatible=not report.breaking_count,
        compatibility=compatibility_message(report.promise),
        against_versions=report.against,
        findings=finding_messages(report.findings, report.promise),
        breaking_count=report.breaking_count,
        notice_count=report.notice_count,
        equal_version=report.equal_version,
        readers=readers,
        referenced_by=map(reference_message, report.referenced_by),
        added_types=_fitting(report.added_types),
        removed_types=_fitting(report.removed_types),
        topics_in_need=_fitting(report.topics_in_need),
        blocked_by_readers=report.blocked_by_readers,
        filters=filter_messages(report.filters),
    )


def finding_messages(
    findings: Iterable[Finding], promise: Promise, room: int = FINDINGS_BYTES
) -> list[finding_pb2.Finding]:
    """Answers findings held against a promise: as many of the first as fit ``room`` bytes."""
    messages = (finding_message(finding, finding.verdict(promise)) for finding in findings)
    return fill_page(messages, room, room)


def finding_message(finding: Finding, verdict: Verdict) -> finding_pb2.Finding:
    """Answers a finding with what it means for a promise."""
    answer = finding_pb2.Finding(
        rule_id=finding.rule_id,
        path=finding.path,
        severity=_SEVERITIES.get(verdict, finding_pb2.FINDING_SEVERITY_NOTICE),
        change=finding.change,
        audiences=[enum_value(finding_pb2.FindingAudience, audience.name) for audience in finding.audiences],
        effect=finding.effect,
        suggestion=finding.suggestion,
        counter_examples=map(_example_message, finding.counter_examples),
        against_version=finding.against_version,
        breaks=finding.breaks(),
    )
    if finding.old_place is not None:
        answer.old_position.CopyFrom(_position_message(finding.old_place))
    if finding.new_place is not None:
        answer.new_position.CopyFrom(_position_message(finding.new_place))
    return answer


def _fitting(names: Iterable[str]) -> list[str]:
    """Answers as many of the first names as fit ``LIST_BYTES``."""
    room = LIST_BYTES
    fitting = []
    for name in names:
        room -= len(name.encode()) + 4
        if room < 0:
            break
        fitting.append(name)
    return fitting


def _affected_message(affected: AffectedReader) -> finding_pb2.AffectedReader:
    return finding_pb2.AffectedReader(reader=reader_message(affected.reader), findings=affected.findings)


def filter_messages(affected: Sequence[AffectedFilter]) -> list[pb.AffectedFilter]:
    """Answers filters that a schema breaks, as many as there is room for."""
    return fill_page(map(_filter_message, affected), len(affected), LIST_BYTES)


def _filter_message(affected: AffectedFilter) -> pb.AffectedFilter:
    live = affected.live
    return pb.AffectedFilter(
        group=live.group, client_name=live.client_name, type=live.type, filter=live.text, error=affected.error
    )


def _position_message(place: Place) -> finding_pb2.SourcePosition:
    return finding_pb2.SourcePosition(file=place.file, line=place.line, column=place.column, text=place.text)


def _example_message(example: CounterExample) -> finding_pb2.CounterExample:
    return finding_pb2.CounterExample(
        type=example.type,
        reader=enum_value(finding_pb2.FindingAudience, example.reader.name),
        encoding=enum_value(finding_pb2.EventEncoding, example.encoding.name),
        written=example.written,
        payload=example.payload,
        read=example.read,
        error=example.error,
    )


def _prefix(enum: Any) -> str:
    return str(enum.Name(0)).removesuffix("UNSPECIFIED")


def enum_value(enum: Any, name: str) -> Any:
    """Answers the value of an enum of the contract by its name without the prefix."""
    return enum.Value(_prefix(enum) + name)


def _name(enum: Any, value: int, field: str) -> str:
    if value not in enum.values():
        raise InvalidRequest(field, f"{value} is no value of {enum.DESCRIPTOR.name}")
    return str(enum.Name(value)).removeprefix(_prefix(enum))
