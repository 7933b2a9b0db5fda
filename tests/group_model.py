"""A model of a group: every event in a dictionary, with where it is. It judges what a real one does.

It holds all that was ever taken from the log, reads nothing again, and buffers nothing. Which of several
events a member is given, the real one chooses; the model says whether it may.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from gateway.groups.values import Cause, DeadLetterPolicy, Ordering, Outcome, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.groups.values import Settings, Settlement, Span


class Place(Enum):
    """Where an event is."""

    READY = "waits for a member"
    LEASED = "a member has it"
    WAITING = "failed, and waits for its time"
    DEAD = "a dead letter"
    DONE = "settled, lost, or passed over by a seek"


UNSETTLED = frozenset({Place.READY, Place.LEASED, Place.WAITING})


@dataclass(slots=True)
class Event:
    """An event that the group has taken from the log; ``gone`` if the log has it no more."""

    sequence: int
    key: str
    place: Place = Place.READY
    attempts: list[Outcome] = field(default_factory=list)
    due: float = 0.0
    member: str = ""
    epoch: int = 0
    expires: float = 0.0
    redriven: bool = False
    alone: bool = False
    gone: bool = False
    cause: Cause | None = None


@dataclass(slots=True)
class Member:
    """A member: how much it asked for, what it has, and how often in a row its leases ended in silence.

    It is ``mute`` if it did not take what waited for it, and ``leaving`` if it is to get no further events.
    ``taken`` are events that were taken from it, by the epoch that it had them under, until it is told.
    """

    asked: int
    held: dict[int, Event] = field(default_factory=dict)
    expiries: int = 0
    back_at: float = 0.0
    mute: bool = False
    leaving: bool = False
    taken: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Answer:
    """What a settlement must answer; ``unsure`` are events that retention took, and nobody looked yet."""

    applied: int = 0
    before: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)
    unsure: set[int] = field(default_factory=set)


class Model:
    """The group. Every method does to the model what is done to the real one, or judges what that did."""

    def __init__(self, settings: Settings, most_parked: int) -> None:
        self.settings = settings
        self.most_parked = most_parked
        self.position = 0
        self.events: dict[int, Event] = {}
        self.unsettled: dict[str, dict[int, Event]] = defaultdict(dict)
        """By key; the key of all is empty in a group that orders by none."""
        self.dead: dict[int, Event] = {}
        self.parked: dict[str, int] = {}
        self.members: dict[str, Member] = {}
        self.leased: dict[int, Event] = {}
        self.waiting: dict[int, Event] = {}
        self.epochs: set[int] = set()
        self.settled: set[int] = set()
        """Those that were settled since the last restart or move."""
        self._places: dict[str, tuple[str, set[str]]] = {}

    # What comes from the log, and what it loses.

    def take_in(self, events: Iterable[Span | tuple[int, str]]) -> None:
        """Takes events behind the position."""
        for sequence, name in events:
            key = str(name) if self.settings.ordering is Ordering.BY_KEY else ""
            assert sequence not in self.events
            self.events[sequence] = self.unsettled[key][sequence] = Event(sequence, key)

    def trim(self, through: int) -> None:
        """Notes that the log has lost events."""
        for events in self.unsettled.values():
            for event in events.values():
                event.gone = event.gone or event.sequence <= through

    def lose(self, sequence: int) -> None:
        """Takes an event that was just delivered, and is found to be gone."""
        event = self.events[sequence]
        assert event.gone
        assert event.place is Place.LEASED
        self._settle(event)

    # Members.

    def join(self, member_id: str, asked: int) -> None:
        """Takes a new member, which wants so many events at most; 0 means as many as it may have."""
        if any(member.expiries for member in self.members.values()):
            self._places.clear()  # what silent members own goes to those who speak
        self.members[member_id] = Member(asked)
        for _, newer in self._places.values():
            newer.add(member_id)

    def leave(self, member_id: str, now: float, *, counts: bool) -> None:
        """Lets a member go."""
        for event in list(self.members[member_id].held.values()):
            self._take_away(event)
            if counts:
                self._fail(event, Outcome.STREAM_BROKE, now)
        del self.members[member_id]
        stay = {key: at for key, at in self._places.items() if member_id not in {at[0], *at[1]}}
        self._places = {} if any(member.expiries for member in self.members.values()) else stay

    def retire(self, member_id: str) -> None:
        """Gives a member no further events."""
        member = self.members[member_id]
        member.leaving, member.mute, member.expiries = True, False, 0
        self._places.clear()

    def mute(self, member_id: str, now: float) -> None:
        """Treats a member as silent until it takes something."""
        member = self.members[member_id]
        if not member.expiries and not member.leaving:
            member.mute = True
            self._fall_silent(member, now)

    def ask(self, member_id: str) -> None:
        """Notes that a member takes what waits for it."""
        member = self.members[member_id]
        if member.mute:
            self._hear_of(member)

    def _fall_silent(self, member: Member, now: float) -> None:
        member.expiries += 1
        member.back_at = now + min(600.0, self.settings.lease * 2.0 ** (member.expiries - 1))
        self._places.clear()

    def _hear_of(self, member: Member) -> None:
        member.expiries, member.mute = 0, False
        self._places.clear()

    def limit(self, member: Member) -> int:
        """Answers how many events a member may have: no more, if it has one that is tried alone."""
        if any(event.alone for event in member.held.values()):
            return 1
        most = self.settings.max_in_flight_per_member
        return 1 if member.expiries else min(member.asked or most, most)

    def is_tried_alone(self, event: Event) -> bool:
        """Tells whether there is one attempt left, and the last one ended without a word."""
        unsaid = event.attempts[-1:] in ([Outcome.STREAM_BROKE], [Outcome.LEASE_EXPIRED])
        return unsaid and len(event.attempts) >= self.settings.max_attempts - 1

    def deliver(self, member_id: str, epoch: int, attempt: int, sequences: Iterable[int], now: float) -> None:
        """Judges what a member was given, and gives it."""
        assert epoch not in self.epochs, "an epoch names two leases"
        self.epochs.add(epoch)
        member = self.members[member_id]
        for sequence in sequences:
            event = self.events[sequence]
            assert event.place is Place.READY, f"{sequence} is delivered: {event.place.value}"
            assert attempt == len(event.attempts) + 1
            if event.key:
                self._judge_key(event, member_id)
            event.place, event.member, event.epoch = Place.LEASED, member_id, epoch
            event.expires = now + self.settings.lease
            member.held[sequence] = self.leased[sequence] = event
            alone = [held for held in member.held.values() if held.alone]
            assert not alone, f"{sequence} comes to a member that tries {alone} alone"
            event.alone = self.is_tried_alone(event)
            assert not event.alone or len(member.held) == 1, f"{sequence} is not tried alone"
        assert len(self.parked) < self.most_parked, "a stalled group gives out events"
        assert len(self.leased) <= self.settings.max_in_flight
        assert len(member.held) <= self.limit(member)
        assert not member.leaving, "a member that is leaving gets more"
        if member.expiries and now < member.back_at:
            others = [other for other in self.members.values() if not other.leaving]
            assert all(other.expiries for other in others), "a silent member is asked too soon"

    def _judge_key(self, event: Event, member_id: str) -> None:
        assert event.key not in self.parked, f"{event.sequence} is delivered, whose key is parked"
        others = self.order(event.key)
        assert all(other.place is not Place.LEASED for other in others), "two events of one key at once"
        before = others[: others.index(event)]
        assert all(other.gone for other in before), f"{event.sequence} overtakes {before}"
        at, newer = self._places.get(event.key, (member_id, set()))
        assert at == member_id or member_id in newer, f"{event.key} moved for no reason"
        self._places[event.key] = (member_id, set())

    def order(self, key: str) -> list[Event]:
        """Answers what is unsettled of a key, in order: what a member has, what failed, what was redriven."""
        events = self.unsettled[key].values()
        return sorted(
            events,
            key=lambda event: (
                event.place is not Place.LEASED,
                not event.attempts,
                not event.redriven,
                event.sequence,
            ),
        )

    # What members say.

    def settle(self, member_id: str, settlements: Iterable[Settlement], now: float) -> Answer:
        """Does what settlements say; answers what they must answer."""
        answer = Answer()
        member = self.members.get(member_id)
        held = member.held if member is not None else {}
        for settlement in settlements:
            named: list[int] = []
            for sequence in self._named(held, settlement):
                event = held.get(sequence)
                if event is None or (event.epoch != settlement.epoch and settlement.through is None):
                    self._tell(sequence, answer)
                else:
                    self._apply(event, settlement, now)
                    answer.applied += 1
                    named.append(sequence)
            if member is not None and settlement.through is not None:
                self._tell_taken(member, settlement, named, answer)
        if member is not None and member.expiries:
            self._hear_of(member)
        return answer

    def _named(self, held: dict[int, Event], settlement: Settlement) -> list[int]:
        if settlement.through is None:
            return [at for first, last in settlement.spans for at in range(first, last + 1)]
        through, epoch = settlement.through, settlement.epoch
        return [at for at, event in held.items() if at <= through and event.epoch <= epoch]

    def _tell_taken(self, member: Member, said: Settlement, named: list[int], answer: Answer) -> None:
        assert said.through is not None
        told = [at for at, epoch in member.taken.items() if at <= said.through and epoch <= said.epoch]
        for at in told:
            del member.taken[at]
            if at not in named:
                self._tell(at, answer)

    def _tell(self, sequence: int, answer: Answer) -> None:
        event = self.events.get(sequence)
        is_open = event.place in UNSETTLED if event is not None else sequence > self.position
        if is_open and event is not None and event.gone:
            answer.unsure.add(sequence)
        else:
            (answer.late if is_open else answer.before).add(sequence)

    def _apply(self, event: Event, settlement: Settlement, now: float) -> None:
        match settlement.verb:
            case Verb.ACK:
                self._settle(event)
            case Verb.EXTEND:
                event.expires = max(event.expires, now + self.settings.lease)
            case Verb.RELEASE:
                self._take_away(event)
            case Verb.NACK:
                self._take_away(event)
                self._fail(event, Outcome.NACKED, now, settlement.delay)
            case Verb.REJECT:
                self._take_away(event)
                event.attempts.append(Outcome.REJECTED)
                self._give_up(event, Cause.REJECTED)

    # Time.

    def expire(self, now: float) -> dict[str, set[int]]:
        """Answers whose leases end; lets those try again whose time has come."""
        over: dict[str, set[int]] = {}
        for event in [event for event in self.leased.values() if event.expires <= now]:
            over.setdefault(event.member, set()).add(event.sequence)
            self._note_taken(event)
            self._take_away(event)
            self._fail(event, Outcome.LEASE_EXPIRED, now)
        for event in [event for event in self.waiting.values() if event.due <= now]:
            del self.waiting[event.sequence]
            event.place = Place.READY
        for member_id in over:
            if not self.members[member_id].leaving:
                self._fall_silent(self.members[member_id], now)
        if any(member.expiries for member in self.members.values()):
            self._places.clear()
        return over

    def next_time(self) -> float | None:
        """Answers when something must happen."""
        times = [event.expires for event in self.leased.values()]
        return min([*times, *(event.due for event in self.waiting.values())], default=None)

    # What operators do.

    def seek(self, position: int) -> None:
        """Forgets all, and goes on behind a position."""
        for member in self.members.values():
            for event in member.held.values():
                self._note_taken(event)
            member.held.clear()
        self.position = position
        self.events = {at: event for at, event in self.events.items() if at <= position}
        self.dead = {at: event for at, event in self.dead.items() if at <= position}
        for event in self.events.values():
            if event.place in UNSETTLED:
                event.place = Place.DONE
        for those in (self.unsettled, self.parked, self.leased, self.waiting):
            those.clear()
        self.settled.clear()

    def redrive(self, sequence: int, trimmed: int) -> None:
        """Takes back a dead letter."""
        event = self.dead.pop(sequence)
        event.place, event.attempts, event.cause, event.redriven = Place.READY, [], None, True
        event.gone = sequence <= trimmed
        self.unsettled[event.key][sequence] = event
        if self.parked.get(event.key) == sequence:
            del self.parked[event.key]

    def skip(self, sequence: int) -> str | None:
        """Gives an event up, or lets the key go on that is parked behind it; answers the key."""
        for key, behind in self.parked.items():
            if behind == sequence:
                del self.parked[key]
                return key
        event = self.events.get(sequence)
        if event is None or event.place not in UNSETTLED or not event.attempts:
            return None
        if event.place is Place.LEASED:
            self._note_taken(event)
            self._take_away(event)
        self._give_up(event, Cause.SKIPPED)
        return event.key

    # Where events go.

    def _note_taken(self, event: Event) -> None:
        self.members[event.member].taken.setdefault(event.sequence, event.epoch)

    def _take_away(self, event: Event) -> None:
        del self.leased[event.sequence], self.members[event.member].held[event.sequence]
        event.place, event.member, event.alone = Place.READY, "", False

    def _settle(self, event: Event) -> None:
        if event.place is Place.LEASED:
            self._take_away(event)
        self.waiting.pop(event.sequence, None)
        event.place = Place.DONE
        del self.unsettled[event.key][event.sequence]
        self.settled.add(event.sequence)

    def _fail(self, event: Event, outcome: Outcome, now: float, delay: float | None = None) -> None:
        event.attempts.append(outcome)
        if len(event.attempts) >= self.settings.max_attempts:
            self._give_up(event, Cause.MAX_ATTEMPTS)
        elif outcome is Outcome.NACKED:
            wait = self.settings.backoff(len(event.attempts)) if delay is None else delay
            event.place, event.due = Place.WAITING, now + wait
            self.waiting[event.sequence] = event

    def _give_up(self, event: Event, cause: Cause) -> None:
        self._settle(event)
        event.place, event.cause = Place.DEAD, cause
        self.dead[event.sequence] = event
        if self.settings.dead_letters is DeadLetterPolicy.PARK_KEY and event.key and cause != Cause.SKIPPED:
            self.parked[event.key] = event.sequence

    # How it stands.

    def open_events(self) -> Iterable[Event]:
        """Answers what is unsettled, parked keys and what the log has lost left out."""
        for key, events in self.unsettled.items():
            if key not in self.parked:
                yield from (event for event in events.values() if not event.gone)

    def crashed(self) -> Model:
        """Answers what a copy of it is after a restart: nobody is a member, and nobody has anything."""
        for event in list(self.leased.values()):
            self._take_away(event)
        self.members.clear()
        self.epochs.clear()
        self.settled.clear()
        self._places.clear()
        return self
