"""Groups far behind a long log: what they hold, what they write down, and what they read again."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from collections import Counter
from types import FunctionType, ModuleType

from gateway.groups.bounds import LOOK_AHEAD
from gateway.groups.state import GroupState
from gateway.groups.values import DeadLetterPolicy, Ordering, Progress, Settings, Settlement, Verb
from tests.group_trial import Store

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
KEYS = 100
NAMES = [f"key{number}" for number in range(KEYS)]
PAGE = 10_000
PARKING = Settings(dead_letters=DeadLetterPolicy.PARK_KEY, max_attempts=1, max_in_flight_per_member=2_000)


class Backlog:
    """A group behind a log that is too long to be kept: sequence N has the key N modulo 100.

    Members acknowledge all that they are given; ``given`` counts the events of each key.
    """

    def __init__(self, settings: Settings, length: int) -> None:
        self.length = length
        self.store = Store()
        self.group = GroupState(settings, self.store.load())
        self.members = [f"m{number}" for number in range(4)]
        for member in self.members:
            self.group.join(member, "tests", 0, 0.0)
        self.given: Counter[int] = Counter()
        self.read = 0
        self.heaviest = 0

    def page(self, after: int) -> list[tuple[int, str]]:
        """Answers a page of the log."""
        last = min(after + PAGE, self.length)
        self.read += last - after
        return [(at, NAMES[at % KEYS]) for at in range(after + 1, last + 1)]

    def supply(self) -> bool:
        """Reads a page, if the group wants one."""
        behind = self.group.sweep_from()
        if behind is not None:
            self.group.sweep(self.page(behind), min(behind + PAGE, self.length))
        elif self.group.room() and self.group.position < self.length:
            self.group.offer(self.page(self.group.position))
        else:
            return False
        return True

    def work(self, verb: Verb = Verb.ACK) -> None:
        """Has members take what they get, and settle it."""
        while self.group.awake:
            member = min(self.group.awake)
            for delivery in self.group.take(member, 0.0):
                for first, last in delivery.spans:
                    self.given.update(at % KEYS for at in range(first, last + 1))
                self.group.settle(member, [Settlement(delivery.epoch, verb, delivery.spans)], 0.0)

    def flush(self) -> None:
        """Writes down what changed, and looks at how much that is."""
        changes = self.group.changes()
        assert len(changes.keys) <= KEYS
        assert len(pickle.dumps(changes)) < 50_000
        self.store.save(changes)

    def run(self) -> None:
        """Has all settled that can be, and weighs the group as it goes."""
        turns = 0
        while self.supply():
            self.work()
            turns += 1
            if turns % 10 == 0:
                self.flush()
                self.heaviest = max(self.heaviest, weigh(self.group))
        self.flush()


def weigh(root: object) -> int:
    """Answers how many bytes an object and all that it refers to take, classes and functions left out."""
    seen: dict[int, object] = {}
    waiting = [root]
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, (type, ModuleType, FunctionType)):
            continue
        seen[id(thing)] = thing
        waiting += gc.get_referents(thing)
    return sum(sys.getsizeof(thing) for thing in seen.values())


def test_millions_of_events_behind_a_parked_key_cost_next_to_nothing() -> None:
    """While one of 100 keys is parked, state and writes stay small, however many events pass by."""
    backlog = Backlog(PARKING, 10_000_000 if LONG else 300_000)
    backlog.group.offer([(1, NAMES[1])])
    backlog.work(Verb.REJECT)
    backlog.given.clear()
    backlog.run()
    assert backlog.group.is_settled
    assert backlog.given.total() == backlog.length // KEYS * (KEYS - 1)
    assert backlog.heaviest < 2_000_000
    assert backlog.store.progress.keys == {NAMES[1]: 2}
    assert len(pickle.dumps(backlog.store.progress)) < 1_000
    backlog.group.release(NAMES[1])
    backlog.read = 0
    backlog.run()
    assert backlog.given.total() == backlog.length - 1
    assert backlog.read < 2.5 * backlog.length
    assert backlog.store.progress == Progress(position=backlog.length)


def test_a_group_that_nobody_keeps_up_with_holds_no_more_than_its_look_ahead() -> None:
    """With members that take what they may and settle nothing, reading on stops."""
    settings = Settings(ordering=Ordering.NONE, max_in_flight=100_000, max_in_flight_per_member=100_000)
    backlog = Backlog(settings, 10_000_000)
    while backlog.supply():
        for member in sorted(backlog.group.awake):
            backlog.group.take(member, 0.0)
    assert backlog.group.pending <= LOOK_AHEAD + PAGE
    assert backlog.read <= LOOK_AHEAD + PAGE


def test_keys_that_all_wait_cost_little_however_long_the_log_is() -> None:
    """With the first event of each key in flight, the group looks for others to the end, and holds little."""
    backlog = Backlog(PARKING, 300_000)
    while backlog.supply():
        for member in sorted(backlog.group.awake):
            backlog.group.take(member, 0.0)
    assert backlog.group.position == backlog.length
    assert backlog.group.pending <= LOOK_AHEAD // 2 + PAGE
    for member in backlog.members:
        backlog.group.leave(member, 0.0, counts=False)
        backlog.group.join(member, "tests", 0, 0.0)
    backlog.work()
    backlog.run()
    assert backlog.group.is_settled
    assert backlog.read < 3 * backlog.length


def test_a_key_that_is_far_behind_is_no_burden_to_those_that_are_near_nor_they_to_it() -> None:
    """Beside keys that are read again at the head, one goes through its backlog at full speed."""
    backlog = Backlog(PARKING, 300_000)
    backlog.group.offer([(1, NAMES[1])])
    backlog.work(Verb.REJECT)
    backlog.group.advance(backlog.length - PAGE)
    backlog.group.offer(backlog.page(backlog.length - PAGE))
    backlog.group.release(NAMES[1])
    backlog.read = 0
    backlog.given.clear()
    backlog.run()
    assert backlog.given.total() - backlog.given[1] == PAGE // KEYS * (KEYS - 1)
    assert backlog.given[1] == backlog.length // KEYS - 1
    assert backlog.read < 1.5 * backlog.length
