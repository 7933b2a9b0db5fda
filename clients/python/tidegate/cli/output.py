"""What is written to stdout: results, as tables for people, as tabs for pipes, as JSON for programs.

Everything else (progress, summaries, refusals) belongs on stderr.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click
from google.protobuf.json_format import MessageToDict
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from google.protobuf.message import Message
    from google.protobuf.timestamp_pb2 import Timestamp

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Write JSON, one object a line, for programs."
)
"""The option that every command with a result takes."""


def write_json(*messages: Message) -> None:
    """Writes each message as one line of ProtoJSON with the field names of its .proto."""
    for message in messages:
        values = MessageToDict(message, preserving_proto_field_name=True)
        click.echo(json.dumps(values, ensure_ascii=False))


def write_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Writes a table with headers on a terminal; elsewhere only the rows, with tabs between the cells.

    On a narrow terminal cells take several lines: a key or an id is there to be copied, so none is cut.
    """
    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(row))
        return
    columns = (Column(header, overflow="fold") for header in headers)
    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)


def write_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Writes names and values, one pair a line, the values below each other."""
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        click.echo(f"{name:<{width}}  {value}")


def format_time(time: Timestamp) -> str:
    """Answers a time in UTC to the second."""
    return f"{time.ToDatetime():%Y-%m-%d %H:%M:%S}Z"


def format_count(count: int, noun: str, plural: str = "") -> str:
    """Answers ``1 event`` or ``5,412 events``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
