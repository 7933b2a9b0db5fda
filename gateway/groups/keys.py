"""Keys with events that are not settled, in a group that orders by key.

Of each key the first unsettled event, its *head*, is the only one that may be with a member. A few of those
that follow are buffered as bare sequences. Of what comes behind them only the first sequence is kept: the key
is *spilled*, and that part of the log is read again for it once its buffer is empty; see ``sweep``. A parked
key is spilled and not read for. So what a key costs is bounded, however far behind it is.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Final

from gateway.groups.runs import FIRST, Phase, Run
from gateway.groups.slots import slot_of
from gateway.groups.sweep import Sweeps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.groups.bounds import Bounds
    from gateway.groups.values import Parked


SWEPT_ANYHOW: Final = 4
"""The part of the look-ahead that all spilled keys together may have besides it: otherwise, with as much held
as may be, whoever reads again for a few keys would find one event of each at a time."""


class Key:
    """A key with events that are not settled.

    Attributes:
        name: The key.
        slot: Its slot.
        head: The event that is next or with a member; None while it is not known.
        buffer: The sequences that follow, without a gap.
        spilled: From this sequence on its events are to be read again; 0 if none are.
        passed: How many of those are known to be.
        parked: Set if it is parked.
        redriven: Events that came back from the dead letters; they come before the buffer.
    """

    __slots__ = ("buffer", "head", "name", "parked", "passed", "redriven", "slot", "spilled")

    def __init__(self, name: str) -> None:
        self.name = name
        self.slot = slot_of(name)
        self.head: Run | None = None
        self.buffer: list[int] = []
        self.spilled = self.passed = 0
        self.parked: Parked | None = None
        self.redriven: list[Run] = []

    @property
    def first_unsettled(self) -> int | None:
        """A sequence below which all of its events are settled and from which on none is, but redriven ones.

        None if only redriven events are left.
        """
        if self.head is not None and not self.head.redriven:
            return self.head.first
        return self.buffer[0] if self.buffer else self.spilled or None

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.head or self.buffer or self.spilled or self.redriven)


class Keys:
    """All keys of a group that have events that are not settled.

    ``touched`` gets the names of those whose first unsettled event changed, ``parked`` has those that are
    parked, in the order in which they were.
    """

    def __init__(self, position: int, bounds: Bounds, touched: set[str]) -> None:
        """Begins with none, at the group's position."""
        self.sweeps = Sweeps(position, bounds.far)
        self.parked: dict[str, Key] = {}
        self._bounds = bounds
        self._touched = touched
        self._keys: dict[str, Key] = {}
        self._owners: dict[int, Key] = {}
        self._aside: dict[int, Key] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    @property
    def pending(self) -> int:
        """How much is held: events, and keys of which none is known; not what was redriven and waits."""
        return len(self._owners) + self.sweeps.starving_count

    @property
    def oldest(self) -> int:
        """The first sequence that is not settled, parked keys left out; 0 if there is none."""
        aside = (at for at, key in self._aside.items() if not key.parked)
        firsts = (min(self._owners, default=0), min(aside, default=0), self.sweeps.first_starving)
        return min(filter(None, firsts), default=0)

    @property
    def unsettled(self) -> int:
        """How many events are not settled, parked keys left out.

        Of what was written down before a restart, one of each key is counted until it is read again.
        """
        return self.count - sum(key.passed for key in self.parked.values())

    @property
    def count(self) -> int:
        """How many events are not settled, those of parked keys with them; see ``unsettled``."""
        return len(self._owners) + len(self._aside) + sum(key.passed for key in self._keys.values())

    def get(self, name: str) -> Key | None:
        """Answers a key, None if it has nothing unsettled."""
        return self._keys.get(name)

    def find(self, sequence: int) -> Key | None:
        """Answers the key of an event that is known and not settled."""
        return self._owners.get(sequence) or self._aside.get(sequence)

    def known_through(self, position: int) -> int:
        """Answers how many events are held up to a position; of those to be read again, one of each key."""
        held = sum(sequence <= position for those in (self._owners, self._aside) for sequence in those)
        return held + sum(0 < key.spilled <= position for key in self._keys.values() if not key.buffer)

    @property
    def _buffered(self) -> int:
        """How many events may be buffered behind a head now."""
        is_full = 2 * self.pending >= self._bounds.look_ahead
        return self._bounds.buffered if is_full else self._bounds.most_buffered

    # Events come, and are settled.

    def offer(self, events: Iterable[tuple[int, str]]) -> tuple[list[Key], list[int]]:
        """Takes events above all that were taken, as sequences and keys.

        Answers the keys that have a head now and had none, and the sequences that have no key.
        """
        keys, owners, buffered = self._keys, self._owners, self._buffered
        ready: list[Key] = []
        keyless: list[int] = []
        for sequence, name in events:
            if not name:
                keyless.append(sequence)
                continue
            key = keys.get(name)
            if key is None:
                key = keys[name] = Key(name)
                self._touched.add(name)
            elif key.spilled:
                key.passed += 1
                continue
            elif len(key.buffer) >= buffered:
                self.spill(key, sequence)
                key.passed = 1
                continue
            owners[sequence] = key
            if key.head is None:
                key.head = Run(sequence, sequence, key)
                ready.append(key)
            else:
                if key.head.redriven:
                    self._touched.add(name)
                key.buffer.append(sequence)
        return ready, keyless

    def settle(self, runs: Iterable[Run]) -> list[Key]:
        """Takes heads away: they are settled. Answers their keys, those that have another head now."""
        owners, touched = self._owners, self._touched
        ready: list[Key] = []
        for run in runs:
            key = run.key
            if key is None:
                continue
            run.phase = Phase.GONE
            del owners[run.first]
            touched.add(key.name)
            key.head = None
            buffer = key.buffer
            if len(buffer) > 1 and not key.redriven:
                sequence = buffer.pop(0)
                key.head = Run(sequence, sequence, key)
                ready.append(key)
            elif self.promote(key):
                ready.append(key)
        return ready

    def promote(self, key: Key) -> bool:
        """Gives a key its next head, if it has none; tells if it did. Has it read for, or forgets it."""
        found = key.head is None and not key.parked and self._next(key)
        if key.spilled and not key.buffer and not key.parked:
            self.sweeps.read_for(key)
        elif key.is_done:
            self._keys.pop(key.name, None)
        return found

    def _next(self, key: Key) -> bool:
        if key.redriven:
            key.head = key.redriven.pop(0)
            self._owners[key.head.first] = self._aside.pop(key.head.first)
        elif key.buffer:
            sequence = key.buffer.pop(0)
            key.head = Run(sequence, sequence, key)
        return key.head is not None

    # Events come back.

    def revive(self, run: Run, name: str) -> Key:
        """Takes an event that came back from the dead letters; it comes before all that nobody tried."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(name)
        run.key = key
        self._put_aside(run, key)
        return key

    def step_back(self, key: Key) -> None:
        """Lets redriven events go first, if nobody has the head, or failed at it."""
        head = key.head
        if head is None or head.is_tried or not key.redriven:
            return
        key.head = None
        if head.redriven:
            del self._owners[head.first]
            self._put_aside(head, key)
        else:
            key.buffer.insert(0, head.first)
            self.sweeps.feed(key)

    def _put_aside(self, run: Run, key: Key) -> None:
        insort(key.redriven, run, key=FIRST)
        self._aside[run.first] = key

    def restore(self, name: str, first: int, parked: Parked | None) -> None:
        """Takes a key as it was written down."""
        key = self._keys[name] = Key(name)
        key.parked = parked
        if parked is not None:
            self.parked[name] = key
        self.spill(key, first)
        key.passed = 1

    def restore_head(self, run: Run, name: str) -> None:
        """Takes an event that failed, as it was written down: the head of its key."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(name)
        run.key, key.head = key, run
        self._owners[run.first] = key
        if not run.redriven:
            self.spill(key, run.first + 1)
            key.passed = 0

    # What is read again.

    def spill(self, key: Key, sequence: int) -> None:
        """Notes that a key's events are to be read again from a sequence on."""
        key.spilled = sequence
        self.sweeps.add(key)
        if not key.buffer and not key.parked:
            self.sweeps.read_for(key)

    def park(self, run: Run, parked: Parked, behind: int) -> None:
        """Parks a key behind its head, which was given up.

        ``behind`` is from where on its events are unsettled if none is known.
        """
        key = run.key
        if key is None:
            return
        run.phase, key.head = Phase.GONE, None
        for sequence in (run.first, *key.buffer):
            del self._owners[sequence]
        key.spilled = key.buffer[0] if key.buffer else key.spilled or behind
        key.passed += len(key.buffer)
        key.buffer = []
        key.parked = parked
        self.parked[key.name] = key
        self.sweeps.remove(key)
        self.sweeps.add(key)
        self._touched.add(key.name)

    def unpark(self, key: Key) -> None:
        """Lets a parked key go on: its events are read again."""
        del self.parked[key.name]
        key.parked = None
        self._touched.add(key.name)
        self.spill(key, key.spilled)

    def sweep_from(self) -> int | None:
        """Answers behind which position the log is to be read again, None if no key starves."""
        return self.sweeps.behind(self._buffered)

    def sweep(self, events: Iterable[tuple[int, str]], through: int, room: int) -> list[Key]:
        """Takes what was read again, up to a position; answers the keys that have a head now and had none.

        What was read before a seek is passed over.

        Args:
            events: Sequences and keys, in order, of all events behind where the sweep is; those behind
                ``through`` are passed over.
            through: The position that was read to.
            room: How many events may be taken, besides a few of each key: the more, the fewer are spilled.
        """
        if not self.sweeps.expects():
            return []
        found: dict[str, Key] = {}
        wanted, buffered = self.sweeps.wanted, self._buffered
        few = self._bounds.look_ahead // SWEPT_ANYHOW // self.sweeps.spilled_count if wanted else 0
        for sequence, name in events:
            key = wanted.get(name)
            if key is None or not key.spilled <= sequence <= through:
                continue
            key.spilled = sequence
            held = len(key.buffer)
            if held >= buffered or (room <= 0 and held > few):
                self.sweeps.drop(key)
                continue
            room -= 1
            key.spilled += 1
            key.passed = max(0, key.passed - 1)
            key.buffer.append(sequence)
            self._owners[sequence] = key
            self.sweeps.feed(key)
            found[name] = key
        self.sweeps.reach(through)
        return [key for key in found.values() if self.promote(key)]

    def end_sweep(self, position: int) -> None:
        """Ends the sweep if it has come to the position of the group."""
        for key in self.sweeps.end(position):
            key.spilled = key.passed = 0
            self._touched.add(key.name)
            self.promote(key)
