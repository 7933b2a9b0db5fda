"""Conditions that are decided a column at a time, without CEL: some ten times as fast.

Only what can't fail and means the same in Python is taken: scalar fields below ``event``, compared with
constants or each other, their presence, and what ``!``, ``&&`` and ``||`` make of these. Everything else is
left to CEL. ``tests/test_filter_differential.py`` holds the two equal.
"""

from __future__ import annotations

import operator
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor as Kind

from registry.checking.fields import checks_text
from registry.filters.expression import is_event
from registry.rules.cel_syntax import enum_values_in

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    Condition = Callable[[Sequence[Any]], list[bool]]
    """Tells of each of some events whether it holds."""
    Column = Callable[[Sequence[Any]], list[Any]]
    """Answers a value of each of some events."""

_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
_JUNCTIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {"_&&_": operator.and_, "_||_": operator.or_}
_TEXTS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
}
_INT, _UINT, _DOUBLE = "int64_value", "uint64_value", "double_value"
_BOOL, _STRING, _BYTES = "bool_value", "string_value", "bytes_value"
_KINDS: Final = {
    Kind.CPPTYPE_INT32: _INT,
    Kind.CPPTYPE_INT64: _INT,
    Kind.CPPTYPE_ENUM: _INT,
    Kind.CPPTYPE_UINT32: _UINT,
    Kind.CPPTYPE_UINT64: _UINT,
    Kind.CPPTYPE_FLOAT: _DOUBLE,
    Kind.CPPTYPE_DOUBLE: _DOUBLE,
    Kind.CPPTYPE_BOOL: _BOOL,
    Kind.CPPTYPE_STRING: _STRING,
}
_CONVERTED: Final = "google.protobuf."
"""Messages that CEL takes for something else begin so: timestamps, wrappers, JSON values."""


class Columns:
    """Makes conditions of the parts of one filter."""

    def __init__(self, tree: Any, event: Descriptor) -> None:
        """Takes the filter's checked tree, and the descriptor of what ``event`` is."""
        self._enum_values = enum_values_in(tree)
        self._event = event

    def condition(self, expr: Any) -> Condition | None:
        """Answers a part of the filter as a condition; None if it is for CEL."""
        kind = expr.WhichOneof("kind")
        if kind == "call_expr":
            return self._call(expr.call_expr)
        if kind == "select_expr" and expr.select_expr.test_only:
            return self._presence(expr.select_expr)
        field = self._field(expr)
        return self._column(expr) if field is not None and _kind(field) == _BOOL else None

    def _call(self, call: Any) -> Condition | None:
        name, operands = call.function, [*([call.target] if call.HasField("target") else []), *call.args]
        if name in _JUNCTIONS:
            left, right = map(self.condition, operands)
            return _combined(_JUNCTIONS[name], left, right) if left and right else None
        if name == "!_":
            negated = self.condition(operands[0])
            return negated and _each(operator.not_, negated)
        if name in _COMPARISONS:
            return self._comparison(_COMPARISONS[name], *operands)
        if name in _TEXTS and len(operands) == 2:
            return self._text(_TEXTS[name], *operands)
        if name == "@in":
            return self._membership(*operands)
        return None

    def _comparison(self, compare: Callable[[Any, Any], bool], left: Any, right: Any) -> Condition | None:
        one, other = self._operand(left), self._operand(right)
        if one is None or other is None or one[0] != other[0]:
            return None
        return _combined(compare, one[1], other[1])

    def _text(self, test: Callable[[Any, Any], bool], text: Any, part: Any) -> Condition | None:
        one, other = self._operand(text), self._constant(part)
        if one is None or other is None or (one[0], other[0]) != (_STRING, _STRING):
            return None
        return _combined(test, one[1], _constantly(other[1]))

    def _membership(self, element: Any, container: Any) -> Condition | None:
        one = self._operand(element)
        listed = [self._constant(each) for each in container.list_expr.elements]
        if one is None or not container.HasField("list_expr"):
            return None
        if any(each is None or each[0] != one[0] or each[0] == _DOUBLE for each in listed):
            return None
        values = frozenset(each[1] for each in listed if each)
        return _each(values.__contains__, one[1])

    def _operand(self, expr: Any) -> tuple[str, Column] | None:
        """Answers the type of an operand, and its values."""
        constant = self._constant(expr)
        if constant is not None:
            return constant[0], _constantly(constant[1])
        field = self._field(expr)
        return None if field is None else (_kind(field), self._column(expr))

    def _constant(self, expr: Any) -> tuple[str, Any] | None:
        if expr.id in self._enum_values:
            return _INT, self._enum_values[expr.id]
        kind = expr.const_expr.WhichOneof("kind") if expr.HasField("const_expr") else None
        return None if kind is None else (kind, getattr(expr.const_expr, kind))

    def _presence(self, select: Any) -> Condition | None:
        """Answers whether a field is there, as far as messages know that themselves."""
        field = self._selected(select)
        if field is None or not field.has_presence or field.is_extension:
            return None
        messages = self._column(select.operand)
        return lambda events: [message.HasField(field.name) for message in messages(events)]

    def _column(self, expr: Any) -> Column:
        path = _path(expr)
        if not path:
            return list
        read = operator.attrgetter(".".join(path))
        return lambda events: list(map(read, events))

    def _field(self, expr: Any) -> FieldDescriptor | None:
        """Answers the field that an expression reads, if it is a scalar that Python reads as CEL does."""
        if not expr.HasField("select_expr") or expr.select_expr.test_only or expr.id in self._enum_values:
            return None
        field = self._selected(expr.select_expr)
        if field is None or field.is_repeated or field.cpp_type not in _KINDS:
            return None
        if field.type == Kind.TYPE_STRING and not checks_text(field):
            return None
        return field

    def _message(self, expr: Any) -> Descriptor | None:
        """Answers what message an expression is; None if it is none that lies on a plain path."""
        if is_event(expr):
            return self._event
        if not expr.HasField("select_expr") or expr.select_expr.test_only:
            return None
        field = self._selected(expr.select_expr)
        below = field.message_type if field is not None and not field.is_repeated else None
        return None if below is None or below.full_name.startswith(_CONVERTED) else below

    def _selected(self, select: Any) -> FieldDescriptor | None:
        above = self._message(select.operand)
        return None if above is None else above.fields_by_name.get(select.field)


def _kind(field: FieldDescriptor) -> str:
    return _BYTES if field.type == Kind.TYPE_BYTES else _KINDS[field.cpp_type]


def _path(expr: Any) -> list[str]:
    """Answers the fields that lead from the event to what an expression reads."""
    if is_event(expr):
        return []
    return [*_path(expr.select_expr.operand), expr.select_expr.field]


def _constantly(value: Any) -> Column:
    return lambda events: list(repeat(value, len(events)))


def _combined(combine: Callable[[Any, Any], bool], left: Column, right: Column) -> Condition:
    return lambda events: list(map(combine, left(events), right(events)))


def _each(change: Callable[[Any], bool], column: Column) -> Condition:
    return lambda events: list(map(change, column(events)))
