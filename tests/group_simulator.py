"""A group at work in virtual time: publishers, members that work well or badly, operators, and misfortune.

A seed decides all of it, so that a run can be had again. The group is judged by its model at every step (see
``group_trial``); here is only who does what when.
"""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.groups.bounds import Bounds
from gateway.groups.values import DeadLetterPolicy, Ordering, Settings, Settlement, Verb
from tests.group_trial import Trial, spans_of

if TYPE_CHECKING:
    from collections.abc import Callable

FLUSH_EVERY: Final = 0.1
POISON: Final = "poison"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run is made of; ``faults`` is how often, a second, something goes wrong."""

    settings: Settings
    bounds: Bounds
    members: int
    keys: int
    events: int
    poison: float
    faults: float
    duration: float


def draw_scenario(chance: random.Random, largest: int) -> Scenario:
    """Answers a scenario with at most so many members, and ten times as many events."""
    members = chance.choice([1, 2, 3, chance.randint(1, largest)])
    settings = Settings(
        ordering=chance.choice([Ordering.BY_KEY, Ordering.BY_KEY, Ordering.NONE]),
        max_in_flight=chance.choice([1, members, 10 * members, 10_000]),
        max_in_flight_per_member=chance.choice([1, 5, 100]),
        lease=chance.choice([0.5, 2.0, 30.0]),
        min_backoff=chance.choice([0.0, 0.1, 1.0]),
        max_backoff=chance.choice([1.0, 20.0]),
        max_attempts=chance.choice([1, 3, 10]),
        dead_letters=chance.choice(list(DeadLetterPolicy)),
    )
    bounds = Bounds(
        look_ahead=chance.choice([1, 20, 10 * members, 100_000]),
        read_ahead=chance.choice([0, 5, 100]),
        buffered=chance.choice([1, 4, 64]),
        most_buffered=chance.choice([1, 10, 1_000]),
        most_parked=chance.choice([2, 5, 10_000]),
        far=chance.choice([0, 10, 10_000]),
    )
    return Scenario(
        settings,
        bounds,
        members,
        keys=chance.choice([1, 3, 30, 1_000]),
        events=10 * chance.randint(1, largest),
        poison=chance.choice([0.0, 0.01, 0.2]),
        faults=chance.choice([0.1, 1.0, 5.0]),
        duration=chance.choice([5.0, 20.0]),
    )


class Worker:
    """How a member works: how long it takes, and what it then says.

    Attributes:
        work: Seconds for all that it was given at once, on average.
        silent: How likely it never says anything about what it was given.
        extends: Whether it extends its lease half-way.
        failing: How likely it is to nack what is no poison.
        cumulative: Whether it acknowledges all up to the last one.
    """

    def __init__(self, chance: random.Random) -> None:
        self.work = chance.choice([0.001, 0.01, 0.1, 1.0])
        self.silent = chance.choice([0.0, 0.0, 0.0, 0.1, 1.0])
        self.extends = chance.random() < 0.3
        self.failing = chance.choice([0.0, 0.0, 0.05, 0.9])
        self.cumulative = chance.random() < 0.2


class Simulation:
    """One run."""

    def __init__(self, seed: int, largest: int) -> None:
        self.chance = random.Random(seed)
        self.scenario = draw_scenario(self.chance, largest)
        self.trial = Trial(self.scenario.settings, self.scenario.bounds)
        self.poisonous: set[int] = set()
        self.workers: dict[str, Worker] = {}
        self._order = 0
        self._alarm = -1.0
        self._agenda: list[tuple[float, int, Callable[[], None]]] = []
        self._faults = [
            self.member_breaks,
            self.member_breaks,
            self.member_retires,
            self.member_is_stuck,
            self.member_joins,
            self.member_joins,
            self.all_leave,
            self.restart,
            self.seek,
            self.redrive_all,
            self.redrive_twice,
            self.release_key,
            self.release_key,
            self.skip_one,
            self.change_settings,
            self.retention,
            self.say_nonsense,
        ]

    def run(self) -> None:
        """Runs until the scenario's time is over; then everything must be settled, also after a restart."""
        for _ in range(self.scenario.members):
            self.member_joins()
        self.at(0.0, self.publish)
        self.at(FLUSH_EVERY, self.flush)
        self.at(self.pause(), self.fault)
        while self._agenda and self._agenda[0][0] <= self.scenario.duration:
            time, _, action = heapq.heappop(self._agenda)
            self.trial.pass_time(max(0.0, time - self.trial.now))
            action()
            self.pump()
        self.trial.drain()
        self.trial.flush()
        self.trial.crash()
        self.trial.drain()

    def at(self, seconds: float, action: Callable[[], None]) -> None:
        """Has something done after some time."""
        self._order += 1
        heapq.heappush(self._agenda, (self.trial.now + seconds, self._order, action))

    def pause(self) -> float:
        """Answers how long to wait for the next fault."""
        return self.chance.expovariate(self.scenario.faults)

    # The gateway.

    def pump(self) -> None:
        """Does what the gateway does between two things that happen: reads on, and gives out."""
        trial = self.trial
        self.wake_up()
        while trial.supply(self.chance.choice([1, 7, 100])) or trial.state.awake:
            for member_id in self.chance.sample(sorted(trial.state.awake), len(trial.state.awake)):
                for epoch, sequences in trial.take(member_id):
                    self.begin_work(member_id, epoch, sequences)
        if self.chance.random() < 0.1:
            trial.check()

    def wake_up(self) -> None:
        """Sets the alarm that the group wants."""
        wanted = self.trial.state.next_time()
        if wanted is not None and wanted <= self.trial.now:
            self.trial.expire()
        wanted = self.trial.state.next_time()
        if wanted is not None and not self.trial.now < self._alarm <= wanted:
            self._alarm = wanted
            self.at(wanted - self.trial.now, lambda: None)

    def flush(self) -> None:
        """Writes down what changed, again and again."""
        self.trial.flush()
        self.at(FLUSH_EVERY, self.flush)

    # Publishers.

    def publish(self) -> None:
        """Publishes some events, and goes on later if there are more to come."""
        missing = self.scenario.events - len(self.trial.sequences)
        count = min(missing, self.chance.choice([1, 10, 100]))
        before = len(self.trial.sequences)
        keys = [self.chance.randint(0, self.scenario.keys) for _ in range(count)]
        self.trial.append([f"key{key}" if key else "" for key in keys], gap=self.chance.choice([1, 1, 5]))
        for sequence in self.trial.sequences[before:]:
            if self.chance.random() < self.scenario.poison:
                self.poisonous.add(sequence)
        if count < missing:
            self.at(self.chance.expovariate(5.0), self.publish)

    # Members.

    def begin_work(self, member_id: str, epoch: int, sequences: list[int]) -> None:
        """Has a member work on what it was given."""
        worker = self.workers[member_id]
        if self.chance.random() < worker.silent:
            return
        needed = self.chance.expovariate(1.0 / worker.work)
        if worker.extends:
            spans = spans_of(sequences)
            self.at(needed / 2, lambda: self.say(member_id, Settlement(epoch, Verb.EXTEND, spans)))
        self.at(needed, lambda: self.end_work(member_id, epoch, sequences))

    def end_work(self, member_id: str, epoch: int, sequences: list[int]) -> None:
        """Has a member say what became of what it was given; that may be late."""
        worker = self.workers[member_id]
        if not sequences:
            return
        if worker.cumulative and not self.poisonous.intersection(sequences):
            self.say(member_id, Settlement(epoch, Verb.ACK, through=sequences[-1]))
            return
        said: dict[Verb, list[int]] = {}
        for sequence in sequences:
            said.setdefault(self.verdict(worker, sequence), []).append(sequence)
        delay = self.chance.choice([None, None, 0.0, 0.3])
        self.say(
            member_id,
            *(
                Settlement(epoch, verb, spans_of(those), reason=POISON, delay=delay)
                for verb, those in said.items()
            ),
        )

    def verdict(self, worker: Worker, sequence: int) -> Verb:
        """Answers what a worker says of an event."""
        if sequence in self.poisonous:
            return self.chance.choice([Verb.NACK, Verb.NACK, Verb.REJECT])
        if self.chance.random() < worker.failing:
            return self.chance.choice([Verb.NACK, Verb.NACK, Verb.RELEASE])
        return Verb.ACK

    def say(self, member_id: str, *settlements: Settlement) -> None:
        """Has a member say something, twice at times; it may be no member any more."""
        for _ in range(self.chance.choice([1, 1, 1, 2])):
            self.trial.settle(member_id, settlements)

    # Misfortune.

    def fault(self) -> None:
        """Has something go wrong, again and again."""
        self.chance.choice(self._faults)()
        self.at(self.pause(), self.fault)

    def member_joins(self) -> None:
        """Has another member join."""
        if len(self.trial.model.members) < 2 * self.scenario.members:
            member_id = self.trial.join(self.chance.choice([0, 0, 1, 10]))
            self.workers[member_id] = Worker(self.chance)

    def member_breaks(self) -> None:
        """Has a member's stream break, or end as it should."""
        if self.trial.model.members:
            member_id = self.chance.choice(list(self.trial.model.members))
            self.trial.leave(member_id, counts=self.chance.random() < 0.7)

    def member_retires(self) -> None:
        """Has a member end what it has, and then leave."""
        if self.trial.model.members:
            member_id = self.chance.choice(list(self.trial.model.members))
            self.trial.retire(member_id)
            self.at(self.chance.random() * 3.0, lambda: self.trial.leave(member_id, counts=False))

    def member_is_stuck(self) -> None:
        """Finds that a member does not read its stream."""
        if self.trial.model.members:
            self.trial.mute(self.chance.choice(list(self.trial.model.members)))

    def all_leave(self) -> None:
        """Has all members leave, as in a deployment; others come."""
        for member_id in list(self.trial.model.members):
            self.trial.leave(member_id, counts=False)
        self.at(0.5, self.member_joins)
        self.at(0.5, self.member_joins)

    def restart(self) -> None:
        """Kills the gateway, or stops it with a last flush; members come back."""
        count = len(self.trial.model.members)
        if self.chance.random() < 0.3:
            self.trial.flush()
        self.trial.crash()
        for _ in range(count):
            self.at(self.chance.random() * 0.2, self.member_joins)

    def seek(self) -> None:
        """Moves the group."""
        self.trial.seek(self.chance.choice([0, self.trial.head, self.chance.randint(0, self.trial.head)]))

    def redrive_all(self) -> None:
        """Redrives all dead letters; half of them are poison no more."""
        for sequence in sorted(self.trial.model.dead):
            if self.chance.random() < 0.5:
                self.poisonous.discard(sequence)
            self.trial.redrive(sequence)

    def redrive_twice(self) -> None:
        """Redrives again what was just redriven."""
        for sequence in sorted(self.trial.redriven):
            self.trial.redrive_again(sequence)

    def release_key(self) -> None:
        """Lets a parked key go on."""
        if self.trial.model.parked:
            key = self.chance.choice(list(self.trial.model.parked))
            self.trial.release(key, purged=self.chance.random() < 0.3)

    def skip_one(self) -> None:
        """Gives up an event that fails, or any."""
        failed = [at for it in self.trial.state.retrying for at in range(it.first, it.last + 1)]
        if candidates := [*failed, *self.trial.model.parked.values()] or self.trial.sequences:
            self.trial.skip(self.chance.choice(candidates))

    def change_settings(self) -> None:
        """Takes other settings."""
        self.trial.change(draw_scenario(self.chance, self.scenario.members).settings)

    def retention(self) -> None:
        """Has retention take the oldest events, once in a while."""
        if self.chance.random() < 0.2:
            self.trial.trim(int(self.trial.head * self.chance.random() * 0.3))

    def say_nonsense(self) -> None:
        """Has somebody say something of events that need not be his."""
        members = [*self.trial.model.members, "nobody"]
        first = self.chance.randint(0, self.trial.head + 5)
        spans = ((first, first + self.chance.randint(0, 30)),) * self.chance.choice([1, 2])
        epoch = self.chance.choice([0, 1, *self.trial.model.epochs])
        verb = self.chance.choice(list(Verb))
        self.trial.settle(self.chance.choice(members), [Settlement(epoch, verb, spans)])
