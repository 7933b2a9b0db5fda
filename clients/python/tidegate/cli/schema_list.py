"""``tidegate schema list``, ``log`` and ``readers``: what there is, what was changed, and who reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tidegate.cli.output import format_time, json_option, write_json, write_table
from tidegate.cli.report.words import format_promise
from tidegate.cli.session import run_listing
from tidegate.cli.values import format_examples
from tidegate.v1 import schema_pb2

if TYPE_CHECKING:
    from tidegate.v1.schema_pb2 import Reader, SchemaChange, SchemaVersion, Subject


@click.command(
    "list",
    epilog=format_examples(
        "tidegate schema list", "tidegate schema list flights --json", "tidegate schema list --deleted"
    ),
)
@click.argument("subject", required=False)
@click.option("--deleted", is_flag=True, help="List what was deleted too.")
@json_option
@click.pass_obj
def list_(server: str, subject: str | None, *, deleted: bool, as_json: bool) -> None:
    """List the subjects, or the versions of SUBJECT."""
    if subject is None:
        _list_subjects(server, deleted=deleted, as_json=as_json)
    else:
        _list_versions(server, subject, deleted=deleted, as_json=as_json)


def _list_subjects(server: str, *, deleted: bool, as_json: bool) -> None:
    subjects = run_listing(server, lambda client: client.list_subjects(show_deleted=deleted))
    if as_json:
        write_json(*subjects)
        return
    headers = ("SUBJECT", "LATEST VERSION", "CREATED", "PROMISE", *(("DELETED",) if deleted else ()))
    write_table(headers, (_subject_row(each)[: len(headers)] for each in subjects))


def _subject_row(subject: Subject) -> tuple[str, ...]:
    promise, created = format_promise(subject.compatibility), format_time(subject.create_time)
    gone = format_time(subject.delete_time) if subject.HasField("delete_time") else ""
    return subject.name, str(subject.latest_version), created, promise, gone


def _list_versions(server: str, subject: str, *, deleted: bool, as_json: bool) -> None:
    versions = run_listing(server, lambda client: client.list_schemas(subject, show_deleted=deleted))
    if as_json:
        write_json(*versions)
        return
    headers = ("VERSION", "CREATED", "FINGERPRINT", "TYPES", *(("DELETED",) if deleted else ()))
    write_table(headers, (_version_row(each)[: len(headers)] for each in versions))


def _version_row(version: SchemaVersion) -> tuple[str, ...]:
    types, created = ", ".join(version.types), format_time(version.create_time)
    gone = format_time(version.delete_time) if version.HasField("delete_time") else ""
    return str(version.version), created, version.fingerprint[:12], types, gone


@click.command(epilog=format_examples("tidegate schema log", "tidegate schema log flights --json | head -3"))
@click.argument("subject", required=False, default="")
@json_option
@click.pass_obj
def log(server: str, subject: str, *, as_json: bool) -> None:
    """List what was changed in the registry, or of SUBJECT.

    When, by whom, what and why; the latest first.
    """
    changes = run_listing(server, lambda client: client.list_schema_changes(subject))
    if as_json:
        write_json(*changes)
        return
    write_table(("TIME", "WHO", "WHAT", "SUBJECT", "DETAIL", "WHY"), map(_change_row, changes))


def _change_row(change: SchemaChange) -> tuple[str, ...]:
    kind = schema_pb2.SchemaChangeKind.Name(change.kind).removeprefix("SCHEMA_CHANGE_KIND_").lower()
    subject = f"{change.subject}@{change.version}" if change.version else change.subject or "(defaults)"
    return format_time(change.time), change.caller, kind, subject, change.detail, change.message


@click.command(epilog=format_examples("tidegate schema readers flights"))
@click.argument("subject")
@json_option
@click.pass_obj
def readers(server: str, subject: str, *, as_json: bool) -> None:
    """List who reads SUBJECT, and with which version.

    The gateway knows readers that name themselves when they subscribe.
    """
    found = run_listing(server, lambda client: client.list_readers(subject))
    if as_json:
        write_json(*found)
        return
    write_table(("READER", "VERSION", "STATE", "LAST SEEN", "TOPICS", "TYPES"), map(_reader_row, found))


def _reader_row(reader: Reader) -> tuple[str, ...]:
    state = "alive" if reader.alive else "gone"
    seen = format_time(reader.last_seen_time)
    types = ", ".join(reader.types) or "all"
    return reader.client_name, str(reader.version), state, seen, ", ".join(reader.topics), types
