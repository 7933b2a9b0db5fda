"""What a CEL condition says of sizes where it holds: ``size(this.items) <= 100 && …``.

Lets authors bound what would be too costly otherwise. Imports no other module of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

Path = tuple[str, ...]
"""A variable and the fields selected from it: ``this.a.b``."""

_FLIPPED = {"_<_": "_>_", "_<=_": "_>=_", "_>_": "_<_", "_>=_": "_<=_", "_==_": "_==_", "_!=_": "_!=_"}
_OPPOSITE = {"_<_": "_>=_", "_<=_": "_>_", "_>_": "_<=_", "_>=_": "_<_", "_==_": "_!=_", "_!=_": "_==_"}


def path_of(expr: Any) -> Path | None:
    """The path that the expression is, or None if it computes anything."""
    kind = expr.WhichOneof("kind")
    if kind == "ident_expr":
        return (expr.ident_expr.name,)
    if kind == "select_expr" and not expr.select_expr.test_only:
        operand = path_of(expr.select_expr.operand)
        return operand and (*operand, expr.select_expr.field)
    return None


def size_limits(condition: Any, *, holds: bool) -> dict[Path, int]:
    """The size that each path has at most where ``condition`` is true (or, not ``holds``, false)."""
    limits: dict[Path, int] = {}
    for path, limit in _limits(condition, holds):
        limits[path] = min(limit, limits.get(path, limit))
    return limits


def _limits(condition: Any, holds: bool) -> Iterator[tuple[Path, int]]:  # noqa: FBT001
    call = condition.call_expr
    if call.function == ("_&&_" if holds else "_||_"):
        for part in call.args:
            yield from _limits(part, holds)
    elif call.function == "!_":
        yield from _limits(call.args[0], not holds)
    elif call.function in _FLIPPED:
        operator = call.function if holds else _OPPOSITE[call.function]
        left, right = call.args
        yield from _compared(left, operator, right)
        yield from _compared(right, _FLIPPED[operator], left)


def _compared(measured: Any, operator: str, limit: Any) -> Iterator[tuple[Path, int]]:
    path = _sized(measured)
    if path is None or not limit.const_expr.HasField("int64_value"):
        return
    value = limit.const_expr.int64_value
    if operator in ("_<=_", "_==_"):
        yield path, max(0, value)
    elif operator == "_<_":
        yield path, max(0, value - 1)


def _sized(expr: Any) -> Path | None:
    """The path whose ``size()`` the expression is."""
    call = expr.call_expr
    if call.function != "size":
        return None
    return path_of(call.target if call.HasField("target") else call.args[0])
