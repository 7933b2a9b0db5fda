"""Refuses CEL that could cost more than time and memory linear in the size of an event.

An evaluation holds the interpreter's lock and can't be interrupted, so an expression's cost is
bounded before it first runs. protovalidate's CEL stops after 10,000 iterations of an evaluation, which
bounds neither what one iteration costs nor what it allocates. Imports ``cel_cost`` and ``cel_syntax``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.cel_cost import ONE, Bound, Unbounded
from registry.cel_syntax import UNKNOWN_TYPE

if TYPE_CHECKING:
    from collections.abc import Callable

EXPRESSION_BYTES = 2048
"""How long an expression may be, in bytes of UTF-8."""

COST_FACTOR = 100
"""How often an expression may walk the event, and how large it may grow what it reads."""

COST_CONSTANT = 100_000
"""How much an expression may do that is the same for every event."""

LISTED_ELEMENTS = 200
"""How many elements map() and filter() may run over: each step copies what was collected before."""

_BOOL, _INT64, _UINT64, _DOUBLE, _STRING, _BYTES = 1, 2, 3, 4, 5, 6
_ANY, _TIMESTAMP, _DURATION = 1, 2, 3

_LOGIC = frozenset({"_&&_", "_||_", "!_", "@not_strictly_false", "__not_strictly_false__"})
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"})
_SEARCHES = frozenset({"contains", "indexOf", "lastIndexOf"})
_SAME_SIZE = frozenset(
    {
        "charAt",
        "substring",
        "lowerAscii",
        "upperAscii",
        "trim",
        "reverse",
        "dyn",
        "string",
        "bytes",
        "getField",
    }
)
_CALENDAR = (
    "getFullYear getMonth getDate getDayOfMonth getDayOfWeek getDayOfYear getHours getMinutes getSeconds "
)
_CALENDAR_PARTS = frozenset((_CALENDAR + "getMilliseconds").split())
_NUMBER_TEXT = 32
"""How long a number, bool, timestamp or duration gets as text, at most."""


@dataclass(frozen=True, slots=True)
class Measure:
    """What a value's size and the work for it are bounded by."""

    size: Bound
    work: Bound


def check_cost(checked: Any, inspect_pattern: Callable[[str], None]) -> None:
    """Checks a type-checked expression (``cel_syntax.parse_checked``).

    ``inspect_pattern`` is called with every regular expression in it, and may raise.

    Raises:
        Unbounded: The expression may cost more than linear time or memory.
    """
    guard = _Guard(checked, inspect_pattern)
    measure = guard.measure(checked.expr, {})
    for bound in (measure.size, measure.work):
        _hold(bound)


def _hold(bound: Bound) -> None:
    if sum(bound.factors.values()) > COST_FACTOR:
        raise Unbounded(
            f"it walks or copies the event up to {sum(bound.factors.values()):,.0f} times; the limit is {COST_FACTOR}"
        )
    if bound.constant > COST_CONSTANT:
        raise Unbounded(
            f"it takes up to {bound.constant:,.0f} steps on any event; the limit is {COST_CONSTANT:,}"
        )


class _Guard:
    """One walk over one expression. ``scope`` maps a comprehension's variable to its range, if distinct."""

    def __init__(self, checked: Any, inspect_pattern: Callable[[str], None]) -> None:
        self._types = {entry.key: entry.value for entry in checked.type_map}
        self._inspect_pattern = inspect_pattern

    def measure(self, expr: Any, scope: dict[str, Any]) -> Measure:
        kind = expr.WhichOneof("kind")
        measure: Measure = getattr(self, f"_{kind}")(expr, scope)
        _hold(measure.work)
        return measure

    def _const_expr(self, expr: Any, _: dict[str, Any]) -> Measure:
        value = expr.const_expr
        text = value.string_value.encode() if value.HasField("string_value") else value.bytes_value
        return Measure(Bound(max(1, len(text))), ONE)

    def _ident_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        name = expr.ident_expr.name
        if self._is_small(expr) or name in ("rule", "rules") or name not in scope | {"this": None}:
            return Measure(ONE, ONE)
        return Measure(Bound(0, {name: 1}), ONE)

    def _select_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        operand = self.measure(expr.select_expr.operand, scope)
        if expr.select_expr.test_only:
            return Measure(ONE, operand.work + ONE)
        return self._part_of(expr, operand)

    def _part_of(self, expr: Any, whole: Measure) -> Measure:
        size = ONE if self._is_small(expr) else whole.size
        # Reading an Any parses what it carries.
        work = whole.size if self._type(expr).well_known == _ANY else ONE
        return Measure(size, whole.work + work)

    def _list_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        return self._together([self.measure(it, scope) for it in expr.list_expr.elements])

    def _struct_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        parts = [entry.value for entry in expr.struct_expr.entries]
        parts += [entry.map_key for entry in expr.struct_expr.entries if entry.HasField("map_key")]
        return self._together([self.measure(it, scope) for it in parts])

    def _together(self, parts: list[Measure]) -> Measure:
        size = sum((part.size for part in parts), Bound(1 + len(parts)))
        return Measure(size, sum((part.work for part in parts), size))

    def _comprehension_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        loop = expr.comprehension_expr
        elements = self.measure(loop.iter_range, scope)
        inner = {**scope, loop.iter_var: loop.iter_range, loop.accu_var: None}
        again = f"for each element that {loop.iter_var!r} takes it does work that grows with the event too"
        step = self._collected(loop, inner)
        start = self.measure(loop.accu_init, scope)
        condition = self.measure(loop.loop_condition, inner)
        work = (step.work + condition.work).over(loop.iter_var, elements.size, again)
        size = step.size.over(loop.iter_var, elements.size, again)
        if self._is_small(loop.accu_init):
            size = ONE
        elif not elements.size.is_constant:
            self._require_short(loop)
        return Measure(size, start.work + elements.work + elements.size + work)

    def _require_short(self, loop: Any) -> None:
        raise Unbounded(
            "map() and filter() copy what they collected at every step, which takes quadratic memory: "
            "use all(), exists() or exists_one(), or (buf.validate.field).repeated.unique"
        )

    def _collected(self, loop: Any, scope: dict[str, Any]) -> Measure:
        """What one step of map() or filter() adds to the list; other macros collect a small value."""
        step, work = loop.loop_step, Bound()
        if step.call_expr.function == "_?_:_" and not self._is_small(step):
            condition, step, _ = step.call_expr.args
            work = self.measure(condition, scope).work
        if step.call_expr.function == "_+_" and not self._is_small(step):
            step = step.call_expr.args[1]
        measure = self.measure(step, scope)
        return Measure(measure.size, measure.work + work + ONE)

    def _call_expr(self, expr: Any, scope: dict[str, Any]) -> Measure:
        call = expr.call_expr
        operands = [call.target] if call.HasField("target") else []
        operands += call.args
        parts = [self.measure(it, scope) for it in operands]
        work = sum((part.work for part in parts), ONE)
        own = self._call(expr, operands, parts, scope)
        return Measure(ONE if self._is_small(expr) else own.size, work + own.work)

    def _call(self, expr: Any, operands: list[Any], parts: list[Measure], scope: dict[str, Any]) -> Measure:
        name, sizes = expr.call_expr.function, [part.size for part in parts]
        whole = sum(sizes, Bound())
        if name in _LOGIC:
            return Measure(ONE, ONE)
        if name == "_?_:_":
            return Measure(sizes[1].at_least(sizes[2]), ONE)
        if name in _COMPARISONS:
            return Measure(ONE, _smaller(sizes))
        if name == "_+_":
            return self._added(expr, whole, scope)
        if name == "_[_]":
            return self._indexed(expr, operands, sizes, scope)
        if name == "@in":
            return Measure(ONE, sizes[0] if self._type(operands[1]).HasField("map_type") else whole)
        if name in _SEARCHES:
            return Measure(ONE, self._searched(name, operands, sizes))
        if name == "matches":
            self._inspect_pattern(self._literal(operands[1], "the pattern of matches()"))
            return Measure(ONE, sizes[0])
        if name in _CALENDAR_PARTS and operands[1:]:
            self._literal(operands[1], f"the time zone of {name}()")
        return self._built(name, operands, sizes, whole)

    def _built(self, name: str, operands: list[Any], sizes: list[Bound], whole: Bound) -> Measure:
        if name == "format":
            self._literal(operands[0], "the text that format() fills in")
        if name == "replace":
            copies = sizes[0].times(sizes[2] + ONE, "replace() with a text that grows with the event")
            self._searched(name, operands, sizes)
            return Measure(copies + sizes[2], copies)
        if name == "join" and operands[1:]:
            joined = sizes[0].times(sizes[1] + ONE, "join() with a separator that grows with the event")
            return Measure(joined, joined)
        if name == "split":
            return Measure(sizes[0] + ONE, self._searched(name, operands, sizes))
        if name in _SAME_SIZE:
            return Measure(whole + Bound(_NUMBER_TEXT), whole)
        return Measure(whole + Bound(_NUMBER_TEXT), whole)

    def _added(self, expr: Any, whole: Bound, scope: dict[str, Any]) -> Measure:
        if self._is_small(expr):
            return Measure(ONE, ONE)
        if scope:
            raise Unbounded(
                "it joins strings, bytes or lists with + inside of a comprehension: join them outside of it"
            )
        return Measure(whole, whole)

    def _indexed(self, expr: Any, operands: list[Any], sizes: list[Bound], scope: dict[str, Any]) -> Measure:
        container, key = operands
        name = key.ident_expr.name
        if scope.get(name) is not None and _same(scope[name], container):
            # m.all(k, … m[k] …): the values of all keys together are as large as the map.
            return self._part_of(expr, Measure(Bound(0, {name: 1}), Bound()))
        size = ONE if self._is_small(expr) else sizes[0]
        return Measure(size, sizes[1] + (sizes[0] if self._type(expr).well_known == _ANY else ONE))

    def _searched(self, name: str, operands: list[Any], sizes: list[Bound]) -> Bound:
        return sizes[0].times(
            sizes[1] + ONE, f"{name}() searches for a text that grows with the event: search for a constant"
        )

    def _literal(self, expr: Any, what: str) -> str:
        if not expr.const_expr.HasField("string_value"):
            raise Unbounded(f"{what} must be written out, not computed: its cost can't be known before")
        text: str = expr.const_expr.string_value
        return text

    def _type(self, expr: Any) -> Any:
        return self._types.get(expr.id, UNKNOWN_TYPE)

    def _is_small(self, expr: Any) -> bool:
        """Whether values of that type take the same space whatever the event."""
        kind = self._type(expr)
        if kind.WhichOneof("kind") in ("primitive", "wrapper"):
            return (kind.primitive or kind.wrapper) not in (_STRING, _BYTES)
        return kind.well_known in (_TIMESTAMP, _DURATION) or kind.WhichOneof("kind") in ("null", "type")


def _smaller(sizes: list[Bound]) -> Bound:
    """Comparing stops at the end of the shorter one."""
    constant = [size for size in sizes if size.is_constant]
    return min(constant or sizes, key=lambda size: size.weight)


def _same(left: Any, right: Any) -> bool:
    """Whether two expressions are the same path from the same variable."""
    if left.HasField("select_expr") and right.HasField("select_expr"):
        mine, other = left.select_expr, right.select_expr
        return mine.field == other.field and _same(mine.operand, other.operand)
    if left.HasField("ident_expr") and right.HasField("ident_expr"):
        return bool(left.ident_expr.name == right.ident_expr.name)
    return False
