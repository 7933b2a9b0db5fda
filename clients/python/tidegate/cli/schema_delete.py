"""``tidegate schema delete`` and ``restore``: hides versions and subjects, and makes them seen again."""

from __future__ import annotations

import sys

import click

from tidegate.cli.output import json_option, write_json
from tidegate.cli.promise import message_option
from tidegate.cli.session import run
from tidegate.cli.values import format_examples

_VERSION = click.option(
    "--version", type=click.IntRange(1, 2**32 - 1), help="Only this version. Default: the whole subject."
)


@click.command(
    epilog=format_examples(
        "tidegate schema delete flights --version 3 --message 'registered by mistake'",
        "tidegate schema delete flights --yes",
        "tidegate schema delete flights --purge --yes",
    )
)
@click.argument("subject")
@_VERSION
@click.option("--purge", is_flag=True, help="Remove for good what was deleted before.")
@click.option("--yes", is_flag=True, help="Don't ask on a terminal.")
@message_option
@click.pass_obj
def delete(server: str, subject: str, version: int | None, *, purge: bool, yes: bool, message: str) -> None:
    """Hide a version of SUBJECT, or all of it.

    Nothing can be published with it any more. It still decodes the events that are stored, and can be
    restored. With --purge it is removed for good, if no stored event, topic or other schema needs it.
    """
    what = _name(subject, version)
    if not yes and sys.stdin.isatty():
        click.confirm(f"{'Remove' if purge else 'Delete'} {what}{' for good' if purge else ''}?", abort=True)
    run(server, lambda client: client.delete_schema(subject, version or 0, purge=purge, message=message))
    if purge:
        click.echo(f"{what} removed for good")
    else:
        flag = f" --version {version}" if version else ""
        click.echo(f"{what} deleted; `tidegate schema restore {subject}{flag}` brings it back")


@click.command(
    epilog=format_examples(
        "tidegate schema restore flights --version 3",
        "tidegate schema restore flights",
    )
)
@click.argument("subject")
@_VERSION
@message_option
@json_option
@click.pass_obj
def restore(server: str, subject: str, version: int | None, *, message: str, as_json: bool) -> None:
    """Bring back a version that was deleted, or all of SUBJECT.

    SUBJECT comes back with the versions that were deleted with it.
    """
    restored = run(server, lambda client: client.restore_schema(subject, version or 0, message=message))
    if as_json:
        write_json(restored)
    else:
        click.echo(f"{_name(subject, version)} restored; the latest version is {restored.latest_version}")


def _name(subject: str, version: int | None) -> str:
    return f"{subject} version {version}" if version else f"subject {subject}"
