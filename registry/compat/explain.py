"""Shows findings: where the elements stand in the sources, and events that prove what is said.

Only what is shown to people is worth it: pools are built and events are written here.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from registry.compat.example_targets import Schema
from registry.compat.examples import examples_of
from registry.compat.places import Places
from registry.compat.rule_examples import RuleExamples

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import CounterExample, Finding, Side

EXAMPLES_SHOWN = 100
"""How many findings of a comparison get counter-examples; all get their places."""

EXAMPLE_SECONDS = 5.0
"""How long events are looked for: CEL in rules may take its time on each."""


def explain(findings: Iterable[Finding], old: Side, new: Side) -> list[Finding]:
    """Answers the findings with their places, and the first of them with counter-examples."""
    before, after, examples = Places(old), Places(new), _Examples(old, new)
    return [
        replace(
            it,
            old_place=before.old_place(it),
            new_place=after.new_place(it, before),
            counter_examples=examples.of(it) if index < EXAMPLES_SHOWN else (),
        )
        for index, it in enumerate(findings)
    ]


class _Examples:
    """Counter-examples of one comparison."""

    def __init__(self, old: Side, new: Side) -> None:
        self._old = Schema(old)
        self._new = Schema(new)
        self._until = monotonic() + EXAMPLE_SECONDS
        self._rules = RuleExamples(self._old, self._new, lambda: monotonic() < self._until)

    def of(self, finding: Finding) -> tuple[CounterExample, ...]:
        """Answers those of a finding; none if there is no time left."""
        if monotonic() >= self._until:
            return ()
        if finding.rule_id.startswith("RULE_"):
            return self._rules.of(finding)
        return examples_of(finding, self._old, self._new)
