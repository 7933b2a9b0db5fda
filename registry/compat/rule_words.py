"""Findings about rules: what changed, whom it hits, and the safe way to the same end, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kind

from registry.compat.catalogue import RULES
from registry.compat.finding import Audience, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.compat.finding import Side
    from registry.compat.rule_carriers import FieldCarrier
    from registry.compat.rule_changes import RuleChange

_SHOWN = 300
_BACKTEST = "or try it first: `tidegate schema check --backtest TOPIC` says which stored events fail"


def rule_finding(it: RuleChange, old: Side) -> Finding:
    """Answers a change of rules as a finding."""
    rule_id = _rule_id(it)
    cells = {key: cell.verdict for key, cell in RULES[rule_id].cells.items()}
    refused = (Audience.OLD_PRODUCERS, Audience.NEW_READERS) if it.refused else ()
    audiences = (*refused, *((Audience.OLD_READERS,) if it.admitted else ()))
    return Finding(rule_id, it.path, _change(it), cells, audiences, _effect(it, old), _suggestion(it))


def _rule_id(it: RuleChange) -> str:
    if it.refused and it.admitted:
        return "RULE_CHANGED"
    if it.refused:
        return "RULE_TIGHTENED" if it.before else "RULE_ADDED"
    return "RULE_LOOSENED" if it.after else "RULE_REMOVED"


def _change(it: RuleChange) -> str:
    names = [name for name in {**it.before, **it.after} if it.before.get(name) != it.after.get(name)]
    words = "; ".join(_changed(name, it.before, it.after) for name in names)
    if not words:
        return f"{_listed(it.after) or 'presence'} allows something else than before"
    if it.existed:
        return words
    if it.after:
        return f"the field is new, with {_listed(it.after)}"
    return f"the field is gone, which had {_listed(it.before)}"


def _listed(rules: Mapping[str, str]) -> str:
    return " and ".join(f"{name} = {_cut(text)}" for name, text in rules.items())


def _changed(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name in before and name in after:
        return f"{name} changed from {_cut(before[name])} to {_cut(after[name])}"
    if name in after:
        return f"{name} = {_cut(after[name])} was added"
    return f"{name} = {_cut(before[name])} was removed"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _effect(it: RuleChange, old: Side) -> str:
    parts = []
    if it.refused:
        parts.append(
            f"stored events and producers still on {old.name} that send {_cut(it.refused)} will be refused"
        )
    if it.admitted:
        parts.append(
            f"events with {_cut(it.admitted)} pass now, and readers still on {old.name} rely on never seeing "
            f"them"
        )
    return "; ".join(parts)


def _suggestion(it: RuleChange) -> str:
    if not it.refused:
        return f"{_kept(it)}; or move the readers to the new version before anybody publishes with it"
    field = _strict_field(it) if it.existed and it.before != it.after else ""
    return f"{_kept(it)}{field}; {_BACKTEST}"


def _kept(it: RuleChange) -> str:
    if it.before == it.after:
        is_enum = it.field is not None and it.field.kind == Kind.TYPE_ENUM
        return "keep the numbers that the enum had" if is_enum else "keep the field's presence as it was"
    if not it.existed and it.after:
        return f"leave {', '.join(it.after)} out, since events of the old version don't have the field"
    if not it.before:
        return "leave the rule out" if it.field is None else f"leave the rule off `{it.field.name}`"
    options = _options({name: text for name, text in it.before.items() if _is_option(name)})
    others = [f"`{name}` as it was" for name in it.before if not _is_option(name)]
    return f"keep {', '.join([f'`{option}`' for option in options] + others)}"


def _options(rules: Mapping[str, str]) -> list[str]:
    """Answers rules as options of a field; protoc takes lists only within braces, and each brace once."""
    kinds: dict[str, dict[str, str]] = {}
    for name, text in rules.items():
        kind, _, rule = name.rpartition(".")
        kinds.setdefault(kind, {})[rule] = text
    options = []
    for kind, own in kinds.items():
        path = f"(buf.validate.field).{kind}" if kind else "(buf.validate.field)"
        if any(text.startswith("[") for text in own.values()):
            options.append(f"{path} = {{{', '.join(f'{rule}: {text}' for rule, text in own.items())}}}")
        else:
            options += [f"{path}.{rule} = {text}" for rule, text in own.items()]
    return options


def _is_option(name: str) -> bool:
    """Tells whether a rule is written as an option of a field with the value that is shown."""
    return not name.startswith(("cel", "oneof ", "message.", "the CEL")) and "(" not in name


def _strict_field(it: RuleChange) -> str:
    """Answers a new field that may have the strict rule from its first event on; empty if none may."""
    field, number = it.field, it.message.next_number
    rules = {name: text for name, text in it.after.items() if name != "required" and _is_option(name)}
    if field is None or field.repeated or not number or not rules:
        return ""
    options = ", ".join(_options(rules))
    declared = f"{it.message.label}{_type(field)} {field.name}_{number} = {number}"
    return f", and put {'the new rule' if it.before else 'it'} on a new field: `{declared} [{options}];`"


def _type(field: FieldCarrier) -> str:
    return field.type_name or Kind.Type.Name(Kind.Type.ValueType(field.kind))[5:].lower()
