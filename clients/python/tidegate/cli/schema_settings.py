"""``tidegate schema settings``: what versions promise each other, and who may add some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.output import format_time, json_option, write_facts, write_json
from tidegate.cli.promise import MODES, NameType, direction_option, message_option, surface_option
from tidegate.cli.report.words import format_promise
from tidegate.cli.session import run
from tidegate.cli.values import format_examples
from tidegate.v1 import schema_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.v1.schema_service_pb2 import GetSubjectResponse


@click.command(
    epilog=format_examples(
        "tidegate schema settings",
        "tidegate schema settings --direction FULL --surface WIRE_JSON",
        "tidegate schema settings flights",
        "tidegate schema settings flights --direction BACKWARD_TRANSITIVE --message 'replays'",
        "tidegate schema settings flights --mode READ_ONLY",
    )
)
@click.argument("subject", required=False)
@direction_option("Who must be able to read what.")
@surface_option("Which encodings; SOURCE means generated code too.")
@click.option("--default", is_flag=True, help="Promise what the deployment promises by default.")
@click.option("--mode", type=NameType(MODES), help="Who may add versions.")
@click.option(
    "--block-on-readers/--no-block-on-readers",
    default=None,
    help="Refuse a version while a reader that it would break is alive.",
)
@message_option
@json_option
@click.pass_obj
def settings(server: str, /, subject: str | None, *, message: str, as_json: bool, **named: Any) -> None:
    """Show what SUBJECT promises, or change it.

    Without SUBJECT: what subjects promise that say nothing themselves. A subject that does not exist yet can
    be given settings, which then hold for its first version.
    """
    changes = {name: value for name, value in named.items() if value not in {None, False}}
    if named["block_on_readers"] is False:
        changes["block_on_readers"] = False
    if subject is None:
        _run_defaults(server, changes, message, as_json=as_json)
        return
    if changes.pop("default", False):
        if changes.keys() & {"direction", "surface"}:
            raise click.UsageError("--default contradicts --direction and --surface.")
        changes["default_compatibility"] = True
    if changes:
        run(server, lambda client: client.update_subject(subject, **changes, message=message))
    found = run(server, lambda client: client.get_subject(subject))
    if as_json:
        write_json(found.subject)
    else:
        write_facts(list(_facts(found)))


def _run_defaults(server: str, changes: dict[str, Any], message: str, *, as_json: bool) -> None:
    if not changes.keys() <= {"direction", "surface"}:
        raise click.UsageError("Without SUBJECT only --direction and --surface can be set.")
    if changes:
        promise = run(server, lambda client: client.update_schema_defaults(**changes, message=message))
    else:
        promise = run(server, lambda client: client.get_schema_defaults())
    if as_json:
        write_json(promise)
    else:
        write_facts([("promise", f"{format_promise(promise)} (of subjects that say nothing themselves)")])


def _facts(found: GetSubjectResponse) -> Iterator[tuple[str, str]]:
    subject = found.subject
    default = " (the default)" if subject.default_compatibility else ""
    yield "subject", subject.name
    yield "promise", f"{format_promise(subject.compatibility)}{default}"
    yield "mode", schema_pb2.SubjectMode.Name(subject.mode).removeprefix("SUBJECT_MODE_")
    yield "readers", "block versions that break them" if subject.block_on_readers else "block nothing"
    yield "latest version", str(subject.latest_version or "none")
    yield "created", format_time(subject.create_time)
    if subject.HasField("delete_time"):
        yield "deleted", format_time(subject.delete_time)
    if found.referenced_by:
        yield "used by", ", ".join(f"{each.subject}@{each.version}" for each in found.referenced_by)
