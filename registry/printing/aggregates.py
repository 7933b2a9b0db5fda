"""Messages as text within Protobuf text: the values of options that hold several values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from registry.printing.literals import literal
from registry.printing.text import NO_COMMENT, WIDTH, Comment, Lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.message import Message

    from registry.printing.names import Names


class TooManyValues(Exception):
    """A list or map is longer than its reader takes."""


def flat(message: Message, names: Names, room: int) -> str:
    """Answers an aggregate in one line; empty if it is longer than ``room``."""
    return _joined(pieces(message, names, WIDTH), room)


def _joined(texts: Iterable[str], room: int) -> str:
    text = ""
    try:
        for piece in texts:
            text += piece
            if len(text) > room:
                return ""
    except TooManyValues:
        return ""
    return text


def pieces(message: Any, names: Names, most: int) -> Iterator[str]:
    """Answers an aggregate in one line, piece by piece.

    Raises:
        TooManyValues: A list or map has more than ``most`` values.
    """
    yield "{"
    for index, (field, value) in enumerate(message.ListFields()):
        yield f"{', ' if index else ''}{_key(field, names)}: "
        yield from value_pieces(field, value, names, most)
    yield "}"


def value_pieces(field: Any, value: Any, names: Names, most: int) -> Iterator[str]:
    """Answers all that a field holds, as ``pieces`` does."""
    if not field.is_repeated:
        yield from _inner(field, value, names, most)
        return
    if len(value) > most:
        raise TooManyValues
    yield "["
    for position, each in enumerate(_items(field, value)):
        yield ", " if position else ""
        yield from _inner(field, each, names, most)
    yield "]"


def _inner(field: Any, value: Any, names: Names, most: int) -> Iterator[str]:
    if field.message_type is None:
        yield literal(field, value)
    else:
        yield from pieces(value, names, most)


def is_map(field: Any) -> bool:
    """Tells whether a field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _items(field: Any, value: Any) -> Iterable[Any]:
    """Answers the values of a repeated field, or the entries of a map by key."""
    if is_map(field):
        return (_entry(field.message_type, key, value[key]) for key in sorted(value))
    items: Iterable[Any] = value
    return items


def _entry(kind: Any, key: Any, value: Any) -> Any:
    message: Any = GetMessageClass(kind)(key=key)
    if kind.fields_by_name["value"].message_type is None:
        message.value = value
    else:
        message.value.CopyFrom(value)
    return message


def _key(field: Any, names: Names) -> str:
    if field.is_extension:
        return f"[{names.in_aggregate(field.containing_type.full_name, field.full_name)}]"
    return str(field.message_type.name if _is_group(field) else field.name)


def _is_group(field: Any) -> bool:
    """Tells whether text calls the field by its type, as for what once was declared as a group."""
    kind = field.message_type
    return (
        field.type == FieldDescriptor.TYPE_GROUP
        and kind is not None
        and kind.name.lower() == field.name
        and kind.file.name == field.file.name
        and kind.containing_type == (field.extension_scope if field.is_extension else field.containing_type)
    )


class Aggregates:
    """Writes values to the lines of one file."""

    def __init__(self, lines: Lines, names: Names) -> None:
        """Takes where to write, and how extensions are called there."""
        self._lines = lines
        self._names = names

    def write(self, head: str, value: str | Message, tail: str = "", comment: Comment = NO_COMMENT) -> None:
        """Writes ``head value tail``, a message in several lines if it is long."""
        room = self._lines.room - len(head) - len(tail)
        text = value if isinstance(value, str) else flat(value, self._names, room)
        if text:
            self._lines.statement(f"{head}{text}{tail}", comment)
            return
        self._lines.open(f"{head}{{")
        self._fields(value)
        self._lines.close(f"}}{tail}", comment)

    def _fields(self, message: Any) -> None:
        for field, value in message.ListFields():
            key = f"{_key(field, self._names)}: "
            if not field.is_repeated:
                self._inner(field, key, value)
            elif text := self._flat_list(field, value, key):
                self._lines.line(f"{key}{text}")
            else:
                self._list(field, key, value)

    def _flat_list(self, field: Any, value: Any, key: str) -> str:
        return _joined(value_pieces(field, value, self._names, WIDTH), self._lines.room - len(key))

    def _list(self, field: Any, key: str, value: Any) -> None:
        self._lines.open(f"{key}[")
        if field.message_type is None:
            self._fill(literal(field, each) for each in value)
        else:
            last = len(value) - 1
            for position, each in enumerate(_items(field, value)):
                self.write("", each, "" if position == last else ",")
        self._lines.close("]")

    def _fill(self, texts: Iterable[str]) -> None:
        """Writes the values of a list, as many in a line as fit."""
        line = ""
        for text in texts:
            if line and len(line) + len(text) + 3 > self._lines.room:
                self._lines.line(f"{line},")
                line = text
            else:
                line = f"{line}, {text}" if line else text
        self._lines.line(line)

    def _inner(self, field: Any, head: str, value: Any) -> None:
        self.write(head, literal(field, value) if field.message_type is None else value)
