"""Checks the ``buf.validate`` rules of a schema before any event meets them.

A rule reaches us as an option of a message, field or oneof. Standard rules are compiled by protovalidate
itself. CEL is type-checked and its cost is bounded first: only what passed is ever given to something
that may evaluate it. Imports ``cel_guard``, ``cel_library``, ``cel_syntax`` and ``errors`` of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import protovalidate
from cel_expr_python import cel
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from registry.cel_cost import Unbounded
from registry.cel_guard import EXPRESSION_BYTES, check_cost
from registry.cel_library import environment
from registry.cel_syntax import MalformedTree, parse_checked
from registry.errors import VIOLATIONS_LISTED, InvalidSchema, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor import Descriptor, FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

CEL_RULES = 1000
"""How many CEL rules a schema version may have."""

_VALIDATE = "buf/validate/validate.proto"
_SUPPLIED = ("google/", "buf/validate/")

_CEL_TYPES = {
    FieldDescriptor.CPPTYPE_BOOL: cel.Type.BOOL,
    FieldDescriptor.CPPTYPE_INT32: cel.Type.INT,
    FieldDescriptor.CPPTYPE_INT64: cel.Type.INT,
    FieldDescriptor.CPPTYPE_UINT32: cel.Type.UINT,
    FieldDescriptor.CPPTYPE_UINT64: cel.Type.UINT,
    FieldDescriptor.CPPTYPE_FLOAT: cel.Type.DOUBLE,
    FieldDescriptor.CPPTYPE_DOUBLE: cel.Type.DOUBLE,
    FieldDescriptor.CPPTYPE_ENUM: cel.Type.INT,
}


def check_rules(pool: DescriptorPool, type_names: Sequence[str]) -> None:
    """Checks the rules of all files that ``type_names`` are declared in or depend on.

    ``pool`` holds the schema version's files and what they import; nothing is added to it.

    Raises:
        InvalidSchema: A rule does not compile, is for another type of field, or could cost more than
            linear time or memory in an event's size. A violation names the message, field or oneof
            that carries the rule, and the rule's id where it has one.
    """
    try:
        pool.FindFileByName(_VALIDATE)
    except KeyError:
        return
    files = _files_of([pool.FindMessageTypeByName(name) for name in type_names])
    messages = [message for file in files for message in _messages_in(file.message_types_by_name.values())]
    rules = list(_cel_rules(pool, files, messages))
    if len(rules) > CEL_RULES:
        raise InvalidSchema(
            [Violation("cel_rules", f"the schema has {len(rules):,} CEL rules; the limit is {CEL_RULES:,}")]
        )
    _refuse(_Compiler(pool).problems(rules))
    _refuse(_standard_problems(messages))


def _refuse(problems: Iterator[Violation]) -> None:
    found = [problem for _, problem in zip(range(VIOLATIONS_LISTED), problems, strict=False)]
    if found:
        raise InvalidSchema(found)


def _files_of(messages: Sequence[Descriptor]) -> list[FileDescriptor]:
    """The users' files that the messages need, each once, imports first."""
    found: dict[str, FileDescriptor] = {}

    def visit(file: FileDescriptor) -> None:
        if file.name not in found and not file.name.startswith(_SUPPLIED):
            for dependency in file.dependencies:
                visit(dependency)
            found[file.name] = file

    for message in messages:
        visit(message.file)
    return list(found.values())


def _messages_in(messages: Any) -> Iterator[Descriptor]:
    for message in messages:
        yield message
        yield from _messages_in(message.nested_types)


@dataclass(frozen=True, slots=True)
class CelRule:
    """A CEL expression, who carries it, and the types of the variables that it is evaluated with."""

    carrier: str
    rule_id: str
    expression: str
    variables: dict[str, cel.Type]


def _cel_rules(
    pool: DescriptorPool, files: Sequence[FileDescriptor], messages: Sequence[Descriptor]
) -> Iterator[CelRule]:
    read = _Options(pool)
    for message in messages:
        if message.GetOptions().map_entry:
            continue
        rules = read.of(message, "MessageOptions", "message")
        if rules is not None:
            yield from _own_rules(message.full_name, rules, _message_type(message))
        for field in message.fields:
            rules = read.of(field, "FieldOptions", "field")
            if rules is not None:
                yield from _field_rules(field, rules)
    for extension in _predefined(pool, files):
        rules = read.of(extension, "FieldOptions", "predefined")
        if rules is not None:
            yield from _predefined_rules(extension, rules)


class _Options:
    """Reads ``buf.validate`` options with the message classes of the schema's own pool.

    Descriptors hand out options of the default pool, which knows no extension of the schema's.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool

    def of(self, descriptor: Any, options: str, extension: str) -> Any | None:
        unread = descriptor.GetOptions().SerializePartialToString()
        if not unread:
            return None
        own = GetMessageClass(self._pool.FindMessageTypeByName(f"google.protobuf.{options}")).FromString(
            unread
        )
        key = self._pool.FindExtensionByName(f"buf.validate.{extension}")
        return own.Extensions[key] if own.HasExtension(key) else None


def _own_rules(carrier: str, rules: Any, this: cel.Type) -> Iterator[CelRule]:
    variables = {"this": this}
    for rule in rules.cel:
        yield CelRule(carrier, rule.id, rule.expression, variables)
    for expression in rules.cel_expression:
        yield CelRule(carrier, expression, expression, variables)


def _field_rules(field: FieldDescriptor, rules: Any) -> Iterator[CelRule]:
    yield from _own_rules(field.full_name, rules, _field_type(field))
    kind = rules.WhichOneof("type")
    if kind == "repeated" and field.is_repeated:
        yield from _own_rules(field.full_name, rules.repeated.items, _value_type(field))
    if kind == "map" and _is_map(field):
        key, value = field.message_type.fields
        yield from _own_rules(field.full_name, rules.map.keys, _value_type(key))
        yield from _own_rules(field.full_name, rules.map.values, _value_type(value))


def _predefined(pool: DescriptorPool, files: Sequence[FileDescriptor]) -> Iterator[FieldDescriptor]:
    for field in pool.FindMessageTypeByName("buf.validate.FieldRules").fields:
        if field.message_type is not None and field.message_type.is_extendable:
            yield from pool.FindAllExtensions(field.message_type)


def _predefined_rules(extension: FieldDescriptor, rules: Any) -> Iterator[CelRule]:
    for rule in rules.cel:
        variables = {
            "this": _PREDEFINED_THIS.get(extension.containing_type.name, cel.Type.DYN),
            "rules": _message_type(extension.containing_type),
            "rule": _field_type(extension),
        }
        yield CelRule(extension.full_name, rule.id, rule.expression, variables)


_PREDEFINED_THIS = {
    "FloatRules": cel.Type.DOUBLE,
    "DoubleRules": cel.Type.DOUBLE,
    "Int32Rules": cel.Type.INT,
    "Int64Rules": cel.Type.INT,
    "UInt32Rules": cel.Type.UINT,
    "UInt64Rules": cel.Type.UINT,
    "SInt32Rules": cel.Type.INT,
    "SInt64Rules": cel.Type.INT,
    "Fixed32Rules": cel.Type.UINT,
    "Fixed64Rules": cel.Type.UINT,
    "SFixed32Rules": cel.Type.INT,
    "SFixed64Rules": cel.Type.INT,
    "BoolRules": cel.Type.BOOL,
    "StringRules": cel.Type.STRING,
    "BytesRules": cel.Type.BYTES,
    "EnumRules": cel.Type.INT,
    "RepeatedRules": cel.Type.List(cel.Type.DYN),
    "MapRules": cel.Type.Map(cel.Type.DYN, cel.Type.DYN),
    "DurationRules": cel.Type.DURATION,
    "TimestampRules": cel.Type.TIMESTAMP,
    "FieldMaskRules": cel.Type("google.protobuf.FieldMask"),
}


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def _field_type(field: FieldDescriptor) -> cel.Type:
    if _is_map(field):
        key, value = field.message_type.fields
        return cel.Type.Map(_value_type(key), _value_type(value))
    return cel.Type.List(_value_type(field)) if field.is_repeated else _value_type(field)


def _value_type(field: FieldDescriptor) -> cel.Type:
    if field.message_type is not None:
        return _message_type(field.message_type)
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return cel.Type.BYTES if field.type == FieldDescriptor.TYPE_BYTES else cel.Type.STRING
    return _CEL_TYPES[field.cpp_type]


def _message_type(message: Descriptor) -> cel.Type:
    return cel.Type(message.full_name)


class _Compiler:
    """Compiles CEL rules in environments that it makes once for each set of variables."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._environments: dict[tuple[tuple[str, str], ...], cel.Env] = {}

    def problems(self, rules: Sequence[CelRule]) -> Iterator[Violation]:
        """What is wrong with each rule, if anything is."""
        for rule in rules:
            problem = self._problem(rule)
            if problem:
                yield Violation(rule.carrier, problem, rule.rule_id)

    def _problem(self, rule: CelRule) -> str:
        size = len(rule.expression.encode())
        if size > EXPRESSION_BYTES:
            return f"the CEL expression has {size:,} bytes; the limit is {EXPRESSION_BYTES:,}"
        try:
            self._compile(rule)
        except Unbounded as error:
            return f"the CEL expression is refused: {error}"
        except MalformedTree:
            return "the CEL expression nests too deeply: split it into several rules"
        except RuntimeError as error:
            return f"the CEL expression does not compile: {error}"
        return ""

    def _compile(self, rule: CelRule) -> None:
        compiled = self._environment(rule.variables).compile(rule.expression)
        check_cost(parse_checked(compiled.serialize()), _accept_pattern)

    def _environment(self, variables: dict[str, cel.Type]) -> cel.Env:
        key = tuple((name, kind.name()) for name, kind in variables.items())
        if key not in self._environments:
            self._environments[key] = environment(self._pool, variables)
        return self._environments[key]


def _accept_pattern(_: str) -> None:
    """Patterns are compiled by protovalidate."""


def _standard_problems(messages: Sequence[Descriptor]) -> Iterator[Violation]:
    validator = protovalidate.Validator()
    for message in messages:
        if message.GetOptions().map_entry:
            continue
        try:
            validator.collect_violations(GetMessageClass(message)())
        except protovalidate.CompilationError as error:
            yield Violation(message.full_name, f"a rule does not compile: {error}")
        except protovalidate.EvaluationError:
            # An empty message may well divide by zero; an event's own evaluation will tell.
            continue
