"""Which events a command is about: the options that select them and what is shown of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from tidegate.cursor import Start

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from tidegate.cli.values import Position

_Command = TypeVar("_Command", bound="Callable[..., Any]")


class TypeFilterType(click.ParamType[tuple[str, str]]):
    """``TYPE=EXPRESSION``."""

    name = "TYPE=EXPR"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Answers the event type and the filter."""
        if isinstance(value, tuple):
            return value
        name, equals, expression = str(value).partition("=")
        if not (name.strip() and equals and expression.strip()):
            self.fail(
                f"{value!r} is no filter of a type: TYPE=EXPRESSION, such as "
                f"'shop.v1.OrderPaid=event.data.amount_cents > 1000'.",
                param,
                ctx,
            )
        return name.strip(), expression.strip()


type_option: Callable[[_Command], _Command] = click.option(
    "--type", "types", metavar="TYPE", multiple=True, help="Event type to read; may be repeated."
)
filter_option: Callable[[_Command], _Command] = click.option(
    "--filter",
    "filter_",
    metavar="EXPR",
    default="",
    help="A CEL expression over event; over event.data with one --type: 'event.data.delay_minutes > 30'.",
)
type_filter_option: Callable[[_Command], _Command] = click.option(
    "--type-filter",
    "type_filters",
    type=TypeFilterType(),
    multiple=True,
    help="A filter for events of one --type; may be repeated.",
)
fields_option: Callable[[_Command], _Command] = click.option(
    "--fields", metavar="A,B.C", default="", help="Fields of the data to write; all others are left out."
)
schema_version_option: Callable[[_Command], _Command] = click.option(
    "--schema-version",
    type=click.IntRange(1, 2**32 - 1),
    help="Write data as this version of its schema knows it.",
)


def selection(
    types: tuple[str, ...],
    filter_: str,
    type_filters: tuple[tuple[str, str], ...],
    fields: str,
    schema_version: int | None,
) -> dict[str, Any]:
    """Answers what the options say, as the client's methods want it.

    Raises:
        click.UsageError: They contradict each other.
    """
    if filter_ and type_filters:
        raise click.UsageError("--filter and --type-filter contradict each other.")
    names = [name for name, _ in type_filters]
    missing = [name for name in names if name not in types]
    if missing:
        raise click.UsageError(f"--type-filter {missing[0]}=… needs --type {missing[0]}.")
    if len(set(names)) < len(names):
        raise click.UsageError("There can be one --type-filter for a type: join them with &&.")
    return {
        "types": types,
        "filter": filter_,
        "type_filters": dict(type_filters),
        "fields": [name.strip() for name in fields.split(",") if name.strip()],
        "schema_version": schema_version or 0,
    }


def start_of(position: Position) -> Start | int | datetime:
    """Answers a position as the client's methods want it."""
    if position.end is not None:
        return Start[position.end.upper()]
    return position.sequence if position.sequence is not None else position.time or Start.LATEST
