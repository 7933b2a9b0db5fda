"""A real group beside its model, with a pretend log and a naive store: each step is done to both.

What the real one answers is held to what the model says, and after each step what must always hold is looked
at. The hypothesis machine and the simulator both do their steps through this.
"""

from __future__ import annotations

import pickle
from bisect import bisect_right
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from gateway.groups.state import GroupState
from gateway.groups.values import Ordering, Progress, Settings, Settlement, Verb
from tests.group_model import Model, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.groups.bounds import Bounds
    from gateway.groups.values import Changes, Span

LARGEST_PAGE = 50
K = TypeVar("K")
V = TypeVar("V")


class Store:
    """What was written down: a naive reading of ``Changes``."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.letters: set[int] = set()

    def save(self, changes: Changes) -> None:
        """Takes changes, and holds them to what changes may be."""
        stored = self.progress
        if changes.forget:
            stored.keys, stored.parked, stored.failed = {}, {}, {}
        if changes.revived_above is not None:
            self.letters = {letter for letter in self.letters if letter <= changes.revived_above}
        self.letters -= set(changes.revived)
        for dead in changes.dead:
            assert dead.sequence not in self.letters, "one event is two dead letters"
            self.letters.add(dead.sequence)
        stored.position, stored.lost_through = changes.position, changes.lost_through
        if changes.loose is not None:
            stored.loose = changes.loose
        _merge(stored.keys, changes.keys)
        _merge(stored.parked, changes.parked)
        _merge(stored.failed, changes.failed)
        self._check()

    def _check(self) -> None:
        stored = self.progress
        unsettled = {at for first, last in stored.loose for at in range(first, last + 1)}
        assert sum(last - first + 1 for first, last in stored.loose) == len(unsettled)
        failed = [at for it in stored.failed.values() for at in range(it.first, it.last + 1)]
        assert len(failed) == len(set(failed))
        assert not self.letters & (unsettled | set(failed)), "a dead letter is unsettled"
        assert stored.parked.keys() <= stored.keys.keys()
        for it in stored.failed.values():
            if not it.key:
                assert unsettled.issuperset(range(it.first, it.last + 1))
            elif not it.redriven:
                assert stored.keys[it.key] <= it.first

    def load(self) -> Progress:
        """Answers a copy of what is stored."""
        loaded: Progress = pickle.loads(pickle.dumps(self.progress))  # noqa: S301 - its own bytes
        return loaded


def _merge(stored: dict[K, V], changes: dict[K, V | None]) -> None:
    for key, value in changes.items():
        if value is None:
            assert key in stored, "what is not stored is removed"
            del stored[key]
        else:
            stored[key] = value


class Trial:
    """A group, its model, its log and its store, at some time."""

    def __init__(self, settings: Settings, bounds: Bounds) -> None:
        self.settings, self.bounds = settings, bounds
        self.now = 0.0
        self.sequences: list[int] = []
        self.keys: list[str] = []
        self.trimmed = 0
        self.store = Store()
        self.state = GroupState(settings, self.store.load(), bounds)
        self.model = Model(settings, bounds.most_parked)
        self._saved = pickle.dumps(self.model)
        self.redriven: set[int] = set()
        self._joined = 0
        self._read_again: tuple[list[tuple[int, str]], int] | None = None
        self.largest_page = 0
        self.crashes = 0

    @property
    def is_keyed(self) -> bool:
        """Whether the group orders by key."""
        return self.settings.ordering is Ordering.BY_KEY

    @property
    def head(self) -> int:
        """The last sequence of the log."""
        return self.sequences[-1] if self.sequences else 0

    # The log.

    def append(self, keys: Iterable[str], gap: int = 1) -> None:
        """Appends events to the log; other topics' events may lie in between."""
        at = self.head + gap - 1
        for number, key in enumerate(keys, 1):
            self.sequences.append(at + number)
            self.keys.append(key)

    def read(self, after: int, most: int) -> tuple[list[tuple[int, str]], int]:
        """Answers a page of the log, and the position that it reaches."""
        begin = bisect_right(self.sequences, max(after, self.trimmed))
        page = list(zip(self.sequences[begin : begin + most], self.keys[begin : begin + most], strict=True))
        through = page[-1][0] if len(page) == most else max(after, self.head)
        return page, through

    def trim(self, through: int) -> None:
        """Has retention take events from the log."""
        self.trimmed = max(self.trimmed, through)
        self.model.trim(self.trimmed)

    def supply(self, most: int = LARGEST_PAGE, *, as_spans: bool = True, later: bool = False) -> bool:
        """Reads on as the shell would; tells if there was anything to read.

        What is read again for keys may be handed in ``later``, with the next call, after whatever happens.
        """
        if self._read_again is not None:
            self.state.sweep(*self._read_again)
            self._read_again = None
            return True
        behind = self.state.sweep_from()
        if behind is not None:
            assert behind < self.state.position, "the log is to be read again where it was not read"
            self._read_again = self.read(behind, most)
            return later or self.supply()
        if not self.state.room() or self.state.position >= self.head:
            return False
        self.largest_page = max(self.largest_page, most)
        page, through = self.read(self.state.position, most)
        if self.trimmed > self.state.position:
            self.state.note_lost(min(self.trimmed, through))
        if as_spans and not self.is_keyed:
            self.state.offer_spans(spans_of([sequence for sequence, _ in page]))
        else:
            self.state.offer(page)
        self.state.advance(through)
        self.model.take_in(page)
        self.model.position = through
        return True

    # Members.

    def join(self, most: int = 0) -> str:
        """Has a new member join."""
        self._joined += 1
        member_id = f"m{self._joined}"
        self.state.join(member_id, "tests", most, self.now)
        self.model.join(member_id, most)
        return member_id

    def leave(self, member_id: str, *, counts: bool = True) -> None:
        """Has a member leave, if it did not."""
        if member_id not in self.model.members:
            return
        self.model.leave(member_id, self.now, counts=counts)
        self.state.leave(member_id, self.now, counts=counts)

    def retire(self, member_id: str) -> None:
        """Has a member get no further events."""
        self.state.retire(member_id)
        self.model.retire(member_id)

    def mute(self, member_id: str) -> None:
        """Finds that a member does not take what waits for it."""
        self.state.mute(member_id, self.now)
        self.model.mute(member_id, self.now)

    def take(self, member_id: str, most: int = 10_000) -> list[tuple[int, list[int]]]:
        """Asks what a member gets, and looks that it may; answers epochs and what is still in the log."""
        given: list[tuple[int, list[int]]] = []
        self.model.ask(member_id)
        count = 0
        for delivery in self.state.take(member_id, self.now, most):
            sequences = [at for first, last in delivery.spans for at in range(first, last + 1)]
            assert sequences == sorted(set(sequences))
            self.model.deliver(member_id, delivery.epoch, delivery.attempt, sequences, self.now)
            count += len(sequences)
            for first, last in spans_of([at for at in sequences if at <= self.trimmed]):
                self.state.lose(member_id, delivery.epoch, first, last)
                for at in range(first, last + 1):
                    self.model.lose(at)
            given.append((delivery.epoch, [at for at in sequences if at > self.trimmed]))
        assert count <= most
        return given

    def settle(self, member_id: str, settlements: Sequence[Settlement]) -> None:
        """Says something of events, and looks at what that answers."""
        expected = self.model.settle(member_id, settlements, self.now)
        answer = self.state.settle(member_id, settlements, self.now)
        before = {at for first, last in answer.before for at in range(first, last + 1)}
        late = {at for first, last in answer.late for at in range(first, last + 1)}
        assert answer.applied == expected.applied
        assert before | late | expected.unsure == expected.before | expected.late | expected.unsure
        assert before <= expected.before | expected.unsure, "what is open was settled before"
        known = expected.before & self.model.settled if self.is_keyed else expected.before
        assert not late & known - expected.unsure, "what was settled before is late"

    def acknowledge_all(self, member_id: str) -> None:
        """Has a member acknowledge all that it has."""
        by_epoch: dict[int, list[int]] = defaultdict(list)
        for event in self.model.members[member_id].held.values():
            by_epoch[event.epoch].append(event.sequence)
        self.settle(
            member_id,
            [Settlement(epoch, Verb.ACK, spans_of(sorted(those))) for epoch, those in by_epoch.items()],
        )

    # Time.

    def pass_time(self, seconds: float) -> None:
        """Lets time pass; a group that wants to be woken is woken."""
        self.now += seconds
        wanted = self.state.next_time()
        if wanted is not None and wanted <= self.now:
            self.expire()

    def expire(self) -> None:
        """Ends what ends now."""
        expected = self.model.expire(self.now)
        expired: dict[str, set[int]] = defaultdict(set)
        for member_id, spans in self.state.expire(self.now):
            expired[member_id].update(at for first, last in spans for at in range(first, last + 1))
        assert expired == expected
        wanted = self.state.next_time()
        assert wanted is None or wanted > self.now, "the group wants to be woken again and again"

    # Operators.

    def seek(self, position: int) -> None:
        """Moves the group."""
        self.state.seek(position)
        self.redriven.clear()
        self.model.seek(position)

    def redrive(self, sequence: int) -> None:
        """Gives a dead letter to the group again."""
        event = self.model.dead[sequence]
        self.state.redrive(sequence, self.keys[self.sequences.index(sequence)])
        self.model.redrive(sequence, self.trimmed)
        self.state.redrive(sequence, event.key)
        self.redriven.add(sequence)

    def redrive_again(self, sequence: int) -> None:
        """Asks once more for what was redriven and not written down: nothing happens."""
        if sequence not in self.model.dead:
            self.state.redrive(sequence, self.keys[self.sequences.index(sequence)])

    def release(self, key: str, *, purged: bool = False) -> None:
        """Lets a parked key go on: with the event that it is parked behind, or behind it."""
        behind = self.model.parked.get(key)
        assert self.state.parked_behind(key) == behind
        if behind is not None and behind in self.model.dead and not purged:
            self.redrive(behind)
        else:
            self.state.release(key)
            self.model.parked.pop(key, None)

    def skip(self, sequence: int) -> None:
        """Gives an event up."""
        assert self.state.skip(sequence, self.now) == self.model.skip(sequence)

    def change(self, settings: Settings) -> None:
        """Changes the settings."""
        settings = replace(settings, ordering=self.settings.ordering)
        self.settings = self.state.settings = self.model.settings = settings

    # What outlives it.

    def flush(self) -> None:
        """Writes down what changed, and looks that it says what is so."""
        if not self.state.is_dirty:
            return
        changes = self.state.changes()
        self.redriven.clear()
        self.store.save(changes)
        assert not self.state.is_dirty
        assert self.store.letters == self.model.dead.keys()
        for dead in changes.dead:
            event = self.model.dead[dead.sequence]
            assert (dead.key, dead.cause, dead.attempt_count) == (event.key, event.cause, len(event.attempts))
            assert [attempt.outcome for attempt in dead.attempts] == event.attempts
        assert {key: it.sequence for key, it in self.store.progress.parked.items()} == self.model.parked
        self._saved = pickle.dumps(self.model)

    def crash(self) -> None:
        """Kills the gateway, and starts another one from what was written down."""
        model: Model = pickle.loads(self._saved)  # noqa: S301 - its own bytes
        self.model = model.crashed()
        self.model.settings = self.settings
        self.model.trim(self.trimmed)
        self.redriven.clear()
        self._read_again = None
        self.crashes += 1
        self.state = GroupState(self.settings, self.store.load(), self.bounds)
        assert not self.state.is_dirty

    # What must hold.

    def check(self) -> None:
        """Looks at all that must hold at any time."""
        state, model = self.state, self.model
        assert state.position == model.position
        assert state.in_flight == len(model.leased)
        assert {it.member_id: it.in_flight for it in state.members()} == {
            name: len(member.held) for name, member in model.members.items()
        }
        assert {it.member_id for it in state.members() if it.silent} == {
            name for name, member in model.members.items() if member.expiries
        }
        assert {key: parked.sequence for key, parked in state.parked} == model.parked
        assert state.parked_count == len(model.parked)
        assert bool(state.stalled) == (len(model.parked) >= self.bounds.most_parked)
        assert state.awake <= set(state.member_ids)
        self._check_times()
        self._check_open()
        self._check_size()
        self._check_count()

    def _check_times(self) -> None:
        wanted, needed = self.state.next_time(), self.model.next_time()
        assert needed is None or (wanted is not None and wanted <= needed), "a time is slept through"

    def _check_open(self) -> None:
        open_events = list(self.model.open_events())
        if open_events:
            assert not self.state.is_settled
            assert 0 < self.state.oldest <= min(event.sequence for event in open_events)
        retrying = {at: it.attempt_count for it in self.state.retrying for at in range(it.first, it.last + 1)}
        assert retrying == {
            event.sequence: len(event.attempts)
            for events in self.model.unsettled.values()
            for event in events.values()
            if event.attempts
        }

    def _check_count(self) -> None:
        """Looks that all that is unsettled is counted: exactly, until a restart or retention forgets some."""
        if self.crashes or self.trimmed:
            return
        assert self.state.unsettled == sum(
            event.redriven or key not in self.model.parked
            for key, events in self.model.unsettled.items()
            for event in events.values()
        )

    def _check_size(self) -> None:
        extra = sum(
            bool(events) + sum(event.redriven for event in events.values())
            for events in self.model.unsettled.values()
        )
        assert self.state.pending <= self.bounds.look_ahead * 5 // 4 + self.largest_page + extra

    # That nothing is forgotten.

    def settle_down(self, *, acknowledge: bool) -> None:
        """Reads on and asks members that are awake until nothing happens; then nobody may be forgotten."""
        for _ in range(100_000):
            wanted = self.state.next_time()
            if wanted is not None and wanted <= self.now:
                self.expire()
            busy = bool(self.state.awake) | self.supply()
            for member_id in sorted(self.state.awake):
                busy |= bool(self.take(member_id))
                if acknowledge and self.model.members[member_id].held:
                    self.acknowledge_all(member_id)
                    busy = True
            if not busy:
                break
        else:
            msg = "it never settles down"
            raise AssertionError(msg)
        self._check_nobody_waits()

    def _check_nobody_waits(self) -> None:
        model = self.model
        members = [member for member in model.members.values() if not member.leaving]
        full = len(model.leased) >= self.settings.max_in_flight or not members
        full = full or any(len(member.held) >= model.limit(member) or member.expiries for member in members)
        if full or len(model.parked) >= self.bounds.most_parked:
            return
        ready = [event for event in model.open_events() if event.place is Place.READY]
        if any(map(model.is_tried_alone, ready)) and any(member.held for member in members):
            return
        assert model.position == self.head or self.state.pending >= self.bounds.look_ahead
        for key, events in model.unsettled.items():
            if key in model.parked:
                continue
            first = model.order(key)[:1] if key else events.values()
            assert all(event.place is not Place.READY for event in first if not event.gone)

    def drain(self) -> None:
        """Has members that do what they should settle everything, as time passes; nothing may be left."""
        while len(self.model.parked) >= self.bounds.most_parked:
            self.release(next(iter(self.model.parked)))
        if all(member.leaving for member in self.model.members.values()):
            self.join()
        for member_id in self.state.member_ids:
            self.acknowledge_all(member_id)
        for _ in range(10_000):
            self.settle_down(acknowledge=True)
            self.check()
            wanted = self.state.next_time()
            if wanted is None:
                break
            self.pass_time(max(0.0, wanted - self.now))
        assert self.model.position == self.head or self.state.stalled
        assert not list(self.model.open_events()), "something is forgotten"
        assert self.state.is_settled or self.state.stalled


def spans_of(sequences: Iterable[int]) -> tuple[Span, ...]:
    """Answers the spans of sequences that are in order."""
    spans: list[Span] = []
    for at in sequences:
        if spans and spans[-1][1] == at - 1:
            spans[-1] = (spans[-1][0], at)
        else:
            spans.append((at, at))
    return tuple(spans)
