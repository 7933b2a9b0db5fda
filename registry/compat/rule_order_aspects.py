"""Rules about numbers, enums, durations, timestamps and counts, as sets of places on a scale."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.compat.rule_demands import Aspect, Condition
from registry.compat.rule_options import said, set_rules
from registry.compat.rule_types import COUNT, DURATION
from registry.compat.shape import Numbers, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.allowed_order import Ordered, Scale
    from registry.compat.rule_carriers import FieldCarrier
    from registry.compat.rule_options import Declared

_VALUES, _BOUNDS = ("const", "in", "not_in"), ("gt", "gte", "lt", "lte")


def ordered_aspects(
    kind: str, typed: Any, carrier: FieldCarrier, declared: Declared, everything: Ordered
) -> Iterator[tuple[str, Aspect]]:
    """Answers the rules of a kind such as ``int32``, or of a whole list or map, by what they are about."""
    if everything.scale is COUNT:
        yield from _count_aspects(kind, typed, everything)
        return
    rules = said(kind, typed, (*_VALUES, *_BOUNDS, "finite", "defined_only"))
    allowed = everything.only(_bounded(typed, everything))
    if "const" in set_rules(typed):
        allowed = allowed.only(_spots([typed.const], everything.scale))
    if "in" in set_rules(typed):
        allowed = allowed.only(_spots(getattr(typed, "in"), everything.scale))
    if "not_in" in set_rules(typed):
        allowed = allowed.but(it.first for it in _spots(typed.not_in, everything.scale))
    if "finite" in set_rules(typed) and typed.finite:
        allowed = allowed.only([Span(everything.scale.least + 1, everything.scale.most - 1)])
    if "defined_only" in set_rules(typed) and typed.defined_only:
        allowed = allowed.only(Span(it, it) for it in declared.enums.get(carrier.type_name, ()))
    if rules:
        yield "values", Aspect(rules, allowed)
    yield from _present_time(kind, typed, everything)


def _spots(values: Iterable[Any], scale: Scale) -> list[Span]:
    """Answers the places of values. Nothing equals NaN, and what the type can't hold is not there."""
    places = (scale.place(value) for value in values)
    return [Span(it, it) for it in places if scale.least <= it <= scale.most]


def _bounded(typed: Any, everything: Ordered) -> list[Span]:
    """Answers what lies within the bounds; outside of both, if the upper one is the lower one's lower."""
    scale, there = everything.scale, set_rules(typed)
    lower = next((it for it in ("gt", "gte") if it in there), None)
    upper = next((it for it in ("lt", "lte") if it in there), None)
    if lower is None and upper is None:
        return everything.numbers.without(Numbers())
    first = scale.place(getattr(typed, lower)) if lower else scale.least
    last = scale.place(getattr(typed, upper)) if upper else scale.most
    if scale.nan and max(first, last) > scale.most:
        # Comparisons with NaN are false, so that nothing is refused by both, and NaN itself by one.
        return everything.numbers.without(Numbers()) if lower and upper else [Span(scale.least, scale.most)]
    start, end = first + (lower == "gt"), last - (upper == "lt")
    if lower and upper and last < first:
        return [Span(scale.least, end), Span(start, scale.most)]
    return [Span(start, end)] if start <= end else []


def _present_time(kind: str, typed: Any, everything: Ordered) -> Iterator[tuple[str, Aspect]]:
    for name in ("lt_now", "gt_now"):
        if name in set_rules(typed) and getattr(typed, name):
            yield name, Aspect({f"{kind}.{name}": "true"}, everything, frozenset({Condition(name, "true")}))
    if "within" in set_rules(typed):
        nanos = DURATION.place(typed.within)
        condition = Condition("within", str(nanos), at_most=nanos)
        yield "within", Aspect(said(kind, typed, ("within",)), everything, frozenset({condition}))


def _count_aspects(kind: str, typed: Any, everything: Ordered) -> Iterator[tuple[str, Aspect]]:
    what = "items" if kind == "repeated" else "pairs"
    rules = said(kind, typed, (f"min_{what}", f"max_{what}"))
    if rules:
        least = getattr(typed, f"min_{what}")
        most = getattr(typed, f"max_{what}") if f"{kind}.max_{what}" in rules else everything.scale.most
        spans = [Span(least, most)] if least <= most else []
        yield "count", Aspect(rules, everything.only(spans))
    if "unique" in set_rules(typed) and typed.unique:
        condition = Condition("unique", "true")
        yield "unique", Aspect({"repeated.unique": "true"}, everything, frozenset({condition}))
