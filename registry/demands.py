"""What an event type demands of each event beyond its shape: required fields and ``buf.validate`` rules.

Parsing checks neither, so an event type that has any gets a second look, at its own message.
On messages of users only ``IsInitialized()`` and ``SerializePartialToString()`` are called:
``SerializeToString()``, ``ByteSize()`` and ``FindInitializationErrors()`` crash the process where a
required field is missing below a map's entry (protobuf 5.29 to 7.36).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import protovalidate

from registry.envelope import fields, reachable, typed_batch
from registry.errors import Violation
from registry.wire import numbers

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_RULES = 1159
"""The number of the extensions ``buf.validate.message``, ``.oneof`` and ``.field``."""


class Demands:
    """The demands of one event type; truthy if there are any.

    Holds a ``protovalidate.Validator`` of its own where there are rules (about 1 MB): validators cache
    by full type name and would apply one schema version's rules to another.
    """

    __slots__ = ("_batch", "_rules", "has_required", "has_rules")

    def __init__(self, pool: DescriptorPool, descriptor: Descriptor, schema_version: int) -> None:
        types = reachable(descriptor)
        self.has_required = any(field.is_required for kind in types for field in kind.fields)
        self.has_rules = any(map(_has_rules, types))
        self._batch = typed_batch(pool, descriptor, schema_version)
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

    def first_unmet(self, batch: bytes, path: str) -> Violation | None:
        """Words the first demand that a batch of a single event does not meet; None if it meets all.

        Args:
            batch: As ``met`` takes it.
            path: Of the event's data.
        """
        typed: Any = self._batch.FromString(batch)
        missing = _missing(typed.events[0].data, path) if self.has_required else None
        if missing is not None or self._rules is None:
            return missing
        try:
            found = self._rules.collect_violations(typed.events[0].data, fail_fast=True)
        except (protovalidate.EvaluationError, TypeError) as error:
            return Violation(path, f"a rule can't be evaluated on it: {error}")
        return _worded(found[0], path) if found else None


def _has_rules(descriptor: Descriptor) -> bool:
    carriers = (descriptor, *descriptor.oneofs, *fields(descriptor))
    return any(
        carrier.has_options and _RULES in numbers(carrier.GetOptions().SerializePartialToString())
        for carrier in carriers
    )


def _missing(message: Message, path: str) -> Violation | None:
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            return Violation(f"{path}.{field.name}", f"required field {field.number} is missing")
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        name = f"{path}.[{field.full_name}]" if field.is_extension else f"{path}.{field.name}"
        for below, inner in _elements(field, value, name):
            found = _missing(below, inner)
            if found is not None:
                return found
    return None


def _elements(field: Any, value: Any, path: str) -> list[tuple[Message, str]]:
    if not field.is_repeated:
        return [(value, path)]
    if not field.message_type.GetOptions().map_entry:
        return [(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if field.message_type.fields_by_name["value"].message_type is None:
        return []
    return [(item, f"{path}[{subscript(key)}]") for key, item in value.items()]


def subscript(key: object) -> str:
    """Writes a map's key as paths have it."""
    if isinstance(key, bool):
        return "true" if key else "false"
    return f'"{key}"' if isinstance(key, str) else str(key)


def _worded(violation: protovalidate.Violation, path: str) -> Violation:
    proto = violation.proto
    where = path
    for element in proto.field.elements if proto.field else ():
        where += f".{element.field_name}"
        if element.subscript is not None:
            key = element.subscript.value
            where += f"[{subscript(key)}]"
    return Violation(where, proto.message or f"rule {proto.rule_id} is broken", proto.rule_id)
