"""JSON lines: read in pieces from a file or a pipe, and turned into events.

A line is the data object in ProtoJSON or, as an envelope, an object with ``id``, ``key``, ``time``,
``attributes`` and ``data``: what ``subscribe`` writes is an envelope, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from google.protobuf.json_format import ParseDict, ParseError

from tidegate.outgoing import NewEvent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from google.protobuf.message import Message

CHUNK = 256 * 1024
LONGEST_LINE = 16 * 1024 * 1024
_TEXTS = ("id", "key", "time")
_ENVELOPE = (*_TEXTS, "attributes", "data")
_WRITTEN_BY_SUBSCRIBE = ("topic", "sequence", "type", "schema_version")


class BadLine(ValueError):
    """A line is no event of its type. ``str()`` says why, with the field if one is at fault."""


def parse_event(line: bytes, message_class: type[Message], *, envelope: bool) -> NewEvent:
    """Makes an event of one line.

    Raises:
        BadLine: It is no JSON, or does not fit the event type.
    """
    values = _parse_json(line)
    if not isinstance(values, dict):
        raise BadLine(f"is a JSON {_name_kind(values)}, but must be an object")
    if not envelope:
        return NewEvent(_parse_message(values, message_class))
    _check_envelope(values, message_class.DESCRIPTOR.full_name)
    return NewEvent(
        _parse_message(values["data"], message_class),
        key=values.get("key", ""),
        id=values.get("id", ""),
        time=_parse_time(values["time"]) if values.get("time") else None,
        attributes=values.get("attributes", {}),
    )


def _parse_json(line: bytes) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise BadLine(f"is no JSON: {error.msg} at column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise BadLine(f"is no text in UTF-8: {error.reason} at byte {error.start + 1}") from error
    except RecursionError as error:
        raise BadLine("is nested too deep") from error


def _parse_message(values: dict[str, Any], message_class: type[Message]) -> Message:
    pool: Any = message_class.DESCRIPTOR.file.pool
    try:
        return ParseDict(values, message_class(), descriptor_pool=pool)
    except (ParseError, RecursionError, ValueError, TypeError) as error:
        raise BadLine(" ".join(str(error).split())) from error


def _check_envelope(values: dict[str, Any], type_name: str) -> None:
    for name in values:
        if name not in _ENVELOPE and name not in _WRITTEN_BY_SUBSCRIBE:
            raise BadLine(f"has a field {name!r}; an envelope has {', '.join(_ENVELOPE)}")
    if not isinstance(values.get("data"), dict):
        raise BadLine("data: an envelope must have it, and it must be an object")
    for name in _TEXTS:
        if not isinstance(values.get(name, ""), str):
            raise BadLine(f"{name}: must be a string, not a {_name_kind(values[name])}")
    _check_attributes(values.get("attributes", {}))
    if values.get("type", type_name) != type_name:
        raise BadLine(f"type: the event is a {values['type']}, but --type says {type_name}")


def _check_attributes(attributes: Any) -> None:
    texts = isinstance(attributes, Mapping) and all(isinstance(value, str) for value in attributes.values())
    if not texts:
        raise BadLine("attributes: must be an object whose values are strings")


def _parse_time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadLine(f"time: {text!r} is no time such as 2013-01-04T12:00:00Z") from None
    if time.utcoffset() is None:
        raise BadLine(f"time: {text!r} has no time zone: add Z for UTC")
    return time


def _name_kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


async def read_lines(descriptor: int) -> AsyncIterator[tuple[int, bytes]]:
    """Yields the lines of a file or a pipe that are not blank, with their numbers from 1 on.

    Never blocks the event loop and holds one line and one piece at most.

    Raises:
        click.ClickException: A line is longer than ``LONGEST_LINE``, or the file can't be read.
    """
    number, rest = 0, b""
    while chunk := await _read_chunk(descriptor):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            number += 1
            if line.strip():
                yield number, line
        if len(rest) > LONGEST_LINE:
            raise click.ClickException(f"line {number + 1} is over {LONGEST_LINE:,} bytes: one event a line")
    if rest.strip():
        yield number + 1, rest


async def _read_chunk(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[bytes] = loop.create_future()

    def settle(chunk: bytes, error: OSError | None) -> None:
        if answer.cancelled():
            return
        if error is None:
            answer.set_result(chunk)
        else:
            answer.set_exception(click.ClickException(f"can't read: {error.strerror}"))

    def read() -> None:
        chunk, error = b"", None
        try:
            chunk = os.read(descriptor, CHUNK)
        except OSError as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, chunk, error)

    # Not the loop's executor: after Ctrl-C it would wait for a read that may never end.
    threading.Thread(target=read, daemon=True).start()
    return await answer
