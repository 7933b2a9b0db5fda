"""What is said of a group's events, on its pure core: nothing is lost, made up, or given out twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tidegate.holding import ACK, EXTEND, RELEASE, Hold, Verb, Word, contains, spans_of
from tidegate.settling import ADOPTION, Ledger

if TYPE_CHECKING:
    from tidegate.holding import Span
    from tidegate.settling import Settling

NACK, REJECT = Word(Verb.NACK, "no"), Word(Verb.REJECT, "never")


@dataclass
class Stored:
    """An event as the gateway has it: who holds it, under which epoch, and which attempt that is."""

    holder: str = ""
    epoch: int = 0
    attempt: int = 1
    settled: bool = False


@dataclass
class Group:
    """A group as the contract has it, in a few lines."""

    events: dict[int, Stored] = field(default_factory=dict)
    epoch: int = 0

    def waiting(self) -> list[int]:
        """The events that somebody may be given."""
        return [s for s, event in self.events.items() if not (event.holder or event.settled)]

    def deliver(self, member: str, sequences: list[int]) -> int:
        """Gives events to a member; answers the epoch."""
        self.epoch += 1
        for sequence in sequences:
            self.events[sequence].holder, self.events[sequence].epoch = member, self.epoch
        return self.epoch

    def settle(self, member: str, settlings: tuple[Settling, ...]) -> list[Span]:
        """Answers what is late."""
        late = {
            sequence
            for settling in settlings
            for first, last in settling.spans
            for sequence in range(first, last + 1)
            if not self._apply(member, settling, self.events[sequence])
        }
        return list(spans_of(sorted(late)))

    def _apply(self, member: str, settling: Settling, event: Stored) -> bool:
        if event.settled:
            return True
        if (event.holder, event.epoch) != (member, settling.epoch):
            return False
        if settling.word.verb is not Verb.EXTEND:
            event.settled = settling.word.verb in (Verb.ACK, Verb.REJECT)
            event.attempt += settling.word.verb is Verb.NACK
            event.holder = ""
        return True

    def take_away(self, *holders: str) -> None:
        """Members are gone: what they had waits for its next attempt."""
        for event in self.events.values():
            if event.holder in holders and not event.settled:
                event.holder, event.attempt = "", event.attempt + 1


@dataclass
class Given:
    """The last time that the consumer was given an event: under which lease, and what it said of it, when.

    ``counts`` until the gateway confirmed what was said, or somebody moved the group; ``late`` once the
    gateway said that it was.
    """

    member: str
    attempt: int
    word: Word | None = None
    time: float = 0.0
    counts: bool = True
    late: bool = False

    def is_adopted(self, member: str, attempt: int, now: float) -> bool:
        """Rules 5 and 6: whether the event is not new if another stream delivers it."""
        is_said = self.word in (ACK, REJECT) and now < self.time + ADOPTION
        return (
            self.counts
            and (self.member != member or (is_said and self.late))
            and attempt >= self.attempt
            and (is_said or self.word is None)
        )


class Consumer(RuleBasedStateMachine):
    """One consumer, over streams that break and answers that are lost, against a group."""

    def __init__(self) -> None:
        super().__init__()
        self.group, self.ledger = Group(), Ledger()
        self.now, self.streams, self.connected = 0.0, 0, False
        self.inbox: list[tuple[Hold, int]] = []
        self.order: list[tuple[Hold, int]] = []
        self.given: dict[int, Given] = {}
        self.said: dict[int, set[Verb]] = {}
        self.mail: list[tuple[Word, Hold, int]] = []

    @property
    def member(self) -> str:
        """The name of the present stream, or of the last one."""
        return f"m{self.streams}"

    @rule(count=st.integers(1, 5))
    def publish(self, count: int) -> None:
        """Events come into the log."""
        for _ in range(count):
            self.group.events[len(self.group.events) + 1] = Stored()

    @precondition(lambda self: not self.connected)
    @rule(noticed=st.booleans())
    def open(self, noticed: bool) -> None:  # noqa: FBT001 - hypothesis draws it
        """A new stream opens, before or after the gateway noticed that the last one is gone."""
        self.collect()
        if noticed:
            self.group.take_away(self.member)
        for given in self.given.values():
            if given.member == self.member and given.word:
                given.time = self.now
        self.streams += 1
        self.connected = True
        self.inbox.clear()
        self.ledger.open(self.member, self.now)

    @precondition(lambda self: self.connected)
    @rule()
    def cut(self) -> None:
        """The stream breaks."""
        self.connected = False
        self.ledger.end()
        assert not any(hold.give(index) for hold, index in self.inbox), "the gateway's again, and yet given"
        self.inbox.clear()

    @rule()
    def notice(self) -> None:
        """The gateway notices which streams are gone."""
        self.group.take_away(*(f"m{number}" for number in range(1, self.streams + (not self.connected))))

    @precondition(lambda self: self.connected and self.group.waiting())
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """A frame arrives: events that are at the same attempt."""
        waiting = self.group.waiting()
        attempt = self.group.events[data.draw(st.sampled_from(waiting))].attempt
        fitting = [s for s in waiting if self.group.events[s].attempt == attempt]
        sequences = sorted(data.draw(st.sets(st.sampled_from(fitting), min_size=1)))
        hold = self.ledger.take(self.group.deliver(self.member, sequences), attempt, sequences, self.now)
        for index, sequence in enumerate(sequences):
            before = self.given.get(sequence)
            adopted = before is not None and before.is_adopted(self.member, attempt, self.now)
            assert (index in hold.adopted) == adopted
            if adopted and before:
                before.member, before.attempt, before.late = self.member, attempt, False
            else:
                self.inbox.append((hold, index))

    @precondition(lambda self: self.inbox)
    @rule(count=st.integers(1, 5))
    def give(self, count: int) -> None:
        """The consumer asks for its next events."""
        for hold, index in self.inbox[:count]:
            if hold.give(index):
                self.given[hold.sequences[index]] = Given(hold.lease.member_id, hold.lease.attempt)
                self.order.append((hold, index))
        del self.inbox[:count]

    @precondition(lambda self: self.order)
    @rule(word=st.sampled_from([ACK, NACK, REJECT, RELEASE, EXTEND]), data=st.data(), later=st.booleans())
    def say(self, word: Word, data: st.DataObject, later: bool) -> None:  # noqa: FBT001
        """The consumer says something of an event; its word may wait in another thread for a while."""
        hold, index = data.draw(st.sampled_from(self.order))
        was_settled = hold.is_settled(index)
        claimed = hold.claim(index, word)
        assert not (claimed and was_settled)
        assert hold.is_settled(index) == (was_settled or word is not EXTEND)
        if claimed:
            self._note(hold, index, word)
            self.mail.append((word, *claimed))
        if not later:
            self.collect()

    @rule()
    def collect(self) -> None:
        """Words that wait reach the ledger."""
        for word, hold, index in self.mail:
            self.ledger.say(word, hold, index, self.now)
        self.mail.clear()

    @precondition(lambda self: self.order)
    @rule(data=st.data())
    def say_through(self, data: st.DataObject) -> None:
        """The consumer is done with an event and all that it was given before."""
        self.collect()
        at = data.draw(st.integers(0, len(self.order) - 1))
        for hold, index in self.order[: at + 1]:
            is_known = hold.lease.member_id == self.member or self._is_latest(hold, index)
            if not hold.is_settled(index) and ((hold, index) == self.order[at] or is_known):
                self._note(hold, index, ACK)
        self.ledger.say_through(*self.order[at], self.now)
        assert self.order[at][0].is_settled(self.order[at][1])

    @precondition(lambda self: self.order)
    @rule(data=st.data())
    def say_all(self, data: st.DataObject) -> None:
        """The consumer is done with a batch."""
        self.collect()
        hold = data.draw(st.sampled_from(self.order))[0]
        indices = (
            range(len(hold.sequences))
            if not hold.adopted
            else [index for each, index in self.order if each is hold]
        )
        for each, index in self.order:
            if each is hold and not hold.is_settled(index):
                self._note(hold, index, ACK)
        self.ledger.say_all(hold, indices, self.now)
        assert all(hold.is_settled(index) for each, index in self.order if each is hold)

    @rule(given=st.booleans())
    def extend(self, given: bool) -> None:  # noqa: FBT001
        """Leases are made longer."""
        self.ledger.extend(self.now, given=given)

    @precondition(lambda self: self.connected)
    @rule()
    def release_unread(self) -> None:
        """The consumer will read no further."""
        for hold, index in self.inbox:
            self.said.setdefault(hold.sequences[index], set()).add(Verb.RELEASE)
        self.ledger.release_unread(self.now)
        assert not any(hold.give(index) for hold, index in self.inbox)
        self.inbox.clear()

    @rule(arrives=st.booleans(), answered=st.booleans())
    def send(self, arrives: bool, answered: bool) -> None:  # noqa: FBT001
        """A request leaves; it or its answer may be lost. What it says was said."""
        request = self.ledger.next_request()
        if request is None or not arrives:
            return
        named = {
            (sequence, settling.word.verb)
            for settling in request.settlings
            for first, last in settling.spans
            for sequence in range(first, last + 1)
        }
        assert all(verb is Verb.EXTEND or verb in self.said[sequence] for sequence, verb in named)
        late = self.group.settle(request.member_id, request.settlings)
        if answered:
            self._hear(late, named, request.member_id)

    def _hear(self, late: list[Span], named: set[tuple[int, Verb]], member: str) -> None:
        lost = self.ledger.answer(late, self.now)
        assert all(contains(late, sequence) for sequence in lost)
        for sequence, verb in named:
            given = self.given.get(sequence)
            if verb in (Verb.ACK, Verb.REJECT) and given and given.member == member:
                if contains(late, sequence):
                    given.late, given.time = True, self.now
                else:
                    given.counts = False

    @precondition(lambda self: self.connected)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        """The lease of an event ends without a word."""
        mine = [s for s, event in self.group.events.items() if event.holder == self.member]
        if mine:
            event = self.group.events[data.draw(st.sampled_from(mine))]
            event.holder, event.attempt = "", event.attempt + 1

    @precondition(lambda self: self.connected)
    @rule()
    def move(self) -> None:
        """Somebody moves the group: everything comes again, and attempts are forgotten."""
        for event in self.group.events.values():
            event.holder, event.attempt, event.settled = "", 1, False
        for given in self.given.values():
            given.counts = False
        self.ledger.forget()
        self.inbox.clear()

    @rule(seconds=st.sampled_from([1.0, ADOPTION / 2, ADOPTION]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.collect()
        self.now += seconds

    @invariant()
    def every_word_is_answered_once(self) -> None:
        """Of the words that were taken none is answered twice."""
        assert 0 <= self.ledger.answered <= self.ledger.said

    def teardown(self) -> None:
        """In the end, whatever happened, all that is delivered can be settled, and no word waits for ever."""
        self.collect()
        for _ in range(5):
            self.connected = False
            self.open(noticed=True)
            self.notice()
            for sequence in self.group.waiting():
                attempt = self.group.events[sequence].attempt
                hold = self.ledger.take(self.group.deliver(self.member, [sequence]), attempt, [sequence], 0.0)
                hold.give_all()
                self.ledger.say_all(hold, range(1), self.now)
            while (request := self.ledger.next_request()) is not None:
                self.ledger.answer(self.group.settle(request.member_id, request.settlings), self.now)
        assert all(event.settled for event in self.group.events.values())
        assert self.ledger.waiting == 0

    def _note(self, hold: Hold, index: int, word: Word) -> None:
        """The consumer said something that counts."""
        sequence = hold.sequences[index]
        self.said.setdefault(sequence, set()).add(word.verb)
        if word is not EXTEND and self._is_latest(hold, index):
            self.given[sequence].word, self.given[sequence].time = word, self.now

    def _is_latest(self, hold: Hold, index: int) -> bool:
        sequence = hold.sequences[index]
        return [each for each in self.order if each[0].sequences[each[1]] == sequence][-1] == (hold, index)


TestConsumer = Consumer.TestCase
