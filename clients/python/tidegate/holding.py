"""Delivered events that a group's member has, and the words that settle them: values and claims."""

from __future__ import annotations

import threading
from bisect import bisect_right
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Span: TypeAlias = tuple[int, int]
"""The first and the last of some sequences that follow each other."""
Place: TypeAlias = tuple[int, int]
"""Where an event stands among those that were delivered: the number of its batch, and its index there."""


class Verb(Enum):
    """What can be said of an event."""

    ACK = "ack"
    NACK = "nack"
    REJECT = "reject"
    EXTEND = "extend"
    RELEASE = "release"


class Word(NamedTuple):
    """What is said: with NACK and REJECT why, with NACK how many seconds to wait (None: the group's rule)."""

    verb: Verb
    reason: str = ""
    delay: float | None = None


ACK, EXTEND, RELEASE = Word(Verb.ACK), Word(Verb.EXTEND), Word(Verb.RELEASE)


class Lease(NamedTuple):
    """Under which terms the events of a frame are had."""

    member_id: str
    epoch: int
    attempt: int


_UNREAD, _IN_HAND, _SAID, _MOVED, _GONE = range(5)
_GIVE = bytes([_IN_HAND, *range(1, 256)])
_lock = threading.Lock()  # held for moments; one for all, since an event can move from one hold to another


class Hold:
    """The events of one delivered batch: which were given out, and which a word settled. Safe for threads.

    An event is unread until it is given to the consumer; then it is in hand until a word settles it. One that
    comes again, in a batch that adopts it, has moved there; one that was unread when it was lost is gone.

    Attributes:
        lease: The terms.
        sequences: Where its events stand in the log.
        number: Rises with each batch.
        adopted: Which of its events were given out before, and where they stood.
    """

    __slots__ = (
        "_extending",
        "_left",
        "_moved",
        "_said_below",
        "_state",
        "adopted",
        "lease",
        "number",
        "sequences",
    )

    def __init__(self, lease: Lease, sequences: Sequence[int], number: int) -> None:
        self.lease = lease
        self.sequences = sequences
        self.number = number
        self.adopted: dict[int, Place] = {}
        self._state = bytearray(len(sequences))
        self._left = len(sequences)
        self._said_below = 0
        self._extending: set[int] = set()
        self._moved: dict[int, tuple[Hold, int]] = {}

    def give(self, index: int) -> bool:
        """Gives an event to the consumer; tells whether it is there to be given."""
        with _lock:
            is_unread = self._state[index] == _UNREAD
            if is_unread:
                self._state[index] = _IN_HAND
            return is_unread

    def give_all(self) -> Sequence[int]:
        """Gives all that is unread; answers which events that is."""
        with _lock:
            unread = self._all(_UNREAD)
            self._state[:] = self._state.translate(_GIVE)
            return unread

    def claim(self, index: int, word: Word) -> tuple[Hold, int] | None:
        """Answers where a word about an event counts; None if it doesn't.

        Of the words that settle an event the first counts; EXTEND counts until then, and not again before
        ``end_extension``.
        """
        with _lock:
            hold, index = self.current(index)
            return (hold, index) if hold.claim_here(index, word) else None

    def claim_here(self, index: int, word: Word) -> bool:
        """Claims an event that is known not to be adopted elsewhere. For ``claim`` alone."""
        if self._state[index] not in (_UNREAD, _IN_HAND):
            return False
        if word.verb is Verb.EXTEND:
            counts = index not in self._extending
            self._extending.add(index)
            return counts
        self._state[index] = _SAID
        self._left -= 1
        return True

    def claim_given(self, stop: int) -> Sequence[int]:
        """Claims, for words that settle, those of the first events that are in hand; answers which."""
        with _lock:
            start = self._said_below
            claimed = self._all(_IN_HAND, start, stop)
            if not self._state.count(_UNREAD, start, stop):
                self._said_below = max(start, stop)
            self._set(claimed, _SAID)
            return claimed

    def claim_unread(self) -> Sequence[int]:
        """Claims, for words that settle, all that is unread; answers which events that is."""
        with _lock:
            claimed = self._all(_UNREAD)
            self._set(claimed, _SAID)
            return claimed

    def claim_extension(self, *, given: bool) -> Sequence[int]:
        """Claims, for EXTEND, all that is unread, and with ``given`` what is in hand; answers which."""
        with _lock:
            wanted = (_UNREAD, _IN_HAND) if given else (_UNREAD,)
            claimed = [
                index
                for index, state in enumerate(self._state)
                if state in wanted and index not in self._extending
            ]
            self._extending.update(claimed)
            return claimed

    def end_extension(self, index: int) -> None:
        """Notes that an extension is with the gateway: the next one counts again."""
        self._extending.discard(index)

    def lose(self, index: int | None = None) -> None:
        """Notes that an event, or all, is the gateway's again: if it is unread, it is never given."""
        with _lock:
            lost = self._all(_UNREAD) if index is None else (index,)
            self._set([at for at in lost if self._state[at] == _UNREAD], _GONE)

    def move(self, index: int, to: Hold, at: int) -> None:
        """Notes that an event came again, as the one at ``at`` of another batch, which adopts it."""
        with _lock:
            self._left -= self._state[index] == _IN_HAND
            self._moved[index] = to, at
            self._state[index] = _MOVED
            to.adopted[at] = self.adopted.get(index, (self.number, index))
            to.take_over(at)

    def take_over(self, index: int) -> None:
        """Notes that an event is in hand already. For ``move`` alone."""
        self._state[index] = _IN_HAND

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is unread or in hand."""
        return not self._left

    def in_hand(self) -> Sequence[int]:
        """Answers which events are in hand."""
        return self._all(_IN_HAND)

    def is_settled(self, index: int) -> bool:
        """Tells whether a word settled an event."""
        hold, index = self.current(index)
        return self._state[index] == _SAID if hold is self else hold.is_settled(index)

    def current(self, index: int) -> tuple[Hold, int]:
        """Answers where an event is now: here, or where it was adopted."""
        hold = self
        while index in hold._moved:
            hold, index = hold._moved[index]
        return hold, index

    def has_moved(self, index: int) -> bool:
        """Tells whether an event was adopted elsewhere."""
        return index in self._moved

    def moved(self) -> list[int]:
        """Answers which events were adopted elsewhere."""
        return list(self._moved)

    def _all(self, state: int, start: int = 0, stop: int | None = None) -> Sequence[int]:
        stop = len(self._state) if stop is None else stop
        if start >= stop:
            return ()
        if self._state.count(state, start, stop) == stop - start:
            return range(start, stop)
        return [index for index in range(start, stop) if self._state[index] == state]

    def _set(self, indices: Sequence[int], state: int) -> None:
        self._left -= len(indices)
        if isinstance(indices, range):
            self._state[indices.start : indices.stop] = bytes([state]) * len(indices)
            return
        for index in indices:
            self._state[index] = state


def spans_of(sequences: Iterable[int]) -> Iterator[Span]:
    """Joins rising sequences to spans of those that follow each other."""
    first = last = -1
    for sequence in sequences:
        if sequence != last + 1 or last < 0:
            if last >= 0:
                yield first, last
            first = sequence
        last = sequence
    if last >= 0:
        yield first, last


def contains(spans: Sequence[Span], sequence: int) -> bool:
    """Tells whether one of some rising spans holds a sequence."""
    at = bisect_right(spans, sequence, key=lambda span: span[0]) - 1
    return at >= 0 and sequence <= spans[at][1]
