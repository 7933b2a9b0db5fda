"""How ``buf.validate`` rules changed between two versions: what they allowed, and what they allow now.

A rule that was added or tightened refuses stored events and old producers; one that was removed or
loosened lets through what readers of the old version rely on never to see. Rules that say the same in
other words are the same.

The line: which files, messages and fields differ (here), what their rules allow (``rule_values``), what
is allowed no more or now (``rule_changes``, ``rule_choices``), and the words for it (``rule_words``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from registry.compat.reading import split_files
from registry.compat.rule_carriers import RULES_TAG, is_supplied, knows_rules, read_rule_file, usable_number
from registry.compat.rule_changes import NO_DEMAND, RuledField, field_changes, message_changes
from registry.compat.rule_choices import compare_choices, exclusive_fields
from registry.compat.rule_options import Declared
from registry.compat.rule_trial import RuleTrial
from registry.compat.rule_values import demand_of
from registry.compat.rule_words import rule_finding
from registry.descriptors import build_pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.finding import Finding, Side
    from registry.compat.rule_carriers import FieldCarrier, MessageCarrier, RuleFile
    from registry.compat.rule_changes import RuleChange


def compare_rules(old: Side, new: Side) -> list[Finding]:
    """Answers how rules changed in the messages that both versions have, by path.

    New and removed fields count where an event that lacks them would be refused.
    """
    if not (knows_rules(old.descriptor_set) or knows_rules(new.descriptor_set)):
        return []
    changes = _Comparison(_Version(old), _Version(new)).changes()
    return sorted((rule_finding(it, old) for it in changes), key=lambda it: (it.path, it.rule_id))


class _Version:
    """One side: its files, what they declare, and what protovalidate says."""

    def __init__(self, side: Side) -> None:
        self.files = split_files(side.descriptor_set)
        self.trial = RuleTrial(lambda: build_pool(side.descriptor_set))
        self._declared = Declared(self.files)

    def only(self, files: set[bytes]) -> list[RuleFile]:
        """Answers some of its files, read."""
        return [read_rule_file(file) for file in self.files if file in files]

    def field(
        self, carrier: FieldCarrier | None, message: MessageCarrier, choices: frozenset[int]
    ) -> RuledField:
        """Answers a field with what its rules ask."""
        demand = NO_DEMAND
        if carrier is not None:
            demand = demand_of(carrier, self._declared, exclusive=carrier.number in choices)
        return RuledField(carrier, demand, message.name, self.trial)


class _Comparison:
    """One comparison. Files that both versions have are looked at only if what they refer to changed."""

    def __init__(self, before: _Version, after: _Version) -> None:
        self._before = before
        self._after = after
        files = set(before.files), set(after.files)
        shared = files[0] & files[1]
        self._files = {file for file in (files[0] | files[1]) - shared if not is_supplied(file)}
        old, new = before.only(self._files), after.only(self._files)
        self._redefined = _definitions(old) != _definitions(new)
        self._enums = _changed_enums(old, new)
        if self._redefined or self._enums:
            self._files |= {file for file in shared if self._is_concerned(file)}

    def _is_concerned(self, file: bytes) -> bool:
        return (
            RULES_TAG in file
            and not is_supplied(file)
            and (self._redefined or not self._enums.isdisjoint(read_rule_file(file).ruled_enums))
        )

    def changes(self) -> Iterator[RuleChange]:
        """Answers what changed, message by message."""
        if not any(RULES_TAG in file for file in self._files):
            return
        after = {name: it for file in self._after.only(self._files) for name, it in file.messages.items()}
        for file in self._before.only(self._files):
            for name, message in file.messages.items():
                if name in after and (message.has_rules or after[name].has_rules):
                    yield from self._message(message, after[name])

    def _message(self, old: MessageCarrier, new: MessageCarrier) -> Iterator[RuleChange]:
        yield from message_changes(old, new)
        yield from compare_choices(old, new)
        choices = exclusive_fields(old), exclusive_fields(new)
        free = _first_free(old, new)
        for number in {**old.fields, **new.fields}:
            before, after = old.fields.get(number), new.fields.get(number)
            if self._may_differ(before, after) or (number in choices[0]) != (number in choices[1]):
                was = self._before.field(before, old, choices[0])
                now = self._after.field(after, new, choices[1])
                found = list(field_changes(was, now, replace(new, next_number=free)))
                free = usable_number(free + 1) if free and found else free
                yield from found

    def _may_differ(self, old: FieldCarrier | None, new: FieldCarrier | None) -> bool:
        if not any(it is not None and RULES_TAG in it.options for it in (old, new)):
            return False
        if old != new or old is None or self._redefined:
            return True
        return any(it.type_name in self._enums for it in (old, *old.entry))


def _first_free(old: MessageCarrier, new: MessageCarrier) -> int:
    """Answers a number for a new field, behind those that changed types suggest; 0 if there is none."""
    others = [(was, new.fields[number]) for number, was in old.fields.items() if number in new.fields]
    retyped = sum(
        (it.kind, it.type_name, it.repeated) != (was.kind, was.type_name, was.repeated) for was, it in others
    )
    known = all((old.next_number, new.next_number))
    return usable_number(max(old.next_number, new.next_number) + retyped) if known else 0


def _definitions(files: Iterable[RuleFile]) -> dict[tuple[str, int], tuple[str, bytes]]:
    return {key: it for file in files for key, it in file.predefined.items()}


def _changed_enums(old: Iterable[RuleFile], new: Iterable[RuleFile]) -> frozenset[str]:
    """Answers the enums of both whose numbers are not the same."""
    before = {name: it for file in old for name, it in file.enums.items()}
    return frozenset(name for file in new for name, it in file.enums.items() if before.get(name, it) != it)
