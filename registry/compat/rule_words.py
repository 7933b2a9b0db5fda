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
_BACKTEST = "`tidegate schema check --backtest` tells whether stored events would pass"


def rule_finding(it: RuleChange, old: Side, new: Side) -> Finding:
    """Answers a change of rules as a finding."""
    rule_id = _rule_id(it)
    cells = {key: cell.verdict for key, cell in RULES[rule_id].cells.items()}
    audiences = (Audience.OLD_PRODUCERS, Audience.NEW_READERS) if it.refused else ()
    audiences += (Audience.OLD_READERS,) if it.admitted else ()
    return Finding(rule_id, it.path, _change(it), cells, audiences, _effect(it, old, new), _suggestion(it))


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
        rules = " and ".join(f"{name} = {_cut(text)}" for name, text in it.after.items())
        return f"{rules} allows other values than before" if rules else "the field can be told unset"
    if it.existed:
        return words
    return f"the field is new, and has {words}" if it.after else f"the field is gone, which had {words}"


def _changed(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if name in before and name in after:
        return f"{name} changed from {_cut(before[name])} to {_cut(after[name])}"
    if name in after:
        return f"{name} = {_cut(after[name])} was added"
    return f"{name} = {_cut(before[name])} was removed"


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _effect(it: RuleChange, old: Side, new: Side) -> str:
    sentences = []
    if it.refused:
        sentences.append(
            f"Events that {_who(old, 'producers')} send with {_cut(it.refused)}, stored ones too, are "
            f"refused by {new.name}."
        )
    if it.admitted:
        sentences.append(
            f"Events with {_cut(it.admitted)} pass now; {_who(old, 'readers')} rely on never seeing them."
        )
    return " ".join(sentences)


def _who(old: Side, who: str) -> str:
    return f"{who} still on {old.name}"


def _suggestion(it: RuleChange) -> str:
    kept = ", ".join(_option(name, text) for name, text in it.before.items())
    if not it.refused:
        move = "move the readers to the new version before anybody publishes with it"
        return f"Keep {kept}; or {move}." if kept else f"First {move}."
    keep = f"Keep {kept} here" if kept else "Leave the rule out here"
    if not it.existed:
        keep = f"Leave {', '.join(it.after)} out: events of the old version don't have the field"
    field = "" if not it.existed else _strict_field(it)
    return f"{keep}{field}. If you need it here, {_BACKTEST}."


def _option(name: str, text: str) -> str:
    if name.startswith(("cel", "oneof ", "message.", "the CEL")):
        return f"`{name}` as it was"
    return f"`(buf.validate.field).{name} = {text}`"


def _strict_field(it: RuleChange) -> str:
    """Answers a new field that may have the strict rule from its first event on."""
    field, number = it.field, it.message.next_number
    if field is None or field.entry or not number:
        return ""
    options = ", ".join(
        f"(buf.validate.field).{name} = {text}"
        for name, text in it.after.items()
        if not name.startswith("cel")
    )
    declared = f"{_type(field, it.message.label)} {field.name}_{number} = {number}"
    return f", and put the strict rule on a new field: `{declared}{f' [{options}]' if options else ''};`"


def _type(field: FieldCarrier, label: str) -> str:
    return ("repeated " if field.repeated else label) + (
        field.type_name or Kind.Type.Name(Kind.Type.ValueType(field.kind))[5:].lower()
    )
