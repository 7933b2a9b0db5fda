"""Keys with events that are not settled, in a group that orders by key.

Of each key the first unsettled event, its *head*, is the only one that may be with a member. A few of those
that follow are buffered as bare sequences. Of what comes behind them only the first sequence is kept: the key
is *spilled*, and that part of the log is read again for it once its buffer is empty. One *sweep* reads for
all keys that need it. A parked key is spilled and not read for. So what a key costs is bounded, however far
behind it is.
"""

from __future__ import annotations

from bisect import insort
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from gateway.groups.runs import Phase, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.groups.values import Parked

BUFFERED: Final = 64
"""How many events are buffered behind the head of a key."""

_FIRST = attrgetter("first")


class Key:
    """A key with events that are not settled.

    Attributes:
        name: The key.
        head: The event that is next or with a member; None while it is not known.
        buffer: The sequences that follow, without a gap.
        spilled: From this sequence on its events are to be read again; 0 if none are.
        parked: Set if it is parked.
        redriven: Events that came back from the dead letters; they come before the buffer.
    """

    __slots__ = ("buffer", "head", "name", "parked", "redriven", "spilled")

    def __init__(self, name: str) -> None:
        self.name = name
        self.head: Run | None = None
        self.buffer: list[int] = []
        self.spilled = 0
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
    def oldest(self) -> int:
        """The first sequence of it that is not settled; 0 if there is none."""
        firsts = [run.first for run in self.redriven[:1]]
        firsts += [self.head.first] if self.head else []
        return min([*firsts, self.first_unsettled or firsts[0]]) if firsts else self.first_unsettled or 0

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is left."""
        return not (self.head or self.buffer or self.spilled or self.redriven or self.parked)

    def promote(self) -> Run | None:
        """Makes the next event the head, if there is none; answers it if it became that."""
        if self.head is not None or self.parked:
            return None
        if self.redriven:
            self.head = self.redriven.pop(0)
        elif self.buffer:
            sequence = self.buffer.pop(0)
            self.head = Run(sequence, sequence, self.name)
        return self.head

    def revive(self, run: Run) -> None:
        """Takes an event that came back from the dead letters; it comes before all that did not fail."""
        insort(self.redriven, run, key=_FIRST)
        self.step_back()

    def step_back(self) -> None:
        """Lets events that came back from the dead letters go first, if nobody has the head, nor failed at it."""
        head = self.head
        if head is None or head.phase is not Phase.READY or head.attempt_count or not self.redriven:
            return
        self.head = None
        if head.redriven:
            insort(self.redriven, head, key=_FIRST)
        else:
            self.buffer.insert(0, head.first)

    def park(self, parked: Parked, behind: int) -> None:
        """Parks it; ``behind`` is from where on its events are unsettled if none is known."""
        self.spilled = self.buffer[0] if self.buffer else self.spilled or behind
        self.buffer = []
        self.parked = parked


class Sweep:
    """A walk through the log from the first spilled key on, for all that are spilled.

    Attributes:
        at: Read up to here.
        keys: Those that it reads for: spilled behind ``at``, and with room.
    """

    __slots__ = ("at", "keys")

    def __init__(self, keys: Iterable[Key]) -> None:
        self.keys = {key.name: key for key in keys}
        self.at = min(key.spilled for key in self.keys.values()) - 1

    def join(self, key: Key) -> None:
        """Lets a key take part, if its part of the log is still to come."""
        if key.spilled > self.at:
            self.keys[key.name] = key


class Keys:
    """All keys of a group that have events that are not settled, and the sweep."""

    def __init__(self, buffered: int = BUFFERED) -> None:
        self._buffered = buffered
        self._keys: dict[str, Key] = {}
        self._spilled: dict[str, Key] = {}
        self._starving: set[str] = set()
        self._owners: dict[int, Key] = {}
        self._sweep: Sweep | None = None
        self.parked: dict[str, Key] = {}
        """Those that are parked, in the order in which they were."""

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    @property
    def pending(self) -> int:
        """How much is held in memory: events, and keys of which no event is known."""
        return len(self._owners) + len(self._starving)

    def get(self, name: str) -> Key | None:
        """Answers a key, None if it has nothing unsettled."""
        return self._keys.get(name)

    def of(self, sequence: int) -> Key | None:
        """Answers the key of an event that is known and not settled."""
        return self._owners.get(sequence)

    def make(self, name: str) -> Key:
        """Answers a key, a new one if it has nothing unsettled."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(name)
        return key

    def take(self, sequence: int, name: str) -> Key | None:
        """Takes an event above all that were taken; answers its key if it has no head and needs one."""
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(name)
        elif key.spilled:
            return None
        elif len(key.buffer) >= self._buffered:
            self.spill(key, sequence)
            return None
        key.buffer.append(sequence)
        self._owners[sequence] = key
        return None if key.head else key

    def own(self, run: Run, key: Key) -> None:
        """Notes that an event of a key is known and not settled."""
        self._owners[run.first] = key

    def forget(self, sequence: int) -> None:
        """Notes that an event is settled."""
        self._owners.pop(sequence, None)

    def spill(self, key: Key, sequence: int) -> None:
        """Notes that a key's events are to be read again from a sequence on."""
        key.spilled = sequence
        if not key.parked:
            self._spilled[key.name] = key
            self.look_at(key)

    def park(self, key: Key, parked: Parked, behind: int) -> None:
        """Parks a key."""
        for sequence in key.buffer:
            self._owners.pop(sequence, None)
        key.park(parked, behind)
        self.parked[key.name] = key
        self._unspill(key)

    def unpark(self, key: Key) -> None:
        """Lets a parked key go on: its events are read again."""
        del self.parked[key.name]
        key.parked = None
        self.spill(key, key.spilled)

    def look_at(self, key: Key) -> None:
        """Has a key read for, if it needs that; drops one of which nothing is left."""
        if key.spilled and not key.parked and not key.buffer:
            self._starving.add(key.name)
            if self._sweep is not None:
                self._sweep.join(key)
            return
        self._starving.discard(key.name)
        if key.is_done:
            self._keys.pop(key.name, None)

    def sweep_from(self) -> int | None:
        """Answers behind which position the log is to be read again, None if no key needs it."""
        if self._sweep is None and self._starving:
            least = min(self._spilled[name].spilled for name in self._starving)
            joining = [
                key
                for key in self._spilled.values()
                if key.spilled >= least and len(key.buffer) < self._buffered
            ]
            self._sweep = Sweep(joining)
        return None if self._sweep is None else self._sweep.at

    def sweep(self, events: Iterable[tuple[int, str]], through: int, room: int) -> list[Key]:
        """Takes what was read again, up to a position; answers the keys that have no head and need one.

        Args:
            events: Sequences and keys, in order, of all events behind ``sweep_from``; those behind
                ``through`` are passed over.
            through: The position that was read to.
            room: How many events may be taken, besides the first of a key without any.
        """
        sweep = self._sweep
        if sweep is None:
            return []
        found: dict[str, Key] = {}
        for sequence, name in events:
            key = sweep.keys.get(name)
            if key is None or not key.spilled <= sequence <= through:
                continue
            if key.buffer and (room <= 0 or len(key.buffer) >= self._buffered):
                key.spilled = sequence
                del sweep.keys[name]
                continue
            room -= 1
            key.spilled = sequence + 1
            key.buffer.append(sequence)
            self._owners[sequence] = key
            self._starving.discard(name)
            if key.head is None:
                found[name] = key
        sweep.at = max(sweep.at, through)
        return list(found.values())

    def end_sweep(self, position: int) -> list[Key]:
        """Ends the sweep if it has come to the position of the group, or reads for nobody any more.

        Answers the keys that it read for and that are not spilled any more.
        """
        sweep = self._sweep
        if sweep is None or (sweep.at < position and sweep.keys):
            return []
        self._sweep = None
        done = list(sweep.keys.values())
        for key in done:
            key.spilled = 0
            self._unspill(key)
        return done

    def _unspill(self, key: Key) -> None:
        self._spilled.pop(key.name, None)
        self._starving.discard(key.name)
        if self._sweep is not None:
            self._sweep.keys.pop(key.name, None)
