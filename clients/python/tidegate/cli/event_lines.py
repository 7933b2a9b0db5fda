"""Events as JSON lines: what ``subscribe`` and ``read`` write, and ``publish --envelope`` reads."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from google.protobuf.json_format import MessageToDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.received import Event


def format_event(event: Event) -> bytes:
    """Answers the line of an event.

    Raises:
        click.ClickException: Its data is not possible as JSON.
    """
    line = {
        "topic": event.topic,
        "sequence": str(event.sequence),  # as ProtoJSON has it: other languages' numbers end at 2^53
        "type": event.type,
        "schema_version": event.schema_version,
        "id": event.id,
        "key": event.key,
        "time": event.time.isoformat().replace("+00:00", "Z"),
        "attributes": dict(event.attributes),
        "data": _decode_data(event),
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def write_lines(lines: list[bytes]) -> None:
    """Writes lines to stdout, so that they are there when it returns."""
    sys.stdout.buffer.writelines(lines)
    sys.stdout.buffer.flush()


def _decode_data(event: Event) -> Any:
    message = event.message
    try:
        return MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=message.DESCRIPTOR.file.pool
        )
    except (TypeError, ValueError) as error:  # such as an Any of a type that the schema does not have
        what = f"event {event.sequence} ({event.type}, version {event.schema_version})"
        raise click.ClickException(f"{what} is not possible as JSON: {error}") from error


@contextmanager
def ending_with_reader() -> Iterator[None]:
    """Raises BrokenPipeError once nobody reads stdout any more, also while there is nothing to write."""
    if not stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode):
        yield
        return
    loop, task, gone = asyncio.get_running_loop(), asyncio.current_task(), asyncio.Event()

    def leave() -> None:
        loop.remove_reader(sys.stdout.fileno())
        gone.set()
        if task:
            task.cancel()

    # The writing end of a pipe never has anything to read: it only reports that the other end is closed.
    loop.add_reader(sys.stdout.fileno(), leave)
    try:
        yield
    except asyncio.CancelledError:
        if gone.is_set():
            raise BrokenPipeError from None
        raise
    finally:
        loop.remove_reader(sys.stdout.fileno())
