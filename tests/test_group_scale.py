"""A long history behind a group: its state stays small, whatever is pending."""

from __future__ import annotations

import os

from gateway.groups.state import GroupState
from gateway.groups.values import DeadLetterPolicy, Progress, Settings, Settlement, Verb

EVENTS = 10_000_000 if os.environ.get("TIDEGATE_TEST_PROFILE") == "long" else 300_000
KEYS, PAGE, POISON = 100, 1_000, 7


def page(first: int) -> list[tuple[int, str]]:
    """Events of the log from a sequence on: keys in turns."""
    return [(at, f"k{at % KEYS}") for at in range(first, min(first + PAGE, EVENTS + 1))]


def test_one_parked_key_of_a_long_history_costs_one_sequence() -> None:
    """With one of 100 keys parked from the beginning, what is held and what is written down stays small."""
    settings = Settings(max_attempts=1, dead_letters=DeadLetterPolicy.PARK_KEY)
    state = GroupState(settings, Progress())
    state.join("m", "", 0, 0.0)
    settled = written = 0
    while settled < EVENTS - EVENTS // KEYS:
        if state.room() and state.position < EVENTS:
            events = page(state.position + 1)
            state.offer(events)
            state.advance(events[-1][0])
        elif (after := state.sweep_from()) is not None:
            events = page(after + 1)
            state.sweep(events, events[-1][0])
        for delivery in state.take("m", 0.0):
            bad = tuple(
                (at, at)
                for first, last in delivery.spans
                for at in range(first, last + 1)
                if at % KEYS == POISON
            )
            for verb, spans in ((Verb.REJECT, bad), (Verb.ACK, delivery.spans)):
                said = state.settle("m", [Settlement(delivery.epoch, verb, spans)], 0.0) if spans else None
                settled += said.applied if said and verb is Verb.ACK else 0
        changes = state.changes()
        written = max(written, len(changes.keys) + len(changes.failed) + len(changes.loose or ()))
    assert [(name, parked.sequence) for name, parked in state.parked] == [(f"k{POISON}", POISON)]
    assert state.position == EVENTS
    assert state.pending <= KEYS
    assert written <= 2 * KEYS
