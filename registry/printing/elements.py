"""The elements of a file as Protobuf text: messages, fields, oneofs, enums, extensions, services."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import Edition, FieldDescriptorProto

from registry.printing import declarations as say
from registry.printing.arrangement import Declared, Step, arranged, declared, oneof_of
from registry.printing.literals import quoted
from registry.printing.names import within
from registry.printing.options import Option
from registry.printing.text import NO_COMMENT, Comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from registry.printing.comments import Path
    from registry.printing.statements import Statements

    Paths = Mapping[str, Path]

_NO_VALUES = frozenset({"option", "reserved"})
"""What protoc reads as a statement where an enum's value may stand."""


class Elements:
    """Writes the elements of one file, whose descriptors are of classes that know its options."""

    def __init__(self, file: Any, statements: Statements) -> None:
        """Takes the file, and where to write."""
        self._syntax: str = file.syntax
        self._knows_visibility = file.edition >= Edition.EDITION_2024
        self._statements = statements
        self._names = statements.names
        self._comments = statements.comments
        self._lines = statements.lines

    def file(self, file: Any) -> None:
        """Writes everything that stands below the imports."""
        scope = file.package
        self._statements.options(file.options, within(scope, "file"), (8,))
        self._enums(file.enum_type, scope, (5,))
        members = declared(scope, (), file.extension, file.message_type)
        self._members(members, {"types": (4,), "extensions": (7,)}, ())
        for index, service in enumerate(file.service):
            self._service(service, within(scope, service.name), (6, index))

    def _members(self, members: Declared, paths: Paths, oneofs: Sequence[Any]) -> None:
        for (name, extendee), steps in groupby(arranged(members), key=lambda it: _run(members, it)):
            indexes = [step.index for step in steps]
            if name == "fields":
                self._fields(members, indexes, paths, oneofs)
            elif name == "extensions":
                self._extend(members, indexes, paths, extendee)
            else:
                self._messages(members, indexes, paths)
            self._lines.blank()

    def _messages(self, members: Declared, indexes: Iterable[int], paths: Paths) -> None:
        for index in indexes:
            message, path = members.types[index], (*paths["types"], index)
            comment = self._comments.at(path)
            self._lines.blank()
            self._lines.before(comment)
            if self._block(self._head("message", message), message, comment):
                self._body(message, within(members.scope, message.name), path)

    def _head(self, kind: str, descriptor: Any) -> str:
        visibility = say.visibility(descriptor)
        if visibility and not self._knows_visibility:
            why = f"a {visibility}{kind} before edition 2024"
            self._statements.unsayable([Option(0, "", "", why)])
            visibility = ""
        return f"{visibility}{kind} {descriptor.name}"

    def _block(self, head: str, descriptor: Any, comment: Comment) -> bool:
        """Opens a block, or writes all of one that is empty; answers whether it is open."""
        filled = len(descriptor.ListFields()) > 1 or bool(comment.trailing)
        if filled:
            self._lines.open(f"{head} {{", comment)
        else:
            self._lines.statement(f"{head} {{}}")
        return filled

    def _body(self, message: Any, scope: str, path: Path) -> None:
        """Writes what stands in a message, and its end."""
        self._statements.options(message.options, scope, (*path, 7))
        self._reserve(say.spans_of(message), (*path, 9))
        self._reserve_names(message.reserved_name, (*path, 10))
        self._extension_ranges(message, scope, (*path, 5))
        self._enums(message.enum_type, scope, (*path, 4))
        members = declared(scope, message.field, message.extension, message.nested_type)
        paths = {"fields": (*path, 2), "extensions": (*path, 6), "types": (*path, 3), "oneofs": (*path, 8)}
        self._members(members, paths, message.oneof_decl)
        self._lines.close("}")

    def _reserve(self, items: Sequence[str], path: Path) -> None:
        """Writes what is reserved, as much in a statement as fits a line."""
        self._lines.before(self._comments.at(path).in_front())
        line = ""
        for item in items:
            longer = f"{line}, {item}" if line else item
            if line and len(longer) > self._lines.room:
                self._lines.statement(f"reserved {line};")
                longer = item
            line = longer
        if line:
            self._lines.statement(f"reserved {line};")
            self._lines.blank()

    def _reserve_names(self, names: Sequence[str], path: Path) -> None:
        identifiers = self._syntax == "editions"
        said = [name for name in names if not identifiers or say.IDENTIFIER.fullmatch(name)]
        if len(said) < len(names):
            why = "reserved names that are no identifiers"
            self._statements.unsayable([Option(0, "", "", why)])
        self._reserve(said if identifiers else [quoted(name) for name in said], path)

    def _extension_ranges(self, message: Any, scope: str, path: Path) -> None:
        for index, span in enumerate(message.extension_range):
            numbers = say.span_text(span.start, span.end - 1, say.last_number(message))
            comment = self._comments.head((*path, index)) + self._comments.at((*path, index))
            self._statements.statement(f"extensions {numbers}", span.options, scope=scope, comment=comment)
        self._lines.blank()

    def _fields(self, members: Declared, indexes: Iterable[int], paths: Paths, oneofs: Sequence[Any]) -> None:
        for oneof, inside in groupby(indexes, key=lambda index: oneof_of(members.fields[index])):
            if oneof < 0:
                for index in inside:
                    self._field(members, ("fields", index), paths)
            else:
                self._oneof(members, inside, paths, (oneofs[oneof], (*paths["oneofs"], oneof)))

    def _oneof(
        self, members: Declared, indexes: Iterable[int], paths: Paths, declaration: tuple[Any, Path]
    ) -> None:
        oneof, path = declaration
        comment = self._comments.at(path)
        self._lines.before(comment)
        self._lines.open(f"oneof {oneof.name} {{", comment)
        self._statements.options(oneof.options, within(members.scope, oneof.name), (*path, 2))
        for index in indexes:
            self._field(members, ("fields", index), paths, label="")
        self._lines.close("}")

    def _extend(self, members: Declared, indexes: Sequence[int], paths: Paths, extendee: str) -> None:
        comment = sum((self._comments.head((*paths["extensions"], it)) for it in indexes), NO_COMMENT)
        self._lines.before(comment)
        self._lines.open(f"extend {self._names.type(members.scope, extendee)} {{", comment)
        for index in indexes:
            self._field(members, ("extensions", index), paths)
        self._lines.close("}")

    def _field(
        self, members: Declared, member: tuple[str, int], paths: Paths, label: str | None = None
    ) -> None:
        name, index = member
        field = (members.fields if name == "fields" else members.extensions)[index]
        path = (*paths[name], index)
        label = say.label_of(field, self._syntax) if label is None else label
        home = members.made.get(member)
        if home is not None and field.type == FieldDescriptorProto.TYPE_GROUP:
            self._group(field, label, (members, home), self._comments.at(path), (*paths["types"], home))
            return
        entry = members.types[home] if home is not None else None
        kind = (
            say.map_text(entry, members.scope, self._names)
            if entry is not None
            else f"{label}{say.type_text(field, members.scope, self._names)}"
        )
        self._statements.statement(
            f"{kind} {field.name} = {field.number}",
            field.options,
            scope=within(members.scope, field.name),
            first=own_options(field, entry),
            comment=self._comments.at(path),
        )

    def _group(
        self, field: Any, label: str, body: tuple[Declared, int], comment: Comment, path: Path
    ) -> None:
        members, home = body
        message, scope = members.types[home], within(members.scope, field.name)
        head = f"{label}group {message.name} = {field.number}"
        comment = comment + self._comments.at(path)
        first = own_options(field, message)
        self._statements.statement(head, field.options, scope=scope, first=first, end=" {", comment=comment)
        self._body(message, within(members.scope, message.name), path)

    def _enums(self, enums: Iterable[Any], scope: str, path: Path) -> None:
        for index, enum in enumerate(enums):
            here = (*path, index)
            comment = self._comments.at(here)
            self._lines.blank()
            self._lines.before(comment)
            self._lines.open(f"{self._head('enum', enum)} {{", comment)
            self._statements.options(enum.options, within(scope, enum.name), (*here, 3))
            for number, value in enumerate(enum.value):
                self._value(value, scope, (*here, 2, number))
            self._lines.blank()
            self._reserve(say.enum_spans_of(enum), (*here, 4))
            self._reserve_names(enum.reserved_name, (*here, 5))
            self._lines.close("}")
            self._lines.blank()

    def _value(self, value: Any, scope: str, path: Path) -> None:
        line = f"{value.name} = {value.number}"
        if value.name in _NO_VALUES:
            self._statements.unsayable([Option(0, "", "", f"the value {line}")])
            return
        comment = self._comments.at(path)
        self._statements.statement(line, value.options, scope=within(scope, value.name), comment=comment)

    def _service(self, service: Any, scope: str, path: Path) -> None:
        comment = self._comments.at(path)
        self._lines.blank()
        self._lines.before(comment)
        if self._block(f"service {service.name}", service, comment):
            self._statements.options(service.options, scope, (*path, 3))
            for index, method in enumerate(service.method):
                self._method(method, scope, (*path, 2, index))
            self._lines.close("}")

    def _method(self, method: Any, scope: str, path: Path) -> None:
        comment = self._comments.at(path)
        head = say.method_line(method, scope, self._names)
        self._lines.before(comment)
        if not method.options.ListFields():
            # An empty body is no body to people, but it is to protoc.
            self._lines.statement(f"{head} {{}}" if method.HasField("options") else f"{head};", comment)
            return
        self._lines.open(f"{head} {{", comment)
        self._statements.options(method.options, within(scope, method.name), (*path, 4))
        self._lines.close("}")


def _run(members: Declared, step: Step) -> tuple[str, str]:
    """Answers what members that stand together have in common."""
    return step.list, members.extensions[step.index].extendee if step.list == "extensions" else ""


def own_options(field: Any, made: Any) -> list[Option]:
    """Answers what of a field is written as options but is none, and what of it can't be written.

    Args:
        field: The field.
        made: The type that protoc makes for it: a map's entries or a group's body; None if it makes none.
    """
    found = []
    if field.HasField("default_value"):
        found.append(Option(0, "default", say.default_text(field)))
    if field.HasField("json_name") and field.json_name != say.default_json_name(field.name):
        why = "a JSON name of an extension" if field.extendee else ""
        found.append(Option(0, "json_name", quoted(field.json_name), why))
    if field.type == FieldDescriptorProto.TYPE_GROUP and made is None:
        found.append(Option(0, "", "", "a group of a message that is declared elsewhere"))
    elif field.type != FieldDescriptorProto.TYPE_GROUP and made is not None and say.is_odd_entry(made):
        found.append(Option(0, "", "", "what the entries of this map say of themselves"))
    return found
