"""``tidegate schema get``: shows a schema version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegate.cli.output import format_time, json_option, write_facts, write_json
from tidegate.cli.session import run
from tidegate.cli.values import format_examples

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tidegate.schema_admin import View
    from tidegate.v1 import schema_pb2


@click.command(
    epilog=format_examples(
        "tidegate schema get flights",
        "tidegate schema get flights --version 1 --json",
        "tidegate schema get flights --canonical",
        "tidegate schema get flights --descriptor-set flights.binpb",
    )
)
@click.argument("subject")
@click.option("--version", type=click.IntRange(1, 2**32 - 1), help="Default: the latest one.")
@click.option("--canonical", is_flag=True, help="Print its files from its descriptors.")
@click.option("--typed", is_flag=True, help="Print all files that its typed streams need.")
@click.option("--type", "types", multiple=True, help="With --typed: only this event type; may be repeated.")
@click.option(
    "--descriptor-set",
    "out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write its FileDescriptorSet to a file.",
)
@json_option
@click.pass_obj
def get(
    server: str,
    /,
    subject: str,
    *,
    version: int | None,
    canonical: bool,
    typed: bool,
    types: tuple[str, ...],
    out: Path | None,
    as_json: bool,
) -> None:
    """Show a schema version.

    Its facts, and its sources if it was registered with them. A deleted version is shown only if it is named.
    """
    if sum((canonical, typed, out is not None)) > 1:
        raise click.UsageError("--canonical, --typed and --descriptor-set contradict each other.")
    view: View | None = "canonical" if canonical else "typed" if typed else None
    if types and not typed:
        raise click.UsageError("--type chooses what --typed prints.")
    answer = run(
        server, lambda client: client.read_schema(subject, version=version or 0, view=view, types=types)
    )
    if out:
        _write_bytes(out, answer.schema.descriptor_set)
    elif as_json:
        write_json(answer if view else answer.schema)
    elif view:
        _write_files(answer.typed.files if view == "typed" else answer.canonical.files)
    else:
        write_facts(list(_facts(answer.schema)))
        _write_files(answer.schema.sources.files, apart=True)


def _facts(version: schema_pb2.SchemaVersion) -> Iterator[tuple[str, str]]:
    yield "subject", version.subject
    yield "version", str(version.version)
    yield "types", ", ".join(version.types)
    yield "created", format_time(version.create_time)
    if version.HasField("delete_time"):
        yield "deleted", format_time(version.delete_time)
    if version.references:
        yield "references", ", ".join(f"{each.subject}@{each.version}" for each in version.references)
    yield "fingerprint", version.fingerprint


def _write_files(files: Mapping[str, str], *, apart: bool = False) -> None:
    """Writes files under their names; ``apart``: with a line between what stands before and the first."""
    for name, text in sorted(files.items()):
        if apart:
            click.echo()
        click.echo(f"// {name}\n{text.rstrip()}")
        apart = True


def _write_bytes(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{path} can't be written: {error.strerror}.") from error
