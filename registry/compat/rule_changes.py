"""What changed between two demands on a value: which rules, and which values are not allowed any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry.compat.allowed import Anything
from registry.compat.rule_demands import Demand
from registry.compat.rule_options import read_options
from registry.compat.rule_values import cel_aspects

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry.compat.rule_carriers import FieldCarrier, MessageCarrier
    from registry.compat.rule_demands import Aspect
    from registry.compat.rule_trial import RuleTrial

NO_DEMAND = Demand({}, Anything())
_PARTS = {
    "repeated.items": "an item of {}",
    "map.keys": "a key of {}",
    "map.values": "a value of {}",
}


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Rules of one field or message that changed.

    Attributes:
        path: Full name of what carries them.
        before: The old version's rules that don't say the same any more, as text by name.
        after: The new version's.
        refused: What the old version takes and the new one refuses, in words that follow "that send"; empty
            if nothing.
        admitted: What the new version takes and the old one refuses; empty if nothing.
        field: The field, as the old version has it, or else the new one; None for a message or oneof.
        message: The message that it is in, as the new version has it.
        existed: Whether what carries them is in both versions.
    """

    path: str
    before: Mapping[str, str]
    after: Mapping[str, str]
    refused: str
    admitted: str
    field: FieldCarrier | None
    message: MessageCarrier
    existed: bool = True


@dataclass(frozen=True, slots=True)
class RuledField:
    """A field as one version has it, and what that asks of it.

    Attributes:
        field: The field; None if the version does not have it.
        demand: What its rules ask.
        message: Full name of its message.
        trial: Asks protovalidate.
    """

    field: FieldCarrier | None
    demand: Demand
    message: str
    trial: RuleTrial

    @property
    def has_presence(self) -> bool:
        """Whether not being set is something else than being zero."""
        return self.field is None or self.field.has_presence

    def takes_absence(self) -> bool:
        """Tells whether it may be left out."""
        if self.field is None or self.demand.ignored:
            return True
        if self.demand.required:
            return False
        return self.has_presence or self.demand.spares_zero or self.takes_zero()

    def takes_zero(self) -> bool:
        """Tells whether zero passes the rules about its value; if only protovalidate knows, asks it."""
        known = self.demand.takes_zero()
        if known is None and self.field is not None and not self.has_presence:
            return self.trial.takes_default(self.message, self.field.number)
        return known is not False


def field_changes(old: RuledField, new: RuledField, message: MessageCarrier) -> Iterator[RuleChange]:
    """Answers how the rules of a field changed that one version has, or both."""
    changes = _lone_changes if old.field is None or new.field is None else _shared_changes
    yield from (it for it in changes(old, new, message) if it.refused or it.admitted)


def _lone_changes(old: RuledField, new: RuledField, message: MessageCarrier) -> Iterator[RuleChange]:
    """Answers what a new field asks of events that lack it, or a removed one asked."""
    carrier = old.field or new.field
    if carrier is not None:
        absent = f"no `{carrier.name}`"
        yield RuleChange(
            path=carrier.path,
            before=_against_absence(old.demand),
            after=_against_absence(new.demand),
            refused="" if new.takes_absence() else absent,
            admitted="" if old.takes_absence() else absent,
            field=carrier,
            message=message,
            existed=False,
        )


def _against_absence(demand: Demand) -> dict[str, str]:
    if demand.required:
        return {"required": "true"}
    aspects = [it for it in demand.aspects.values() if it.conditions or not it.allowed.has_zero]
    return {name: text for it in aspects for name, text in it.rules.items()}


def _shared_changes(old: RuledField, new: RuledField, message: MessageCarrier) -> Iterator[RuleChange]:
    carrier = old.field
    if carrier is None:
        return
    name = f"`{carrier.name}`"
    uneven = any(it.demand.required or it.demand.spares_zero for it in (old, new))
    moved = old.has_presence != new.has_presence
    if uneven or moved:
        yield _absence_change(old, new, carrier, message)
    nonzero = moved or (uneven and not new.has_presence)
    yield from _value_changes(old.demand, new.demand, name, carrier, message, nonzero=nonzero)
    for part in {**old.demand.parts, **new.demand.parts}:
        before, after = _of_elements(old.demand, part), _of_elements(new.demand, part)
        yield from _element_changes(before, after, _PARTS[part].format(name), carrier, message)


def _absence_change(
    old: RuledField, new: RuledField, carrier: FieldCarrier, message: MessageCarrier
) -> RuleChange:
    taken, takes = old.takes_absence(), new.takes_absence()
    # A field with presence can be sent as zero; without, zero is its absence.
    sent = taken or (old.has_presence and not new.has_presence and old.takes_zero())
    read = takes or (new.has_presence and not old.has_presence and new.takes_zero())
    absent = f"no `{carrier.name}`"
    refused, admitted = sent and not takes, read and not taken
    before, after = _absence_rules(old.demand), _absence_rules(new.demand)
    if not (before or after):
        # The rules are about values: what changed is whether an unset field has one.
        before = after = _against_absence(new.demand if takes < taken else old.demand)
    return RuleChange(
        carrier.path, before, after, absent if refused else "", absent if admitted else "", carrier, message
    )


def _absence_rules(demand: Demand) -> dict[str, str]:
    rules = {"required": "true"} if demand.required else {}
    return rules | ({"ignore": "IGNORE_IF_ZERO_VALUE"} if demand.spares_zero else {})


def _of_elements(demand: Demand, part: str) -> Demand:
    """Answers what is asked of elements; where there can be none, none is sent."""
    asked = replace(demand.parts.get(part, NO_DEMAND), ignored=demand.ignored)
    if demand.allowed.without_zero().is_empty:
        return replace(asked, allowed=Anything(is_empty=True, has_zero=False))
    return asked


def _element_changes(
    old: Demand, new: Demand, name: str, carrier: FieldCarrier, message: MessageCarrier
) -> Iterator[RuleChange]:
    spares = old.spares_zero or new.spares_zero
    yield from _value_changes(old, new, name, carrier, message, nonzero=spares)
    if old.spares_zero != new.spares_zero:
        before, after = ({"ignore": "IGNORE_IF_ZERO_VALUE"} if it.spares_zero else {} for it in (old, new))
        # What can't be told counts as refused.
        refused = f"{name} as zero" if old.spares_zero and new.takes_zero() is not True else ""
        admitted = f"{name} as zero" if new.spares_zero and old.takes_zero() is not True else ""
        yield RuleChange(carrier.path, before, after, refused, admitted, carrier, message)


def message_changes(old: MessageCarrier, new: MessageCarrier) -> Iterator[RuleChange]:
    """Answers how the CEL rules of a message changed."""
    if old.options != new.options:
        before, after = (_message_demand(it.options) for it in (old, new))
        changes = _value_changes(before, after, "something", None, new, nonzero=False)
        yield from (it for it in changes if it.refused or it.admitted)


def _message_demand(options: bytes) -> Demand:
    rules = read_options("message", options)
    aspects = dict(cel_aspects(rules, Anything())) if rules is not None else {}
    return Demand(aspects, Anything(), frozenset(it for one in aspects.values() for it in one.conditions))


def _value_changes(
    old: Demand,
    new: Demand,
    name: str,
    carrier: FieldCarrier | None,
    message: MessageCarrier,
    *,
    nonzero: bool,
) -> Iterator[RuleChange]:
    path = message.name if carrier is None else carrier.path
    for about in {**old.aspects, **new.aspects}:
        before, after = old.aspects.get(about), new.aspects.get(about)
        refused = _refused(old, after, name, nonzero=nonzero)
        admitted = _refused(new, before, name, nonzero=nonzero)
        yield RuleChange(path, _rules(old, about), _rules(new, about), refused, admitted, carrier, message)


def _rules(demand: Demand, about: str) -> Mapping[str, str]:
    if demand.ignored:
        return {"ignore": "IGNORE_ALWAYS"}
    aspect = demand.aspects.get(about)
    return {} if aspect is None else aspect.rules


def _refused(demand: Demand, aspect: Aspect | None, name: str, *, nonzero: bool) -> str:
    """Answers in words what passes a demand and not an aspect of the other version's; empty if nothing."""
    if aspect is None or demand.meets(aspect, nonzero=nonzero):
        return ""
    allowed = demand.allowed.without_zero() if nonzero else demand.allowed
    return f"{name} {allowed.beyond(aspect.allowed) or _against(aspect.rules)}"


def _against(rules: Mapping[str, str]) -> str:
    return f"breaking {' and '.join(f'`{name} = {text}`' for name, text in rules.items())}"
