"""``tidegate schema``: registers and reads schemas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegate.cli.output import format_time, json_option, write_facts, write_json, write_table
from tidegate.cli.session import run, run_listing
from tidegate.cli.sources import collect_sources
from tidegate.cli.values import format_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.v1 import schema_pb2, schema_service_pb2

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.group(
    epilog=format_examples(
        "tidegate schema register flights proto/flights.proto",
        "tidegate schema list",
        "tidegate schema get flights --version 1",
    )
)
def schema() -> None:
    """Register and read schemas."""


@schema.command(
    epilog=format_examples(
        "tidegate schema register flights proto/flights.proto",
        "tidegate schema register shop -I proto proto/shop/v1/*.proto",
        "tidegate schema register shop --descriptor-set shop.binpb",
    )
)
@click.argument("subject")
@click.argument("files", metavar="[FILE.proto]...", nargs=-1, type=FILE)
@click.option(
    "-I",
    "folders",
    metavar="DIR",
    multiple=True,
    type=FOLDER,
    help="Folder that names and imports are relative to. Default: each file's own folder.",
)
@click.option("--descriptor-set", type=FILE, help="A serialized FileDescriptorSet, instead of files.")
@json_option
@click.pass_obj
def register(
    server: str,
    subject: str,
    files: tuple[Path, ...],
    folders: tuple[Path, ...],
    descriptor_set: Path | None,
    *,
    as_json: bool,
) -> None:
    """Register a schema as SUBJECT's next version.

    The gateway compiles and checks it. A schema that is there already answers its version. What the files
    import is sent along if it is below DIR; google/protobuf, google/type, google/rpc and buf/validate are
    the gateway's own.
    """
    if bool(files) == bool(descriptor_set):
        raise click.UsageError("Name either .proto files or one --descriptor-set.")
    sources = None if descriptor_set else collect_sources(files, folders)
    compiled = descriptor_set.read_bytes() if descriptor_set else None
    answer = run(server, lambda client: client.register(subject, files=sources, descriptor_set=compiled))
    if as_json:
        write_json(answer)
    else:
        click.echo(_describe(answer))


def _describe(answer: schema_service_pb2.RegisterSchemaResponse) -> str:
    state = "registered" if answer.created else "was there already"
    types = ", ".join(answer.schema.types) or "no event types"
    return f"{answer.schema.subject} version {answer.schema.version} {state}: {types}"


@schema.command(
    epilog=format_examples(
        "tidegate schema get flights",
        "tidegate schema get flights --version 1 --json",
    )
)
@click.argument("subject")
@click.option("--version", type=click.IntRange(1, 2**32 - 1), help="Default: the latest one.")
@json_option
@click.pass_obj
def get(server: str, subject: str, version: int | None, *, as_json: bool) -> None:
    """Show a schema version: its facts, and its sources if it was registered with them."""
    found = run(server, lambda client: client.get_schema(subject, version=version or 0))
    if as_json:
        write_json(found)
        return
    write_facts(_facts(found))
    for name, text in sorted(found.sources.files.items()):
        click.echo(f"\n// {name}\n{text.rstrip()}")


def _facts(version: schema_pb2.SchemaVersion) -> Sequence[tuple[str, str]]:
    return (
        ("subject", version.subject),
        ("version", str(version.version)),
        ("types", ", ".join(version.types)),
        ("created", format_time(version.create_time)),
        ("fingerprint", version.fingerprint),
    )


@schema.command("list", epilog=format_examples("tidegate schema list", "tidegate schema list flights --json"))
@click.argument("subject", required=False)
@json_option
@click.pass_obj
def list_(server: str, subject: str | None, *, as_json: bool) -> None:
    """List the subjects, or the versions of SUBJECT."""
    if subject is None:
        _list_subjects(server, as_json=as_json)
    else:
        _list_versions(server, subject, as_json=as_json)


def _list_subjects(server: str, *, as_json: bool) -> None:
    subjects = run_listing(server, lambda client: client.list_subjects())
    if as_json:
        write_json(*subjects)
        return
    rows = [(entry.name, str(entry.latest_version), format_time(entry.create_time)) for entry in subjects]
    write_table(("SUBJECT", "LATEST VERSION", "CREATED"), rows)


def _list_versions(server: str, subject: str, *, as_json: bool) -> None:
    versions = run_listing(server, lambda client: client.list_schemas(subject))
    if as_json:
        write_json(*versions)
        return
    write_table(("VERSION", "CREATED", "FINGERPRINT", "TYPES"), map(_row, versions))


def _row(version: schema_pb2.SchemaVersion) -> tuple[str, ...]:
    created = format_time(version.create_time)
    return (str(version.version), created, version.fingerprint[:12], ", ".join(version.types))
