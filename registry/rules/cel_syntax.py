"""The syntax tree of a compiled CEL expression, as Protobuf messages.

The CEL compiler serializes its trees as ``cel.expr.CheckedExpr``, and no package ships the stubs.
Only the parts that a reader of trees walks are described here, under a package of our own and in a
private pool; what is not described is kept as unknown fields and ignored. Imports no other module
of the registry.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf import any_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_PACKAGE = "tidegate.cel"
_CHECKED_URL = "type.googleapis.com/cel.expr.CheckedExpr"

_BOOL, _STRING, _BYTES = 1, 5, 6
_ANY, _TIMESTAMP, _DURATION = 1, 2, 3
"""Of cel.expr.Type.PrimitiveType and WellKnownType."""

_SCALARS = {
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
}

# One line a field: name, number, type; `*` marks a repeated field, `|` a member of the message's oneof.
_MESSAGES = {
    "Constant": "bool_value 2 bool|, int64_value 3 int64|, uint64_value 4 uint64|, double_value 5 double|, "
    "string_value 6 string|, bytes_value 7 bytes|",
    "Ident": "name 1 string",
    "Select": "operand 1 Expr, field 2 string, test_only 3 bool",
    "Call": "target 1 Expr, function 2 string, args 3 Expr*",
    "List": "elements 1 Expr*",
    "Entry": "field_key 2 string, map_key 3 Expr, value 4 Expr",
    "Struct": "message_name 1 string, entries 2 Entry*",
    "Comprehension": "iter_var 1 string, iter_range 2 Expr, accu_var 3 string, accu_init 4 Expr, "
    "loop_condition 5 Expr, loop_step 6 Expr, result 7 Expr, iter_var2 8 string",
    "Expr": "id 2 int64, const_expr 3 Constant|, ident_expr 4 Ident|, select_expr 5 Select|, "
    "call_expr 6 Call|, list_expr 7 List|, struct_expr 8 Struct|, comprehension_expr 9 Comprehension|",
    "Reference": "name 1 string, overload_id 3 string*, value 4 Constant",
    "ListType": "elem_type 1 Type",
    "MapType": "key_type 1 Type, value_type 2 Type",
    "Type": "null 2 int32|, primitive 3 int32|, wrapper 4 int32|, well_known 5 int32|, "
    "list_type 6 ListType|, map_type 7 MapType|, message_type 9 string|, type 11 Type|",
    "ReferenceEntry": "key 1 int64, value 2 Reference",
    "TypeEntry": "key 1 int64, value 2 Type",
    "CheckedExpr": "reference_map 2 ReferenceEntry*, type_map 3 TypeEntry*, expr 4 Expr",
}


class MalformedTree(Exception):
    """The bytes are no checked expression, or nest deeper than Protobuf parses (100 levels)."""


def parse_checked(serialized: bytes) -> Any:
    """Reads the tree out of ``cel_expr_python``'s ``Expression.serialize()``.

    Raises:
        MalformedTree: The tree nests too deeply to be read, or the compiler's format has changed.
    """
    try:
        envelope = any_pb2.Any.FromString(serialized)
        if not envelope.type_url.endswith("/cel.expr.CheckedExpr"):
            raise MalformedTree(f"expected a cel.expr.CheckedExpr, found {envelope.type_url!r}")
        return _checked_class().FromString(envelope.value)
    except DecodeError as error:
        raise MalformedTree(str(error)) from error


def types_of(checked: Any) -> dict[int, Any]:
    """The type of each node of a tree, by the node's id. ``dyn``, known only when evaluated, is left out."""
    return {entry.key: entry.value for entry in checked.type_map}


def constants_in(checked: Any) -> list[str]:
    """The names in a tree that stand for values of enums."""
    return sorted(entry.value.name for entry in checked.reference_map if entry.value.HasField("value"))


def children(expr: Any) -> Iterator[Any]:
    """The expressions that a node of a tree is made of, in the order in which they stand."""
    kind = expr.WhichOneof("kind")
    if kind == "select_expr":
        yield expr.select_expr.operand
    elif kind == "call_expr":
        if expr.call_expr.HasField("target"):
            yield expr.call_expr.target
        yield from expr.call_expr.args
    elif kind == "list_expr":
        yield from expr.list_expr.elements
    elif kind == "struct_expr":
        for entry in expr.struct_expr.entries:
            if entry.HasField("map_key"):
                yield entry.map_key
            yield entry.value
    elif kind == "comprehension_expr":
        loop = expr.comprehension_expr
        yield from (loop.iter_range, loop.accu_init, loop.loop_condition, loop.loop_step, loop.result)


def conjuncts(expr: Any) -> Iterator[Any]:
    """The parts that must all hold, from the left to the right: ``a`` and ``b`` of ``a && b``."""
    if expr.call_expr.function == "_&&_":
        for part in expr.call_expr.args:
            yield from conjuncts(part)
    else:
        yield expr


def conjunction(checked: Any, parts: Sequence[Any]) -> Any:
    """A tree that says that all of some parts of a tree hold."""
    alone = type(checked)()
    alone.CopyFrom(checked)
    alone.expr.CopyFrom(parts[0])
    free = _free_id(checked)
    for number, part in enumerate(parts[1:], free):
        both = type(checked.expr)(id=number)
        both.call_expr.function = "_&&_"
        both.call_expr.args.extend((alone.expr, part))
        alone.expr.CopyFrom(both)
        alone.reference_map.add(key=number).value.overload_id.append("logical_and")
        alone.type_map.add(key=number).value.primitive = _BOOL
    return alone


def grafted(stem: Any, scion: Any) -> Any:
    """A tree with another one in the place of its constant ``false``."""
    whole, part = type(stem)(), type(stem)()
    whole.CopyFrom(stem)
    part.CopyFrom(scion)
    offset = _free_id(stem)
    for node in _nodes(part.expr):
        node.id += offset
    place = next(it for it in _nodes(whole.expr) if _is_false(it.const_expr))
    place.CopyFrom(part.expr)
    for name in ("reference_map", "type_map"):
        for entry in getattr(part, name):
            getattr(whole, name).add(key=entry.key + offset, value=entry.value)
    return whole


def serialized(checked: Any) -> bytes:
    """A tree as ``cel_expr_python``'s ``Env.deserialize()`` takes it."""
    return any_pb2.Any(type_url=_CHECKED_URL, value=checked.SerializeToString()).SerializeToString()


def _is_false(constant: Any) -> bool:
    return bool(constant.HasField("bool_value") and not constant.bool_value)


def _free_id(checked: Any) -> int:
    highest: int = max(node.id for node in _nodes(checked.expr))
    return highest + 1


def _nodes(expr: Any) -> Iterator[Any]:
    yield expr
    for child in children(expr):
        yield from _nodes(child)


def enum_values_in(checked: Any) -> dict[int, int]:
    """The numbers that names of enum values in a tree stand for, by the node's id."""
    return {
        entry.key: entry.value.value.int64_value
        for entry in checked.reference_map
        if entry.value.value.HasField("int64_value")
    }


def is_text(kind: Any | None) -> bool:
    """Whether values of that type are strings or bytes, or wrapped ones."""
    return kind is not None and (kind.primitive or kind.wrapper) in (_STRING, _BYTES)


def is_small(kind: Any | None) -> bool:
    """Whether values of that type take the same space whatever the event."""
    if kind is None:
        return False
    if kind.WhichOneof("kind") in ("primitive", "wrapper"):
        return not is_text(kind)
    return kind.well_known in (_TIMESTAMP, _DURATION) or kind.WhichOneof("kind") in ("null", "type")


def is_converted(kind: Any | None) -> bool:
    """Whether reading a field of that type converts all of it: ``Any`` and the JSON types."""
    if kind is None:
        return True
    if kind.HasField("list_type"):
        return not kind.list_type.elem_type.WhichOneof("kind")
    if kind.HasField("map_type"):
        return not kind.map_type.value_type.WhichOneof("kind")
    return bool(kind.well_known == _ANY)


@cache
def _checked_class() -> Any:
    file = FileDescriptorProto(name="tidegate/cel.proto", package=_PACKAGE, syntax="proto3")
    file.message_type.extend(_message(name, fields) for name, fields in _MESSAGES.items())
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.CheckedExpr"))


def _message(name: str, fields: str) -> DescriptorProto:
    message = DescriptorProto(name=name)
    if "|" in fields:
        message.oneof_decl.add(name="kind")
    for line in fields.split(", "):
        message.field.append(_field(line))
    return message


def _field(line: str) -> FieldDescriptorProto:
    name, number, kind = line.split()
    field = FieldDescriptorProto(name=name, number=int(number))
    repeated, member, kind = kind.endswith("*"), kind.endswith("|"), kind.rstrip("*|")
    field.label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
    if member:
        field.oneof_index = 0
    if kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = FieldDescriptorProto.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
    return field
