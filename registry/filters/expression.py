"""Compiles a filter, and refuses what doesn't compile, is no condition or could cost too much.

What is said of a refused filter names the place in it: whoever wrote it has no compiler at hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cel_expr_python import cel

from registry.names import shown
from registry.rules.cel_cost import Unbounded
from registry.rules.cel_guard import check_cost
from registry.rules.cel_syntax import MalformedTree, children, parse_checked
from registry.rules.pattern_cost import pattern_steps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.filters.event_message import EventMessage

EVENT: Final = "event"
"""What the only variable of a filter is called."""
FILTER_BYTES: Final = 2048
"""How long a filter may be, in bytes of UTF-8."""

_EXAMPLE: Final = "event.data.name"
_DESCRIPTION: Final = 500
_PLACED: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_UNPLACED: Final = re.compile(r"ERROR: <input>:-1:-1: ([^\n]*)")
_STATUS: Final = re.compile(r"^[A-Z_]+: |\s*\[[A-Z_]+\]\s*$")


class BadFilter(Exception):
    """A filter that can't be used. ``str()`` says why, and where in it."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A filter that can be used.

    Attributes:
        environment: What it was compiled in.
        tree: Its type-checked tree, a ``CheckedExpr`` of ``cel_syntax``.
    """

    environment: cel.Env
    tree: Any


def check_filter(message: EventMessage, text: str) -> Checked:
    """Compiles a filter over events of a kind; takes a few milliseconds at most.

    Raises:
        BadFilter: It can't be used.
    """
    size = len(text.encode())
    if size > FILTER_BYTES:
        raise BadFilter(f"has {size:,} bytes; at most {FILTER_BYTES:,} are allowed")
    environment = environment_of(message)
    try:
        compiled = environment.compile(text)
        tree = parse_checked(compiled.serialize())
    except MalformedTree:
        raise BadFilter("nests too deeply") from None
    except RuntimeError as error:
        raise BadFilter(_worded(str(error), message)) from None
    if compiled.return_type() != cel.Type.BOOL:
        raise BadFilter(f"must be a bool, such as {_EXAMPLE} != ''; it is {_kind(compiled, message)}")
    _check_variable(tree.expr)
    try:
        check_cost(tree, pattern_steps, variable=EVENT, example=_EXAMPLE)
    except Unbounded as error:
        raise BadFilter(f"could cost too much: {error}") from None
    return Checked(environment, tree)


def environment_of(message: EventMessage) -> cel.Env:
    """Answers what filters over events of a kind are compiled and evaluated in."""
    return cel.NewEnv(descriptor_pool=message.pool, variables={EVENT: cel.Type(message.descriptor.full_name)})


def fields_of(expr: Any) -> frozenset[str]:
    """Answers which fields of ``event`` a checked filter, or a part of one, reads."""
    return frozenset(_fields(expr))


def is_event(expr: Any) -> bool:
    """Tells whether a part of a filter is ``event`` itself."""
    return bool(expr.ident_expr.name == EVENT)


def _fields(expr: Any) -> Iterator[str]:
    if is_event(expr.select_expr.operand):
        yield expr.select_expr.field
    for child in children(expr):
        yield from _fields(child)


def _check_variable(expr: Any, parent: Any = None) -> None:
    """Holds that ``event`` is only ever the event, and only its fields are read: so it is known which."""
    if EVENT in {expr.comprehension_expr.iter_var, expr.comprehension_expr.accu_var}:
        raise BadFilter(f"can't call a variable of its own {EVENT!r}")
    if is_event(expr) and (parent is None or not parent.HasField("select_expr")):
        raise BadFilter(f"can't use {EVENT!r} as a whole: name its fields, such as event.key")
    for child in children(expr):
        _check_variable(child, expr)


def _kind(compiled: Any, message: EventMessage) -> str:
    name = compiled.return_type().name()
    if name == "DYN":
        return "of a type that is known only when it is evaluated: compare it, as in … == true"
    return shown(_readable(name, message))


def _worded(error: str, message: EventMessage) -> str:
    """Answers what the compiler says first, with its place, in one line."""
    placed = _PLACED.search(error)
    if placed:
        line, column, text = placed.groups()
        where = f"column {column}" if line == "1" else f"line {line}, column {column}"
        return f"{where}: {_cut(_readable(text, message))}{_hint(text, message)}"
    unplaced = _UNPLACED.search(error)
    return _cut(unplaced.group(1) if unplaced else _STATUS.sub("", _STATUS.sub("", error)))


def _readable(text: str, message: EventMessage) -> str:
    return text.replace(message.descriptor.full_name, EVENT).replace(" (in container '')", "")


def _hint(text: str, message: EventMessage) -> str:
    if "undefined field 'data'" in text and not message.has_data:
        return "; it can be read where exactly one type is named in `types`, or in `type_filters`"
    if "no matching overload" in text and "uint" in text and re.search(r"\bint\b", text):
        return "; a number that is compared with an unsigned one is written with a u, as in 5u"
    return ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _DESCRIPTION else f"{line[:_DESCRIPTION]}…"
