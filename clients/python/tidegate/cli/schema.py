"""``tidegate schema``: the commands of the registry, each in the module that its name says."""

from __future__ import annotations

import click

from tidegate.cli.schema_check import check
from tidegate.cli.schema_delete import delete, restore
from tidegate.cli.schema_diff import diff
from tidegate.cli.schema_get import get
from tidegate.cli.schema_list import list_, log, readers
from tidegate.cli.schema_register import register
from tidegate.cli.schema_settings import settings
from tidegate.cli.values import format_examples


class _InOrder(click.Group):
    """Lists its commands in the order in which they are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Answers the names."""
        return list(self.commands)


@click.group(
    cls=_InOrder,
    epilog=format_examples(
        "tidegate schema check flights proto/flights.proto",
        "tidegate schema register flights proto/flights.proto --message 'delays in seconds'",
        "tidegate schema list",
        "tidegate schema get flights --version 1",
    ),
)
def schema() -> None:
    """Check, register, read, compare and delete schemas."""


for command in (check, register, list_, get, diff, settings, log, readers, delete, restore):
    schema.add_command(command)
