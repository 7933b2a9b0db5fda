"""What trying a schema on stored events found, as plain values; and how they travel between processes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from registry.errors import Violation

RULES_LISTED = 100
"""How many rules a report names at most, those that fail most often."""
SAMPLES_LISTED = 20
"""How many events at fault a report shows at most."""
VIOLATIONS_SHOWN = 10
"""How many things wrong with one event a report says at most."""


@dataclass(frozen=True, slots=True)
class RuleFailures:
    """How often a rule fails.

    Attributes:
        rule_id: The rule's id, such as ``int64.gt``; empty for rules that can't be evaluated.
        field: From the event on, without indexes and keys: ``data.amount_cents``.
        events: How many events break it.
    """

    rule_id: str
    field: str
    events: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One event at fault: where it stands, and at most ``VIOLATIONS_SHOWN`` things wrong with it."""

    sequence: int
    type: str
    schema_version: int
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of trying a schema on stored events. An event can have several faults, and counts for each.

    Attributes:
        examined: Events looked at.
        passed: Those without a fault.
        unparsable: Those whose data does not parse as the schema's type, or lacks required fields.
        with_unknown_fields: Those with fields that the schema doesn't know.
        breaking_rules: Those that parse, and break its rules.
        without_type: Those of types that it doesn't have.
        rules: Which rules fail, most often first, at most ``RULES_LISTED``.
        samples: Some of the first events of each fault and rule, at most ``SAMPLES_LISTED``, in order.
        first_sequence: The first sequence looked at; 0 if none was.
        last_sequence: The last sequence looked at; 0 if none was.
    """

    examined: int = 0
    passed: int = 0
    unparsable: int = 0
    with_unknown_fields: int = 0
    breaking_rules: int = 0
    without_type: int = 0
    rules: tuple[RuleFailures, ...] = ()
    samples: tuple[Sample, ...] = ()
    first_sequence: int = 0
    last_sequence: int = 0

    def to_json(self) -> bytes:
        """Answers the report for another process."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Report:
        """Reads what ``to_json`` wrote."""
        values = json.loads(data)
        values["rules"] = tuple(RuleFailures(**rule) for rule in values["rules"])
        values["samples"] = tuple(_sample(sample) for sample in values["samples"])
        return cls(**values)


def _sample(values: dict[str, Any]) -> Sample:
    violations = tuple(Violation(**each) for each in values["violations"])
    return Sample(**values | {"violations": violations})
