"""``tidegate schema diff``: the difference of two versions."""

from __future__ import annotations

import click

from tidegate.cli.output import format_count, json_option, write_json
from tidegate.cli.report.words import is_breaking, printable
from tidegate.cli.session import run
from tidegate.cli.values import format_examples
from tidegate.v1 import schema_diff_pb2 as pb

_VERSION = click.IntRange(1, 2**32 - 1)
_MARKS = {
    pb.SCHEMA_DIFFERENCE_KIND_ADDED: ("+", "green"),
    pb.SCHEMA_DIFFERENCE_KIND_REMOVED: ("-", "red"),
    pb.SCHEMA_DIFFERENCE_KIND_CHANGED: ("~", "yellow"),
    pb.SCHEMA_DIFFERENCE_KIND_MOVED: (">", "blue"),
    pb.SCHEMA_DIFFERENCE_KIND_COMMENT: ("#", "cyan"),
}


@click.command(
    epilog=format_examples(
        "tidegate schema diff flights",
        "tidegate schema diff flights --old 1 --new 3",
        "tidegate schema diff flights --text",
    )
)
@click.argument("subject")
@click.option("--old", type=_VERSION, help="Default: the version before the newer one.")
@click.option("--new", type=_VERSION, help="Default: the latest one.")
@click.option("--text", is_flag=True, help="Write a unified diff of the canonical texts.")
@json_option
@click.pass_obj
def diff(server: str, subject: str, old: int | None, new: int | None, *, text: bool, as_json: bool) -> None:
    """Show the difference of two versions of SUBJECT.

    By structure: `+` was added, `-` removed, `~` changed, `>` moved; `#` is a comment that changed; `!` says
    how the promise of SUBJECT is broken.
    """
    found = run(server, lambda client: client.diff_schemas(subject, old=old or 0, new=new or 0))
    if as_json:
        write_json(found)
    elif text:
        click.echo(printable(found.text), nl=False)
    else:
        for difference in found.differences:
            click.echo(_describe(difference))
        for finding in filter(is_breaking, found.findings):
            click.echo(click.style(printable(f"! {finding.path}: {finding.effect}"), fg="red", bold=True))
        counted = format_count(found.difference_count, "difference")
        click.echo(f"{subject} versions {found.old_version} and {found.new_version}: {counted}")


def _describe(difference: pb.SchemaDifference) -> str:
    mark, colour = _MARKS.get(difference.kind, ("?", "white"))
    sides = " -> ".join(filter(None, (difference.old, difference.new)))
    line = f"{mark} {difference.element} {difference.path}{': ' if sides else ''}{sides}"
    return click.style(printable(line), fg=colour)
