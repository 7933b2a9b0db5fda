"""The machine of groups against its model: any steps in any order, with bounds so small that all happen."""

from __future__ import annotations

from hypothesis import Phase
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.groups.bounds import REMEMBERED, Bounds
from gateway.groups.slots import SLOTS, Slots
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
    most_buffered=st.integers(1, 8),
    most_parked=st.integers(1, 4),
    remembered=st.just(REMEMBERED),
    far=st.sampled_from([0, 3, 10_000]),
)


class GroupMachine(RuleBasedStateMachine):
    """Steps of members, operators, time and misfortune."""

    def __init__(self) -> None:
        super().__init__()
        self.trial: Trial

    @initialize(settings=SETTINGS, bounds=BOUNDS, members=st.integers(1, 3))
    def begin(self, settings: Settings, bounds: Bounds, members: int) -> None:
        """Begins with a few members."""
        self.trial = Trial(settings, bounds)
        for _ in range(members):
            self.trial.join()

    # The log.

    @rule(keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=10), gap=st.integers(1, 3))
    def append(self, keys: list[str], gap: int) -> None:
        """Has a few events published."""
        self.trial.append(keys, gap)

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 20))
    def append_many(self, key: str, count: int) -> None:
        """Has many events of one key published."""
        self.trial.append([key] * count)

    @rule(most=PAGE, as_spans=st.booleans(), later=st.booleans())
    def supply(self, most: int, *, as_spans: bool, later: bool) -> None:
        """Reads a page."""
        self.trial.supply(most, as_spans=as_spans, later=later)

    @rule(share=st.integers(0, 8))
    def trim(self, share: int) -> None:
        """Has retention take the oldest events."""
        self.trial.trim(self.trial.head * share // 20)

    # Members.

    @precondition(lambda self: len(self.trial.model.members) < 5)
    @rule(most=st.sampled_from([0, 0, 0, 1, 3]))
    def join(self, most: int) -> None:
        """Has a member join."""
        self.trial.join(most)

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE, counts=st.booleans())
    def leave(self, which: int, *, counts: bool) -> None:
        """Has a member leave."""
        self.trial.leave(self._member(which), counts=counts)

    @precondition(lambda self: self.trial.model.leased)
    @rule(which=CHOICE, again=st.integers(0, 3))
    def die(self, which: int, again: int) -> None:
        """Has a member die that has events, and those that come in its place and are given as much."""
        for _ in range(1 + again):
            holders = sorted({event.member for event in self.trial.model.leased.values()})
            if holders:
                self.trial.leave(holders[which % len(holders)])
                self.trial.join()
                self.trial.settle_down(acknowledge=False)

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE)
    def retire(self, which: int) -> None:
        """Has a member get no further events."""
        self.trial.retire(self._member(which))

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE)
    def mute(self, which: int) -> None:
        """Finds that a member does not take what waits for it."""
        self.trial.mute(self._member(which))

    @precondition(lambda self: self.trial.state.awake)
    @rule(most=st.sampled_from([1, 3, 100, 100]))
    def take(self, most: int) -> None:
        """Asks a member that is awake."""
        self.trial.take(min(self.trial.state.awake), most)

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE)
    def take_unasked(self, which: int) -> None:
        """Asks a member that may be asleep."""
        self.trial.take(self._member(which))

    @rule()
    def settle_down(self) -> None:
        """Does all that can be done without words and time."""
        self.trial.settle_down(acknowledge=False)

    # What members say.

    @precondition(lambda self: self.trial.model.leased)
    @rule(chosen=st.lists(CHOICE, min_size=1, max_size=6), verb=st.sampled_from(Verb), delay=DELAYS)
    def settle(self, chosen: list[int], verb: Verb, delay: float | None) -> None:
        """Settles some events, one by one."""
        held = sorted(self.trial.model.leased)
        for at in [held[which % len(held)] for which in chosen]:
            event = self.trial.model.events[at]
            member = event.member or self._member(at)
            self.trial.settle(member, [Settlement(event.epoch, verb, ((at, at),), reason="no", delay=delay)])

    @precondition(lambda self: self.trial.model.members)
    @rule(which=CHOICE, verb=st.sampled_from(Verb), share=st.integers(1, 3))
    def settle_share(self, which: int, verb: Verb, share: int) -> None:
        """Settles much of what a member has, by epoch."""
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
        """Settles all up to a sequence, or an epoch."""
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
        """Settles what need not be anyone's, under what need not be its epoch."""
        members = [*self.trial.model.members, "nobody"]
        epochs = sorted({event.epoch for event in self.trial.model.leased.values()})
        named = [*epochs, 0, 1_000_000][epoch % (len(epochs) + 2)]
        wanted = tuple((first, first + size) for first, size in spans)
        said = [Settlement(named, verb, wanted) for verb in verbs]
        self.trial.settle(members[which % len(members)], said)

    # Time.

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 10.0, 31.0, 100.0, 1_000.0]))
    def pass_time(self, seconds: float) -> None:
        """Lets time pass."""
        self.trial.pass_time(seconds)

    @rule()
    def sleep(self) -> None:
        """Lets time pass until the group wants to be woken."""
        wanted = self.trial.state.next_time()
        if wanted is not None:
            self.trial.pass_time(max(0.0, wanted - self.trial.now))

    # Operators.

    @rule(share=st.integers(0, 20))
    def seek(self, share: int) -> None:
        """Moves the group."""
        self.trial.seek(self.trial.head * share // 20)

    @precondition(lambda self: self.trial.model.dead)
    @rule(which=CHOICE)
    def redrive(self, which: int) -> None:
        """Gives a dead letter to the group again."""
        dead = sorted(self.trial.model.dead)
        self.trial.redrive(dead[which % len(dead)])

    @precondition(lambda self: self.trial.redriven)
    @rule(which=CHOICE)
    def redrive_again(self, which: int) -> None:
        """Gives it once more, by mistake."""
        redriven = sorted(self.trial.redriven)
        self.trial.redrive_again(redriven[which % len(redriven)])

    @precondition(lambda self: self.trial.model.parked)
    @rule(which=CHOICE, purged=st.booleans())
    def release(self, which: int, *, purged: bool) -> None:
        """Lets a parked key go on."""
        parked = list(self.trial.model.parked)
        self.trial.release(parked[which % len(parked)], purged=purged)

    @precondition(lambda self: self.trial.sequences)
    @rule(which=CHOICE, likely=st.booleans())
    def skip(self, which: int, *, likely: bool) -> None:
        """Gives an event up."""
        failed = [at for at, it in self.trial.model.events.items() if it.place in UNSETTLED and it.attempts]
        failed += self.trial.model.parked.values()
        chosen = failed if likely and failed else self.trial.sequences
        self.trial.skip(chosen[which % len(chosen)])

    @rule(settings=SETTINGS)
    def change(self, settings: Settings) -> None:
        """Changes the settings."""
        self.trial.change(settings)

    # Misfortune.

    @rule()
    def flush(self) -> None:
        """Writes down what changed."""
        self.trial.flush()

    @rule(flushed=st.booleans(), members=st.integers(0, 2))
    def crash(self, members: int, *, flushed: bool) -> None:
        """Kills the gateway."""
        if flushed:
            self.trial.flush()
        self.trial.crash()
        for _ in range(members):
            self.trial.join()

    @invariant()
    def holds(self) -> None:
        """Looks at what must always hold."""
        if hasattr(self, "trial"):
            self.trial.check()

    def teardown(self) -> None:
        """Has everything settled, and once more after a restart."""
        if hasattr(self, "trial"):
            self.trial.drain()
            self.trial.flush()
            self.trial.crash()
            self.trial.drain()

    def _member(self, which: int) -> str:
        members = list(self.trial.model.members)
        return members[which % len(members)]


TestGroup = GroupMachine.TestCase
TestGroup.settings = hypothesis_settings(
    max_examples=3 * hypothesis_settings().max_examples,
    stateful_step_count=60,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)


def one(trial: Trial, member: str, verb: Verb, sequence: int, delay: float | None = None) -> None:
    """Has a member say something of one event that it has."""
    epoch = trial.model.events[sequence].epoch
    trial.settle(member, [Settlement(epoch, verb, ((sequence, sequence),), delay=delay)])


def test_what_follows_an_event_that_was_redriven_alone_is_there_after_a_restart() -> None:
    """A key of which only a redriven event was left keeps what is published next, whatever happens."""
    trial = Trial(Settings(), Bounds())
    trial.append(["a"])
    member = trial.join()
    trial.settle_down(acknowledge=False)
    one(trial, member, Verb.REJECT, 1)
    trial.redrive(1)
    trial.flush()
    trial.append(["a"])
    trial.settle_down(acknowledge=False)
    trial.flush()
    trial.crash()
    trial.drain()


def test_an_event_that_is_given_back_lets_redriven_ones_go_first() -> None:
    """What was redriven while a member had a later event of the key comes first if that one is released."""
    trial = Trial(Settings(), Bounds())
    trial.append(["a", "a"])
    member = trial.join()
    trial.settle_down(acknowledge=False)
    one(trial, member, Verb.REJECT, 1)
    trial.settle_down(acknowledge=False)
    trial.redrive(1)
    one(trial, member, Verb.RELEASE, 2)
    assert [sequences for _, sequences in trial.take(member)] == [[1]]
    trial.drain()


def test_parts_of_a_run_that_waits_are_tried_again_when_one_in_its_middle_is_skipped() -> None:
    """Skipping one of several events that failed together leaves the others as they were."""
    trial = Trial(Settings(ordering=Ordering.NONE), Bounds())
    trial.append(["", "", ""])
    member = trial.join()
    trial.settle_down(acknowledge=False)
    trial.settle(member, [Settlement(1, Verb.NACK, ((1, 3),), delay=10.0)])
    trial.skip(2)
    trial.flush()
    trial.drain()


def test_a_key_whose_next_event_steps_back_does_not_starve() -> None:
    """With as much buffered as may be, behind a redriven event, nothing is read again for the key."""
    trial = Trial(Settings(), Bounds(buffered=1, most_buffered=1))
    trial.append(["a"] * 10)
    member = trial.join()
    trial.supply()
    trial.take(member)
    one(trial, member, Verb.REJECT, 1)
    trial.redrive(1)
    assert trial.state.sweep_from() is None
    trial.drain()


def test_who_is_leaving_gets_nothing_more_whatever_is_found_of_it() -> None:
    """A member that settles what it has before it leaves is not asked again, even if it is found stuck."""
    trial = Trial(Settings(max_in_flight_per_member=1), Bounds())
    trial.append(["a", "b", "c"])
    member = trial.join()
    trial.settle_down(acknowledge=False)
    trial.retire(member)
    trial.mute(member)
    trial.acknowledge_all(member)
    assert not trial.take(member)
    trial.drain()


def test_what_was_read_again_before_a_seek_does_not_count_behind_it() -> None:
    """A page that was asked for before a seek marks nothing as read of what is spilled after it."""
    trial = Trial(Settings(max_in_flight_per_member=1), Bounds(buffered=1, most_buffered=1))
    trial.append(["a"] * 30)
    member = trial.join()
    while not (trial.state.sweep_from() or 0) > 20:
        trial.supply(2)
        trial.take(member)
        trial.acknowledge_all(member)
    trial.supply(later=True)
    trial.seek(0)
    page, _ = trial.read(0, 20)
    trial.state.offer(page)
    trial.model.take_in(page)
    trial.model.position = 20
    for _ in page[:2]:
        trial.take(member)
        trial.acknowledge_all(member)
    trial.drain()


def test_leases_of_which_nothing_is_left_cost_nothing() -> None:
    """While one event is held for long, ten thousand that are settled at once leave no trace."""
    trial = Trial(Settings(ordering=Ordering.NONE, lease=43_200.0), Bounds())
    held, busy = trial.join(1), trial.join(1)
    trial.append([""] * 10_001)
    trial.supply(20_000)
    trial.take(held)
    while trial.take(busy):
        trial.acknowledge_all(busy)
    assert len(trial.state._leases._ends) < 200


def test_whoever_joins_or_leaves_moves_no_more_than_a_share() -> None:
    """Of a thousand members, one that joins takes a thousandth of the slots, and gives them back."""
    slots = Slots()
    for number in range(1_000):
        slots.add(f"m{number}")
    before = [slots.owner(slot) for slot in range(SLOTS)]
    assert {before.count(owner) for owner in set(before)} <= {4, 5}
    slots.add("new")
    assert sum(slots.owner(slot) != owner for slot, owner in enumerate(before)) == 4
    slots.remove("new")
    after = [slots.owner(slot) for slot in range(SLOTS)]
    assert sum(now != owner for now, owner in zip(after, before, strict=True)) <= 4


def test_a_silent_member_that_is_left_alone_is_asked_at_once() -> None:
    """When the last member that speaks leaves, one that fell silent gets what waits, before its time."""
    trial = Trial(Settings(lease=100.0, max_in_flight_per_member=1), Bounds())
    trial.append(["a"])
    silent = trial.join()
    trial.settle_down(acknowledge=False)
    other = trial.join()
    trial.pass_time(100.0)
    trial.settle_down(acknowledge=True)
    trial.append(["b"])
    trial.supply()
    trial.leave(other)
    assert silent in trial.state.awake
    assert trial.take(silent)


def test_extending_never_shortens_a_lease() -> None:
    """An event that is extended after leases were made shorter is kept as long as it was promised."""
    trial = Trial(Settings(lease=100.0), Bounds())
    trial.append(["a", "b"])
    member = trial.join()
    trial.settle_down(acknowledge=False)
    trial.change(Settings(lease=1.0))
    one(trial, member, Verb.EXTEND, 1)
    trial.pass_time(2.0)
    trial.expire()
    assert sorted(trial.model.members[member].held) == [1, 2]


def test_spans_that_overlap_count_once() -> None:
    """Of spans that overlap, each event takes effect once, and was settled before where it is repeated."""
    trial = Trial(Settings(ordering=Ordering.NONE), Bounds())
    trial.append([""] * 5)
    member = trial.join()
    trial.settle_down(acknowledge=False)
    trial.settle(member, [Settlement(1, Verb.REJECT, ((2, 4), (1, 3), (3, 5)))])
    assert sorted(trial.model.dead) == [1, 2, 3, 4, 5]


def test_each_wait_is_longer_than_the_one_before_up_to_the_longest() -> None:
    """An event that failed waits as the retry policy says, or as its nack does, and no longer."""
    settings = Settings(min_backoff=2.0, max_backoff=15.0, multiplier=3.0, max_attempts=9)
    trial = Trial(settings, Bounds())
    member = trial.join()
    trial.append(["a"])
    trial.settle_down(acknowledge=False)
    for delay, wait in ((None, 2.0), (None, 6.0), (0.0, 0.0), (40.0, 40.0), (None, 15.0), (None, 15.0)):
        one(trial, member, Verb.NACK, 1, delay)
        failed_at = trial.now
        assert trial.state.next_time() == failed_at + wait
        trial.pass_time(wait * 0.99)
        trial.settle_down(acknowledge=False)
        assert bool(trial.model.leased) == (wait == 0.0)
        trial.pass_time(failed_at + wait - trial.now)
        trial.settle_down(acknowledge=False)
        assert trial.model.leased


def test_of_very_many_attempts_the_first_and_the_last_are_kept() -> None:
    """A dead letter has its first 50 attempts and its last 50, and says how many there were."""
    trial = Trial(Settings(max_attempts=120), Bounds())
    member = trial.join()
    trial.append(["a"])
    for number in range(120):
        trial.settle_down(acknowledge=False)
        epoch = trial.model.events[1].epoch
        said = Settlement(epoch, Verb.NACK, ((1, 1),), reason=str(number), delay=0.0)
        trial.settle(member, [said])
    (dead,) = trial.state.changes().dead
    assert dead.attempt_count == 120
    assert [int(attempt.reason) for attempt in dead.attempts] == [*range(50), *range(70, 120)]


def test_who_waits_while_a_group_is_stalled_is_asked_once_it_is_not() -> None:
    """Releasing a key of a group that stalled wakes members for all that waited meanwhile."""
    trial = Trial(Settings(dead_letters=DeadLetterPolicy.PARK_KEY), Bounds(most_parked=1))
    trial.append(["a", "b", ""])
    member = trial.join()
    trial.supply()
    trial.take(member, 1)
    trial.take(member, 1)
    keyed = next(at for at in trial.model.members[member].held if at < 3)
    one(trial, member, Verb.REJECT, keyed)
    assert trial.state.stalled
    trial.settle_down(acknowledge=False)
    trial.release(trial.keys[keyed - 1], purged=True)
    assert member in trial.state.awake
    trial.drain()


def test_an_event_that_kills_its_consumers_takes_no_others_along() -> None:
    """Of many events whose consumer dies again and again because of one, that one alone is given up."""
    for ordering in Ordering:
        trial = Trial(Settings(ordering=ordering, max_attempts=3), Bounds())
        trial.append([f"k{number}" for number in range(20)])
        for _ in range(40):
            member = trial.join()
            trial.settle_down(acknowledge=False)
            held = trial.model.members[member].held
            while held and 7 not in held:
                trial.acknowledge_all(member)
                trial.settle_down(acknowledge=False)
            trial.leave(member)
        assert sorted(trial.model.dead) == [7]
        assert not list(trial.model.open_events())


def test_who_is_busy_settles_what_it_has_before_an_event_is_tried_alone() -> None:
    """A member that has events gets no more while one waits that is tried alone, and then that one."""
    trial = Trial(Settings(ordering=Ordering.NONE, max_attempts=2), Bounds())
    trial.append([""] * 6)
    busy, dying = trial.join(3), trial.join(1)
    trial.supply()
    assert [sequences for _, sequences in trial.take(busy, 2)] == [[1, 2]]
    assert [sequences for _, sequences in trial.take(dying)] == [[3]]
    trial.leave(dying)
    assert not trial.take(busy)
    one(trial, busy, Verb.ACK, 1)
    assert not trial.take(busy)
    one(trial, busy, Verb.ACK, 2)
    assert [sequences for _, sequences in trial.take(busy)] == [[3]]
    assert not trial.take(busy)
    one(trial, busy, Verb.ACK, 3)
    assert [sequences for _, sequences in trial.take(busy)] == [[4, 5, 6]]
    trial.drain()
