"""Rules about which fields of a message are set together: oneofs that are required, and ``message.oneof``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.compat.rule_carriers import RULES_TAG
from registry.compat.rule_changes import RuleChange
from registry.compat.rule_options import read_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.rule_carriers import MessageCarrier


@dataclass(frozen=True, slots=True)
class Choice:
    """Fields of which at most one is set, and exactly one if it is required.

    Attributes:
        name: The oneof's name, empty for a rule of the message.
        fields: The names of its fields, by number.
        required: Whether one of them must be set.
    """

    name: str
    fields: tuple[tuple[int, str], ...]
    required: bool

    @property
    def numbers(self) -> frozenset[int]:
        """The numbers of its fields."""
        return frozenset(number for number, _ in self.fields)

    @property
    def rules(self) -> dict[str, str]:
        """The rule as text."""
        if self.name:
            return {f"oneof {self.name} required": "true"} if self.required else {}
        names = ", ".join(f'"{name}"' for _, name in self.fields)
        return {"message.oneof": f"{{fields: [{names}]{', required: true' if self.required else ''}}}"}


def exclusive_fields(message: MessageCarrier) -> frozenset[int]:
    """Answers the fields of ``message.oneof`` rules, by number: unset ones are not looked at."""
    if RULES_TAG not in message.options:
        return frozenset()
    return frozenset(number for choice in _ruled(message) for number in choice.numbers)


def compare_choices(old: MessageCarrier, new: MessageCarrier) -> Iterator[RuleChange]:
    """Answers how such rules changed in a message of both versions."""
    if not any(RULES_TAG in it for side in (old, new) for it in (side.options, *side.oneofs.values())):
        return
    before, after = _ruled(old) + _declared(old), _ruled(new) + _declared(new)
    for was, becomes in _paired(before, after):
        refused = _refused(becomes, before, old) if becomes else ""
        admitted = _refused(was, after, new) if was else ""
        if refused or admitted:
            choice = becomes or was
            path = f"{new.name}.{choice.name}" if choice and choice.name else new.name
            rules = [it.rules if it else {} for it in (was, becomes)]
            yield RuleChange(path, rules[0], rules[1], refused, admitted, None, new)


def _ruled(message: MessageCarrier) -> list[Choice]:
    rules = read_options("message", message.options) if RULES_TAG in message.options else None
    numbers = {it.name: number for number, it in message.fields.items()}
    return [
        Choice("", tuple((numbers[name], name) for name in it.fields if name in numbers), it.required)
        for it in (rules.oneof if rules is not None else ())
    ]


def _declared(message: MessageCarrier) -> list[Choice]:
    members: dict[str, list[tuple[int, str]]] = {name: [] for name in message.oneofs}
    for number, it in message.fields.items():
        if it.oneof:
            members[it.oneof].append((number, it.name))
    return [Choice(name, tuple(it), _is_required(message.oneofs[name])) for name, it in members.items()]


def _is_required(options: bytes) -> bool:
    rules = read_options("oneof", options) if RULES_TAG in options else None
    return rules is not None and bool(rules.required)


def _paired(before: list[Choice], after: list[Choice]) -> Iterator[tuple[Choice | None, Choice | None]]:
    """Pairs oneofs by name, and rules by the fields that they share."""
    left = list(after)
    for was in before:
        match = next(
            (it for it in left if it.name == was.name and (was.name or it.numbers & was.numbers)), None
        )
        if match is not None:
            left.remove(match)
        yield was, match
    yield from ((None, it) for it in left)


def _refused(choice: Choice, given: list[Choice], message: MessageCarrier) -> str:
    """Answers in words what a version takes and a choice of the other refuses; empty if nothing.

    Args:
        choice: The other version's.
        given: The choices of the version.
        message: The message, as the version has it.
    """
    names = ", ".join(f"`{name}`" for _, name in choice.fields)
    known = choice.numbers & message.fields.keys()
    together = len(known) > 1 and not any(known <= it.numbers for it in given)
    if choice.required and not any(it.required and it.numbers <= choice.numbers for it in given):
        return f"none of {names}" + (" or several of them" if together and not choice.name else "")
    return f"several of {names}" if together and not choice.name else ""
