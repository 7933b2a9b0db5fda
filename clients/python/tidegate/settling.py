"""What is said of a group's events, between the consumer's word and the gateway's answer: a pure object.

No I/O, no event loop, time is passed in: ``settler`` drives it. Its rules:

1. Of each delivery the first word that settles it counts (ACK, NACK, REJECT, RELEASE); EXTEND counts until
   then. ``holding`` sees to that.
2. Words leave in the order in which they were said, many in one request. Within a request those that are
   alike (lease, outcome) travel as one settlement: an event has one final word, so their order is no matter.
3. One request is under way at a time, for one member. One that was not answered goes out again as it is,
   before anything that was said later: saying the same again is harmless.
4. When a stream ends, what it delivered is the gateway's again: what the consumer has not read of it, it
   never will. What is said of the rest still goes out, under the old member's name: the gateway may not have
   noticed yet, and knows what became of it.
5. An event that a later stream delivers again is not new if it is still in hand, or if it was acknowledged
   or rejected, the gateway did not confirm that, and at most ``ADOPTION`` seconds passed since, or since the
   stream after opened: it is adopted. What was said of it, or will be, then counts under the new lease. The
   same holds of one that the same stream delivers again, if what was said of it was late.
6. An event whose attempts were forgotten (somebody moved the group) is never adopted, nor is what was
   delivered before ``forget``.
7. What the answer calls late had no effect, and is told; unless the event was adopted meanwhile. An unread
   event whose extension was late is not read any more.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from tidegate.holding import ACK, EXTEND, RELEASE, Hold, Lease, Span, Verb, Word, contains, spans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tidegate.holding import Place

ADOPTION = 60.0
"""Seconds for which a word that the gateway did not confirm is remembered after a stream ended."""
MOST_EVENTS = 5_000
"""Events that one request names; the gateway takes 10,000 settlements."""
MOST_REASONS = 512 * 1024
"""Bytes of the reasons in one request; the gateway takes 1 MiB in all."""
MOST_ORPHANS = 100_000
"""Events of streams that ended which are remembered; as many as a member can have."""


class Saying(NamedTuple):
    """One word about some events of a batch."""

    word: Word
    hold: Hold
    indices: Sequence[int]


@dataclass(frozen=True, slots=True)
class Settling:
    """One settlement of a request."""

    epoch: int
    word: Word
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """What one call tells the gateway."""

    member_id: str
    settlings: tuple[Settling, ...]
    sayings: tuple[Saying, ...] = field(repr=False)


@dataclass(slots=True)
class _Orphan:
    """An event of a stream that ended; ``word`` is what was said of it, until when it is remembered."""

    hold: Hold
    index: int
    word: Word | None = None
    until: float = 0.0

    def place(self) -> Place:
        """Answers where it was given out first."""
        return self.hold.adopted.get(self.index, (self.hold.number, self.index))


class Ledger:
    """The words about one group's events, over all streams of one consumer. See the module's rules.

    Attributes:
        member_id: The name under which the present stream reads, or the last one did.
        said: How many words were taken.
        answered: How many of them were answered, the first ones first.
    """

    def __init__(self) -> None:
        self.member_id = ""
        self.said = 0
        self.answered = 0
        self._count = 0
        self._forgotten = 0
        self._open: dict[Hold, None] = {}
        self._queue: deque[Saying] = deque()
        self._sent: Request | None = None
        self._orphans: dict[int, _Orphan] = {}

    @property
    def waiting(self) -> int:
        """How many words wait for an answer."""
        return self.said - self.answered

    @property
    def is_starved(self) -> bool:
        """Whether nothing is left unread or in hand of what the present stream delivered."""
        return not self._open

    def open(self, member_id: str, now: float) -> None:
        """Notes that a new stream is open, under a new name."""
        self.end()
        for hold in self._open:
            for index in hold.in_hand() if hold.number > self._forgotten else ():
                self._orphans[hold.sequences[index]] = _Orphan(hold, index)
        for saying in (*(self._sent.sayings if self._sent else ()), *self._queue):
            if saying.hold.lease.member_id == self.member_id:
                self._remember(saying, now)
        self._open = {}
        self.member_id = member_id
        kept = [item for item in self._orphans.items() if item[1].word is None or item[1].until > now]
        self._orphans = dict(kept[-MOST_ORPHANS:])

    def end(self) -> None:
        """Notes that the stream ended (rule 4)."""
        for hold in list(self._open):
            hold.lose()
            self._look_at(hold)

    def forget(self) -> None:
        """Notes that the group was moved: whatever was delivered before is new if it comes again (rule 6)."""
        self.end()
        self._orphans.clear()
        self._forgotten = self._count

    def take(self, epoch: int, attempt: int, sequences: Sequence[int], now: float) -> Hold:
        """Notes a delivered batch; those of its events that are ``adopted`` are not new (rule 5)."""
        self._count += 1
        hold = Hold(Lease(self.member_id, epoch, attempt), sequences, self._count)
        self._open[hold] = None
        if self._orphans:
            for index, sequence in enumerate(sequences):
                orphan = self._orphans.pop(sequence, None)
                if orphan is not None:
                    self._adopt(orphan, hold, index, now)
        return hold

    def say(self, word: Word, hold: Hold, index: int, now: float) -> None:
        """Takes a word that was claimed; one about an event that was adopted since is claimed anew."""
        if hold.has_moved(index):
            self._claim(word, hold, index, now)
        else:
            self._add(Saying(word, hold, (index,)), now)

    def say_all(self, hold: Hold, indices: Sequence[int], now: float) -> None:
        """Acknowledges those events of a batch that no word settled."""
        if len(indices) == len(hold.sequences):
            self._add(Saying(ACK, hold, hold.claim_given(len(indices))), now)
            indices = hold.moved()
        for index in indices:
            self._claim(ACK, hold, index, now)

    def say_through(self, hold: Hold, index: int, now: float) -> None:
        """Acknowledges an event and all that were given out before it, by this stream or earlier ones."""
        place = hold.adopted.get(index, (hold.number, index))
        self._claim(ACK, hold, index, now)
        for each in list(self._open):
            if each.number <= place[0]:
                stop = place[1] + 1 if each.number == place[0] else len(each.sequences)
                self._add(Saying(ACK, each, each.claim_given(stop)), now)
            for at, given in list(each.adopted.items()):
                if given <= place:
                    self._claim(ACK, each, at, now)
        for orphan in list(self._orphans.values()):
            if orphan.place() <= place:
                self._claim(ACK, orphan.hold, orphan.index, now)

    def release_unread(self, now: float) -> None:
        """Gives back, untried, all that was not given out."""
        for hold in list(self._open):
            self._add(Saying(RELEASE, hold, hold.claim_unread()), now)

    def extend(self, now: float, *, given: bool) -> None:
        """Extends the leases of all that is unread, and with ``given`` of what is in hand."""
        for hold in self._open:
            self._add(Saying(EXTEND, hold, hold.claim_extension(given=given)), now)

    def next_request(self) -> Request | None:
        """Answers what to send next; None if there is nothing (rules 2 and 3)."""
        if self._sent is None:
            self._sent = self._make_request()
        return self._sent

    def answer(self, late: Sequence[Span], now: float) -> list[int]:
        """Takes the answer to the request; answers the events whose settlement came too late (rule 7)."""
        request, self._sent = self._sent, None
        lost: list[int] = []
        for saying in request.sayings if request else ():
            self.answered += len(saying.indices)
            if saying.word.verb is Verb.EXTEND:
                self._end_extension(saying, late)
            elif late or saying.hold.lease.member_id != self.member_id:
                lost += self._confirm(saying, late, now)
        return sorted(lost)

    def _claim(self, word: Word, hold: Hold, index: int, now: float) -> None:
        claimed = hold.claim(index, word)
        if claimed is not None:
            self._add(Saying(word, claimed[0], (claimed[1],)), now)

    def _add(self, saying: Saying, now: float) -> None:
        word, hold, indices = saying
        if not indices:
            return
        is_dead = hold.lease.member_id != self.member_id
        if word.verb is Verb.EXTEND:
            if is_dead:
                return  # it would only tell the gateway to leave the event where nobody is
        else:
            self._look_at(hold)
        if is_dead:
            self._remember(saying, now)
        self._queue.append(saying)
        self.said += len(indices)

    def _look_at(self, hold: Hold) -> None:
        if hold.is_done:
            self._open.pop(hold, None)

    def _remember(self, saying: Saying, now: float) -> None:
        """Notes what was said of events of a stream that ended (rule 5)."""
        word, hold, indices = saying
        if word.verb is Verb.EXTEND or hold.number <= self._forgotten:
            return
        for index in indices:
            sequence = hold.sequences[index]
            known = self._orphans.get(sequence)
            if known and known.hold.number > hold.number:
                continue
            if word.verb in (Verb.ACK, Verb.REJECT):
                self._orphans[sequence] = _Orphan(hold, index, word, now + ADOPTION)
            else:
                self._orphans.pop(sequence, None)

    def _adopt(self, orphan: _Orphan, hold: Hold, index: int, now: float) -> None:
        is_old = orphan.word is not None and orphan.until <= now
        if is_old or hold.lease.attempt < orphan.hold.lease.attempt:
            return
        orphan.hold.move(orphan.index, hold, index)
        if orphan.word is not None:
            self._claim(orphan.word, hold, index, now)

    def _make_request(self) -> Request | None:
        taken: list[Saying] = []
        events = reasons = 0
        while self._queue:
            word, hold, indices = self._queue[0]
            live = [index for index in indices if not hold.has_moved(index)]
            size = len(word.reason.encode())
            fits = events + len(live) <= MOST_EVENTS and reasons + size <= MOST_REASONS
            if taken and not (fits and hold.lease.member_id == taken[0].hold.lease.member_id):
                break
            self._queue.popleft()
            self.answered += len(indices) - len(live)  # those that were adopted are said anew
            if live:
                taken.append(Saying(word, hold, live))
                events, reasons = events + len(live), reasons + size
        return Request(taken[0].hold.lease.member_id, tuple(_join(taken)), tuple(taken)) if taken else None

    def _end_extension(self, saying: Saying, late: Sequence[Span]) -> None:
        _, hold, indices = saying
        for index in indices:
            hold.end_extension(index)
            if late and contains(late, hold.sequences[index]):
                hold.lose(index)
        self._look_at(hold)

    def _confirm(self, saying: Saying, late: Sequence[Span], now: float) -> Iterator[int]:
        """Forgets what took effect; yields what was late."""
        for index in saying.indices:
            sequence = saying.hold.sequences[index]
            orphan = self._orphans.get(sequence)
            if saying.hold.has_moved(index):
                continue
            if contains(late, sequence):
                self._remember(Saying(saying.word, saying.hold, (index,)), now)
                yield sequence
            elif orphan is not None and orphan.hold is saying.hold:
                del self._orphans[sequence]


def _join(sayings: Iterable[Saying]) -> Iterator[Settling]:
    """Joins words that are alike (rule 2)."""
    alike: dict[tuple[int, Word], list[int]] = {}
    for word, hold, indices in sayings:
        named = alike.setdefault((hold.lease.epoch, word), [])
        named.extend(hold.sequences[index] for index in indices)
    for (epoch, word), sequences in alike.items():
        yield Settling(epoch, word, tuple(spans_of(sorted(sequences))))
