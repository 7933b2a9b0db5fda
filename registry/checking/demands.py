"""What an event type demands of each event beyond its shape: required fields and ``buf.validate`` rules.

Parsing checks neither, so an event type that has any gets a second look, at its own message.
On messages of users only ``IsInitialized()`` and ``SerializePartialToString()`` are called:
``SerializeToString()``, ``ByteSize()`` and ``FindInitializationErrors()`` crash the process where a
required field is missing below a map's entry (protobuf 5.29 to 7.36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import protovalidate

from registry.checking.envelope import typed_batch
from registry.checking.fields import known_fields
from registry.checking.wire import numbers, subscript
from registry.errors import Violation

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool

_RULES: Final = 1159
"""The number of the extensions ``buf.validate.message``, ``.oneof`` and ``.field``."""
_SMALL: Final = 16 * 1024
"""Up to how many bytes an event is told all rules that it breaks: each item of a list may break some."""


class BrokenRule(NamedTuple):
    """A rule that an event breaks: where, without indexes and keys, and the words for it."""

    field: str
    violation: Violation


class Demands:
    """The demands of one event type; truthy if there are any.

    Holds a ``protovalidate.Validator`` of its own where there are rules (about 1 MB): validators cache
    by full type name and would apply one schema version's rules to another.
    """

    __slots__ = ("_batch", "_rules", "has_required", "has_rules")

    def __init__(self, pool: DescriptorPool, types: list[Descriptor], schema_version: int) -> None:
        self.has_required = any(field.is_required for kind in types for field in kind.fields)
        self.has_rules = any(map(_has_rules, types))
        self._batch = typed_batch(pool, types[0], schema_version)
        self._rules = protovalidate.Validator() if self.has_rules else None

    def __bool__(self) -> bool:
        return self.has_required or self.has_rules

    def met(self, batch: bytes) -> bool:
        """Tells whether every event meets them. The batch's bytes must parse and hold no absent data."""
        typed = self._batch.FromString(batch)
        if self.has_required and not typed.IsInitialized():
            return False
        try:
            return self._rules is None or not self._rules.collect_violations(typed, fail_fast=True)
        except (protovalidate.EvaluationError, TypeError):
            return False

    def is_complete(self, batch: bytes) -> bool:
        """Tells whether no required field is missing. Takes what ``met`` takes."""
        return not self.has_required or bool(self._batch.FromString(batch).IsInitialized())

    def first_broken_rule(self, batch: bytes, path: str) -> Violation | None:
        """Words the first rule that a batch of a single, complete event breaks; None if it breaks none.

        Args:
            batch: As ``met`` takes it.
            path: Of the event's data.
        """
        broken = self._broken(batch, path, fail_fast=True)
        return broken[0].violation if broken else None

    def broken_rules(self, batch: bytes, path: str) -> list[BrokenRule]:
        """Answers the rules that a batch of a single, complete event breaks; of a large one the first."""
        return self._broken(batch, path, fail_fast=len(batch) > _SMALL)

    def _broken(self, batch: bytes, path: str, *, fail_fast: bool) -> list[BrokenRule]:
        if self._rules is None:
            return []
        typed: Any = self._batch.FromString(batch)
        try:
            found = self._rules.collect_violations(typed.events[0].data, fail_fast=fail_fast)
        except (protovalidate.EvaluationError, TypeError) as error:
            return [BrokenRule(path, Violation(path, f"a rule can't be evaluated on it: {error}"))]
        return [_worded(violation, path) for violation in found]


def _has_rules(descriptor: Descriptor) -> bool:
    carriers = (descriptor, *descriptor.oneofs, *known_fields(descriptor))
    return any(
        carrier.has_options and _RULES in numbers(carrier.GetOptions().SerializePartialToString())
        for carrier in carriers
    )


def _worded(violation: protovalidate.Violation, path: str) -> BrokenRule:
    proto = violation.proto
    field = where = path
    for element in proto.field.elements if proto.field else ():
        field += f".{element.field_name}"
        where += f".{element.field_name}"
        if element.subscript is not None:
            where += f"[{subscript(element.subscript.value)}]"
    words = Violation(where, proto.message or f"rule {proto.rule_id} is broken", proto.rule_id)
    return BrokenRule(field, words)
