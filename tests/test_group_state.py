"""The machine of groups against its model: any steps in any order, with bounds so small that all happen."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.groups.bounds import Bounds
from gateway.groups.values import DeadLetterPolicy, Ordering, Settings, Settlement, Verb
from tests.group_model import UNSETTLED
from tests.group_trial import Trial, spans_of

KEYS = ("", "a", "b", "c", "d", "e")
FEW = st.integers(0, 5)
CHOICE = st.integers(0, 1_000)
PAGE = st.integers(1, 12)
DELAYS = st.sampled_from([None, None, 0.0, 1.0, 100.0])
SETTINGS = st.builds(
    Settings,
    ordering=st.sampled_from([Ordering.BY_KEY, Ordering.BY_KEY, Ordering.NONE]),
    max_in_flight=st.integers(1, 12),
    max_in_flight_per_member=st.integers(1, 8),
    lease=st.sampled_from([1.0, 30.0]),
    min_backoff=st.sampled_from([0.0, 1.0, 40.0]),
    max_attempts=st.integers(1, 4),
    dead_letters=st.sampled_from(DeadLetterPolicy),
)
BOUNDS = st.builds(
    Bounds,
    look_ahead=st.integers(1, 15),
    read_ahead=st.integers(0, 6),
    buffered=st.integers(1, 3),
    most_parked=st.integers(1, 4),
)


class GroupMachine(RuleBasedStateMachine):
    """Steps of members, operators, time and misfortune."""

    def __init__(self) -> None:
        super().__init__()
        self.trial: Trial

    @initialize(settings=SETTINGS, bounds=BOUNDS, members=st.integers(1, 3))
    def begin(self, settings: Settings, bounds: Bounds, members: int) -> None:
        self.trial = Trial(settings, bounds)
        for _ in range(members):
            self.trial.join()

    # The log.

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=10), gap=st.integers(1, 3))
    def append(self, keys: list[str], gap: int) -> None:
        self.trial.append(keys, gap)

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 20))
    def append_many(self, key: str, count: int) -> None:
        self.trial.append([key] * count)

    @rule(most=PAGE, as_spans=st.booleans())
    def supply(self, most: int, *, as_spans: bool) -> None:
        self.trial.supply(most, as_spans=as_spans)

    @rule(share=st.integers(0, 8))
    def trim(self, share: int) -> None:
        self.trial.trim(self.trial.head * share // 20)

    # Members.

    @precondition(lambda self: len(self.trial.model.members) < 5)
    @rule(most=st.sampled_from([0, 0, 0, 1, 3]))
    def join(self, most: int) -> None:
        self.trial.join(most)

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE, counts=st.booleans())
    def leave(self, which: int, *, counts: bool) -> None:
        self.trial.leave(self._member(which), counts=counts)

    @precondition(lambda self: self.trial.state.awake)
    @rule(most=st.sampled_from([1, 3, 100, 100]))
    def take(self, most: int) -> None:
        self.trial.take(min(self.trial.state.awake), most)

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE)
    def take_unasked(self, which: int) -> None:
        self.trial.take(self._member(which))

    @rule()
    def settle_down(self) -> None:
        self.trial.settle_down(acknowledge=False)

    # What members say.

    @precondition(lambda self: self.trial.model.leased)
    @rule(chosen=st.lists(CHOICE, min_size=1, max_size=6), verb=st.sampled_from(Verb), delay=DELAYS)
    def settle(self, chosen: list[int], verb: Verb, delay: float | None) -> None:
        held = sorted(self.trial.model.leased)
        for at in [held[which % len(held)] for which in chosen]:
            event = self.trial.model.events[at]
            member = event.member or self._member(at)
            self.trial.settle(member, [Settlement(event.epoch, verb, ((at, at),), reason="no", delay=delay)])

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE, verb=st.sampled_from(Verb), share=st.integers(1, 3))
    def settle_share(self, which: int, verb: Verb, share: int) -> None:
        member = self._member(which)
        held = list(self.trial.model.members[member].held.values())[::share]
        said = [
            Settlement(epoch, verb, spans_of(sorted(it.sequence for it in held if it.epoch == epoch)))
            for epoch in sorted({it.epoch for it in held})
        ]
        self.trial.settle(member, said)

    @precondition(lambda self: self.trial.model.members and self.trial.sequences)
    @rule(which=CHOICE, at=CHOICE, epoch=FEW, verb=st.sampled_from(Verb))
    def settle_through(self, which: int, at: int, epoch: int, verb: Verb) -> None:
        through = self.trial.sequences[at % len(self.trial.sequences)]
        highest = max(self.trial.model.epochs, default=1)
        self.trial.settle(
            self._member(which), [Settlement(max(0, highest + 1 - epoch), verb, through=through)]
        )

    @rule(
        which=CHOICE,
        spans=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), min_size=1, max_size=3),
        epoch=FEW,
        verbs=st.lists(st.sampled_from(Verb), min_size=1, max_size=3),
    )
    def settle_at_random(
        self, which: int, spans: list[tuple[int, int]], epoch: int, verbs: list[Verb]
    ) -> None:
        members = [*self.trial.model.members, "nobody"]
        epochs = sorted({event.epoch for event in self.trial.model.leased.values()})
        named = [*epochs, 0, 1_000_000][epoch % (len(epochs) + 2)]
        wanted = tuple((first, first + size) for first, size in spans)
        said = [Settlement(named, verb, wanted) for verb in verbs]
        self.trial.settle(members[which % len(members)], said)

    # Time.

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 10.0, 31.0, 100.0, 1_000.0]))
    def pass_time(self, seconds: float) -> None:
        self.trial.pass_time(seconds)

    @rule()
    def sleep(self) -> None:
        wanted = self.trial.state.next_time()
        if wanted is not None:
            self.trial.pass_time(max(0.0, wanted - self.trial.now))

    # Operators.

    @rule(share=st.integers(0, 20))
    def seek(self, share: int) -> None:
        self.trial.seek(self.trial.head * share // 20)

    @precondition(lambda self: self.trial.model.dead)
    @rule(which=CHOICE)
    def redrive(self, which: int) -> None:
        dead = sorted(self.trial.model.dead)
        self.trial.redrive(dead[which % len(dead)])

    @precondition(lambda self: self.trial.model.parked)
    @rule(which=CHOICE, purged=st.booleans())
    def release(self, which: int, *, purged: bool) -> None:
        parked = list(self.trial.model.parked)
        self.trial.release(parked[which % len(parked)], purged=purged)

    @precondition(lambda self: self.trial.sequences)
    @rule(which=CHOICE, likely=st.booleans())
    def skip(self, which: int, *, likely: bool) -> None:
        failed = [at for at, it in self.trial.model.events.items() if it.place in UNSETTLED and it.attempts]
        failed += self.trial.model.parked.values()
        chosen = failed if likely and failed else self.trial.sequences
        self.trial.skip(chosen[which % len(chosen)])

    @rule(settings=SETTINGS)
    def change(self, settings: Settings) -> None:
        self.trial.change(settings)

    # Misfortune.

    @rule()
    def flush(self) -> None:
        self.trial.flush()

    @rule(flushed=st.booleans(), members=st.integers(0, 2))
    def crash(self, members: int, *, flushed: bool) -> None:
        if flushed:
            self.trial.flush()
        self.trial.crash()
        for _ in range(members):
            self.trial.join()

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "trial"):
            self.trial.check()

    def teardown(self) -> None:
        if hasattr(self, "trial"):
            self.trial.change(replace(self.trial.settings, max_in_flight=5, max_in_flight_per_member=3))
            self.trial.drain()
            self.trial.flush()
            self.trial.crash()
            self.trial.drain()

    def _member(self, which: int) -> str:
        members = list(self.trial.model.members)
        return members[which % len(members)]


TestGroup = GroupMachine.TestCase
TestGroup.settings = hypothesis_settings(stateful_step_count=60)
