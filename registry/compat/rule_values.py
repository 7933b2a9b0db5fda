"""Which values the rules of a field allow: ``buf.validate`` options, read as sets and conditions.

What can be reckoned with (bounds, lists, lengths, prefixes) becomes a set of ``allowed``; what can't
(patterns, formats, CEL, rules about the present time) is a condition that is met or not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from google.protobuf.unknown_fields import UnknownFieldSet

from registry.compat.allowed import Anything, Paths
from registry.compat.allowed_order import Ordered
from registry.compat.allowed_text import Text
from registry.compat.rule_demands import Aspect, Condition, Demand
from registry.compat.rule_options import no_rules, read_options, shown_rule
from registry.compat.rule_order_aspects import ordered_aspects
from registry.compat.rule_text_aspects import (
    both_texts,
    path_aspects,
    text_aspects,
    with_formats,
)
from registry.compat.rule_types import COUNT, everything_of
from registry.compat.shape import Numbers, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.allowed import Allowed
    from registry.compat.rule_carriers import FieldCarrier
    from registry.compat.rule_options import Declared

ALWAYS = 3
"""``Ignore.IGNORE_ALWAYS``."""
_FEW = Numbers([Span(0, 1)])


def demand_of(carrier: FieldCarrier, declared: Declared, *, exclusive: bool = False) -> Demand:
    """Answers what a field's rules ask of its value.

    Args:
        carrier: The field.
        declared: The enums and predefined rules of its schema.
        exclusive: Whether a rule of its message lets it be set only without others.
    """
    rules = read_options("field", carrier.options)
    if rules is None:
        rules = no_rules()
    demand = _demand(rules, carrier, declared)
    if exclusive and not rules.HasField("ignore") and not carrier.has_presence:
        return replace(demand, spares_zero=True)
    return demand


def _demand(rules: Any, carrier: FieldCarrier, declared: Declared, part: str = "") -> Demand:
    """Reads rules of a field, or with ``part`` those of one of its elements: ``repeated.items.``."""
    single = bool(part)
    everything = everything_of(carrier, single=single)
    if rules.ignore == ALWAYS:
        return Demand({}, everything, ignored=True)
    aspects = {
        about: replace(it, rules={f"{part}{name}": text for name, text in it.rules.items()})
        for about, it in _aspects(rules, carrier, declared, everything)
    }
    allowed, conditions = _together(everything, aspects.values())
    return Demand(
        aspects,
        allowed,
        conditions,
        required=rules.required and not single,
        spares_zero=rules.ignore == 1 and (single or not carrier.has_presence),
        parts={} if single else dict(_parts(rules, carrier, declared)),
    )


def _parts(rules: Any, carrier: FieldCarrier, declared: Declared) -> Iterator[tuple[str, Demand]]:
    if carrier.entry:
        key, value = carrier.entry
        yield "map.keys", _demand(rules.map.keys, key, declared, "map.keys.")
        yield "map.values", _demand(rules.map.values, value, declared, "map.values.")
    elif carrier.repeated:
        yield "repeated.items", _demand(rules.repeated.items, carrier, declared, "repeated.items.")


def _together(everything: Allowed, aspects: Iterable[Aspect]) -> tuple[Allowed, frozenset[Condition]]:
    allowed, conditions = everything, frozenset[Condition]()
    for aspect in aspects:
        allowed = _both(allowed, aspect.allowed)
        conditions |= aspect.conditions
    if isinstance(allowed, Text):
        return with_formats(allowed, conditions)
    if isinstance(allowed, Ordered) and allowed.scale is COUNT and not allowed.numbers.without(_FEW):
        conditions |= {Condition("unique", "true")}
    return allowed, conditions


def _both(some: Allowed, more: Allowed) -> Allowed:
    """Answers what is in both; the second is of one aspect, so that each of its parts is set once."""
    if isinstance(some, Ordered) and isinstance(more, Ordered):
        return some.only(more.numbers.without(Numbers()))
    if isinstance(some, Text) and isinstance(more, Text):
        return both_texts(some, more)
    return some if isinstance(more, Anything) else more


def _aspects(
    rules: Any, carrier: FieldCarrier, declared: Declared, everything: Allowed
) -> Iterator[tuple[str, Aspect]]:
    yield from cel_aspects(rules, everything)
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    typed = getattr(rules, kind)
    yield from _predefined_aspects(kind, typed, declared, everything)
    if isinstance(everything, Ordered):
        yield from ordered_aspects(kind, typed, carrier, declared, everything)
    elif isinstance(everything, Text):
        yield from text_aspects(kind, typed, everything)
    elif isinstance(everything, Paths):
        yield from path_aspects(kind, typed)


def cel_aspects(rules: Any, everything: Allowed) -> Iterator[tuple[str, Aspect]]:
    """Answers the CEL rules of a field, or of a message, each an aspect of its own."""
    for rule in rules.cel:
        condition = Condition("cel", rule.expression.strip())
        yield (
            f"cel {rule.id}",
            Aspect({f"cel {rule.id}": rule.expression.strip()}, everything, frozenset({condition})),
        )
    for index, expression in enumerate(rules.cel_expression):
        condition = Condition("cel", expression.strip())
        yield (
            f"cel_expression {index}",
            Aspect({"cel_expression": expression.strip()}, everything, frozenset({condition})),
        )


def _predefined_aspects(
    kind: str, typed: Any, declared: Declared, everything: Allowed
) -> Iterator[tuple[str, Aspect]]:
    """Answers rules that the schema defined itself: extensions, which are unknown fields here."""
    values: dict[int, list[Any]] = {}
    unknown: Any = UnknownFieldSet(typed)
    for it in unknown:
        values.setdefault(it.field_number, []).append(it.data)
    for number, value in values.items():
        name, options = declared.predefined.get((typed.DESCRIPTOR.full_name, number), (str(number), b""))
        defined = read_options("predefined", options)
        cel = " && ".join(rule.expression for rule in defined.cel) if defined is not None else ""
        condition = Condition(name, f"{value!r} {cel}")
        rules = {f"{kind}.({name})": ", ".join(map(_shown_unknown, value)), f"the CEL of {name}": cel}
        yield name, Aspect(rules, everything, frozenset({condition}))


def _shown_unknown(data: Any) -> str:
    if isinstance(data, bytes):
        return shown_rule(data.decode() if data.isascii() else data, many=False)
    return str(data)
