"""Refuses CEL that could cost more than time and memory linear in the size of an event.

An evaluation holds the interpreter's lock and can't be interrupted, so what an expression costs is
bounded before it first runs. (protovalidate stops an evaluation after 10,000 iterations, which bounds
neither what one iteration costs nor what it allocates.) Costs follow what protovalidate 2.1 does: it
copies a string or bytes field each time it is read, converts a whole ``Struct`` or ``Any``, and
copies a list at each step of map() and filter().

Imports ``cel_cost``, ``cel_facts`` and ``cel_syntax`` of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from registry.rules.cel_cost import ONE, Bound, Unbounded
from registry.rules.cel_facts import Path, path_of, size_limits
from registry.rules.cel_syntax import is_converted, is_small, is_text, types_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

COST_FACTOR = 100
"""How often an expression may walk or copy the event."""

COST_CONSTANT = 100_000
"""How many steps an expression may take whatever the event's size."""

COLLECTED = 200
"""How many elements map() and filter() may run over, since each step copies what was collected."""

_COPIED_A_STEP = 25
"""How many elements are copied in the time that one iteration takes."""

_SEARCHED_A_STEP = 64
"""How many bytes of a needle are compared in the time that a step takes."""

_NUMBER_TEXT = 32
"""How long a number, bool, timestamp or duration gets as text, at most."""

_UTF8 = 4
"""How many bytes a character of a string takes, at most."""

_LOGIC = frozenset({"!_", "@not_strictly_false", "_&&_", "_||_"})
_COMPARISONS = frozenset({"_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "startsWith", "endsWith"})
_SEARCHES = frozenset({"contains", "indexOf", "lastIndexOf"})
_PARTS = "FullYear Month Date DayOfMonth DayOfWeek DayOfYear Hours Minutes Seconds Milliseconds"
_TIME_PARTS = frozenset("get" + part for part in _PARTS.split())


@dataclass(frozen=True, slots=True)
class Measure:
    """What bounds a value's size, and the work for it."""

    size: Bound
    work: Bound


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known where an expression stands: the variables around it, and sizes checked before.

    ``ranges`` has the map that each variable runs over, ``sizes`` what its values are as large as.
    """

    ranges: Mapping[str, Path | None]
    sizes: Mapping[str, Bound]
    limits: Mapping[Path, int]

    def with_variable(self, name: str, ranges: Path | None, elements: Bound) -> Scope:
        """Inside a comprehension. Whatever is known of another variable of that name is forgotten."""
        bound = {**self.ranges, name: ranges}
        kept = {other: None if path and path[0] == name else path for other, path in bound.items()}
        size = elements if elements.is_constant else Bound(0, {name: 1})
        limits = {path: limit for path, limit in self.limits.items() if path[0] != name}
        return Scope(kept, {**self.sizes, name: size}, limits)

    def given(self, condition: Any, *, holds: bool) -> Scope:
        """Where ``condition`` was found true, or false."""
        found = size_limits(condition, holds=holds)
        limits = {path: min(limit, self.limits.get(path, limit)) for path, limit in found.items()}
        return replace(self, limits={**self.limits, **limits})


def check_cost(
    checked: Any,
    inspect_pattern: Callable[[str], float],
    *,
    variable: str = "this",
    example: str = "this.name",
) -> None:
    """Checks a type-checked expression (``cel_syntax.parse_checked``).

    ``inspect_pattern`` is called with every regular expression in it. It answers how many steps a
    character of the text takes, and may raise. ``variable`` is what the event is called in it, and
    ``example`` a field of it, for those who are told what to do.

    Raises:
        Unbounded: The expression may cost more than linear time or memory, or too much of it.
    """
    guard = _Guard(types_of(checked), inspect_pattern, example)
    guard.measure(checked.expr, Scope({variable: None}, {variable: Bound(0, {variable: 1})}, {}))


def _hold(bound: Bound) -> None:
    times = sum(bound.factors.values())
    if times > COST_FACTOR:
        raise Unbounded(f"it walks or copies the event {times:,.0f} times; the limit is {COST_FACTOR}")
    if bound.constant > COST_CONSTANT:
        raise Unbounded(f"it takes {bound.constant:,.0f} steps on any event; the limit is {COST_CONSTANT:,}")


class _Guard:
    """One walk over one expression."""

    def __init__(
        self, types: Mapping[int, Any], inspect_pattern: Callable[[str], float], example: str
    ) -> None:
        self._types = types
        self._inspect_pattern = inspect_pattern
        self._limit_first = f"limit that first, as in size({example}) <= 20 && …"

    def measure(self, expr: Any, scope: Scope) -> Measure:
        measure: Measure = getattr(self, f"_{expr.WhichOneof('kind')}")(expr, scope)
        _hold(measure.work)
        _hold(measure.size)
        return Measure(ONE, measure.work) if self._is(is_small, expr) else measure

    def _is(self, test: Callable[[Any], bool], expr: Any) -> bool:
        return test(self._types.get(expr.id))

    def _const_expr(self, expr: Any, _: Scope) -> Measure:
        value = expr.const_expr
        return Measure(Bound(1 + len(value.string_value.encode() or value.bytes_value)), ONE)

    def _ident_expr(self, expr: Any, scope: Scope) -> Measure:
        name = expr.ident_expr.name
        return Measure(self._limited(expr, scope.sizes.get(name, ONE), scope), ONE)

    def _limited(self, expr: Any, size: Bound, scope: Scope) -> Bound:
        path = path_of(expr)
        if path is not None and path in scope.limits and self._is(is_text, expr):
            return Bound(_UTF8 * scope.limits[path])
        return size

    def _select_expr(self, expr: Any, scope: Scope) -> Measure:
        operand = self.measure(expr.select_expr.operand, scope)
        if expr.select_expr.test_only:
            return Measure(ONE, operand.work + ONE)
        return self._read(expr, self._limited(expr, operand.size, scope), operand.work)

    def _read(self, expr: Any, size: Bound, work: Bound) -> Measure:
        copied = self._is(is_text, expr) or self._is(is_converted, expr)
        return Measure(size, work + ONE + (size if copied else Bound()))

    def _list_expr(self, expr: Any, scope: Scope) -> Measure:
        return self._together(list(expr.list_expr.elements), scope)

    def _struct_expr(self, expr: Any, scope: Scope) -> Measure:
        entries = expr.struct_expr.entries
        return self._together(
            [it.value for it in entries] + [it.map_key for it in entries if it.HasField("map_key")], scope
        )

    def _together(self, parts: list[Any], scope: Scope) -> Measure:
        measures = [self.measure(part, scope) for part in parts]
        size = sum((it.size for it in measures), Bound(1 + len(parts)))
        return Measure(size, sum((it.work for it in measures), size))

    def _comprehension_expr(self, expr: Any, scope: Scope) -> Measure:
        loop = expr.comprehension_expr
        elements, path = self.measure(loop.iter_range, scope), path_of(loop.iter_range)
        limit = None if path is None else scope.limits.get(path)
        count = elements.size if limit is None else Bound(limit)
        inner = scope.with_variable(
            loop.iter_var, path if self._is_map(loop.iter_range) else None, elements.size
        )
        step = self._step(loop, inner)
        again = f"for each {loop.iter_var!r} it reads again what grows with the event; {self._limit_first}"
        work = step.work.over(loop.iter_var, elements.size, count, again)
        copies = Bound() if self._is(is_small, expr) else self._copied(elements.size, count)
        size = step.size.over(loop.iter_var, elements.size, count, again)
        return Measure(size, elements.work + count + work + copies)

    def _is_map(self, expr: Any) -> bool:
        kind = self._types.get(expr.id)
        return kind is not None and kind.HasField("map_type")

    def _copied(self, elements: Bound, count: Bound) -> Bound:
        """What the steps of map() and filter() copy: each, the list that the steps before made."""
        if not count.is_constant or count.constant > max(COLLECTED, elements.constant):
            raise Unbounded(
                f"map() and filter() copy their list at every step: put size(…) <= {COLLECTED} && in front, "
                f"or use all(), exists(), exists_one() or repeated.unique"
            )
        return elements.scaled(count.constant / _COPIED_A_STEP)

    def _step(self, loop: Any, scope: Scope) -> Measure:
        """One step: what it adds to the list (map, filter) or to a small value (the other macros)."""
        added, work = loop.loop_step, ONE
        if not self._is(is_small, added):
            if added.call_expr.function == "_?_:_":
                condition, added, _ = added.call_expr.args
                work = work + self.measure(condition, scope).work
            added = added.call_expr.args[1]
        measure = self.measure(added, scope)
        return Measure(measure.size, work + measure.work)

    def _call_expr(self, expr: Any, scope: Scope) -> Measure:
        call = expr.call_expr
        operands = [call.target, *call.args] if call.HasField("target") else list(call.args)
        parts = [self.measure(it, within) for it, within in self._scoped(call.function, operands, scope)]
        work = sum((part.work for part in parts), ONE)
        own = self._call(expr, operands, [part.size for part in parts], scope)
        return Measure(own.size, work + own.work)

    def _scoped(self, name: str, operands: list[Any], scope: Scope) -> list[tuple[Any, Scope]]:
        """What is known in each operand: the right of && and || runs only if the left did not decide."""
        scopes = [scope] * len(operands)
        if name in ("_&&_", "_||_"):
            scopes[1] = scope.given(operands[0], holds=name == "_&&_")
        elif name == "_?_:_":
            scopes[1:] = [scope.given(operands[0], holds=holds) for holds in (True, False)]
        return list(zip(operands, scopes, strict=True))

    def _call(self, expr: Any, operands: list[Any], sizes: list[Bound], scope: Scope) -> Measure:
        name = expr.call_expr.function
        if name in _LOGIC:
            return Measure(ONE, ONE)
        if name == "_?_:_":
            return Measure(sizes[1].at_least(sizes[2]), ONE)
        if name in _COMPARISONS:
            return Measure(ONE, _smaller(sizes))
        if name == "_[_]":
            return self._indexed(expr, operands, sizes, scope)
        if name == "@in":
            return Measure(ONE, sizes[0] if self._is_map(operands[1]) else sum(sizes, ONE))
        if name == "_+_" and len(scope.ranges) > 1 and not self._is(is_small, expr):
            raise Unbounded("it joins strings, bytes or lists with + inside of a comprehension")
        return self._function(name, operands, sizes)

    def _indexed(self, expr: Any, operands: list[Any], sizes: list[Bound], scope: Scope) -> Measure:
        container, key = operands
        variable, path = key.ident_expr.name, path_of(container)
        if variable and path and scope.ranges.get(variable) == path:
            # m.all(k, … m[k] …): the values of all keys are together as large as the map.
            return self._read(expr, Bound(0, {variable: 1}), Bound())
        return self._read(expr, sizes[0], sizes[1])

    def _function(self, name: str, operands: list[Any], sizes: list[Bound]) -> Measure:
        whole = sum(sizes, ONE)
        if name == "size":
            return Measure(ONE, whole if self._is(is_text, operands[0]) else ONE)
        if name == "matches":
            pattern = self._literal(operands[1], "the pattern of matches()")
            return Measure(ONE, sizes[0].scaled(self._inspect_pattern(pattern)))
        if name in _SEARCHES or name == "split":
            return Measure(sizes[0] + ONE, self._searched(name, sizes))
        if name in ("replace", "join"):
            return self._rewritten(name, sizes)
        if name == "format":
            self._literal(operands[0], "the text that format() fills in")
        if name in _TIME_PARTS and operands[1:]:
            self._literal(operands[1], f"the time zone of {name}()")
        return Measure(whole + Bound(_NUMBER_TEXT), whole)

    def _rewritten(self, name: str, sizes: list[Bound]) -> Measure:
        filled = sizes[2] if name == "replace" else sum(sizes[1:], Bound())
        text = sizes[0].times(filled + ONE, f"{name}() puts in a text that grows with the event") + filled
        return Measure(text, text + (self._searched(name, sizes) if name == "replace" else ONE))

    def _searched(self, name: str, sizes: list[Bound]) -> Bound:
        needle = sizes[1].scaled(1 / _SEARCHED_A_STEP) + ONE
        return sizes[0].times(
            needle, f"{name}() searches for a text that grows with the event; {self._limit_first}"
        )

    def _literal(self, expr: Any, what: str) -> str:
        if not expr.const_expr.HasField("string_value"):
            raise Unbounded(f"{what} must be written out, so that its cost is known")
        text: str = expr.const_expr.string_value
        return text


def _smaller(sizes: list[Bound]) -> Bound:
    """Comparing stops at the end of the shorter one."""
    constant = [size for size in sizes if size.is_constant]
    return min(constant or sizes, key=lambda size: size.weight)
