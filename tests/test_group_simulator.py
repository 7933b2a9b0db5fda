"""Groups at work in virtual time, thousands of times; and one poison event among 100 keys.

A run that fails names its seed; ``TIDEGATE_GROUP_SEED=<seed>`` runs that one again, alone.
"""

from __future__ import annotations

import os

import pytest

from gateway.groups.bounds import Bounds
from gateway.groups.values import DeadLetterPolicy, Progress, Settings, Settlement, Verb
from tests.group_model import Place
from tests.group_simulator import Simulation
from tests.group_trial import Trial

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
SEED = os.environ.get("TIDEGATE_GROUP_SEED")
KEYS = 100
PARKING = Settings(
    dead_letters=DeadLetterPolicy.PARK_KEY, max_attempts=3, min_backoff=10.0, max_in_flight_per_member=2_000
)


@pytest.mark.parametrize(
    ("runs", "largest"),
    [
        pytest.param(3_000 if LONG else 60, 10, id="small"),
        pytest.param(500 if LONG else 10, 60, id="middle"),
        pytest.param(100 if LONG else 2, 400, id="large"),
    ],
)
def test_whatever_happens_everything_is_settled(runs: int, largest: int) -> None:
    """However members, gateways and operators fail, nothing is lost, had by two, out of order or stuck."""
    for seed in [int(SEED)] if SEED else range(runs):
        try:
            Simulation(seed, largest).run()
        except Exception as error:
            msg = f"up to {largest} members: TIDEGATE_GROUP_SEED={seed} runs it again"
            raise AssertionError(msg) from error


def test_one_poison_event_stops_no_other_key() -> None:
    """Of 100 keys, 99 are settled before the poison event is tried twice; its key parks alone."""
    trial = Trial(PARKING, Bounds(look_ahead=400, read_ahead=50, buffered=4))
    trial.append([f"key{number % KEYS}" for number in range(50 * KEYS)])
    poison = trial.sequences[10 * KEYS]
    workers = [trial.join() for _ in range(5)]
    _work(trial, workers, poison)
    others = [at for at, key in zip(trial.sequences, trial.keys, strict=True) if key != "key0"]
    assert all(trial.model.events[at].place is Place.DONE for at in others)
    assert trial.now == 0.0, "other keys waited for the poison event"
    while not trial.model.parked:
        trial.pass_time(10.0)
        _work(trial, workers, poison)
    assert trial.model.parked == {"key0": poison}
    assert trial.state.is_settled
    assert trial.state.pending == 0
    trial.flush()
    trial.crash()
    trial.join()
    trial.release("key0")
    trial.drain()
    trial.flush()
    assert trial.store.progress == Progress(position=trial.head)


def _work(trial: Trial, workers: list[str], poison: int) -> None:
    """Has members acknowledge all but the poison event, which they nack, until nobody has anything."""
    busy = True
    while busy:
        busy = trial.supply()
        for member in sorted(trial.state.awake):
            trial.take(member)
        for member in workers:
            held = trial.model.members[member].held
            if poison in held:
                said = Settlement(held[poison].epoch, Verb.NACK, ((poison, poison),), reason="poison")
                trial.settle(member, [said])
            if held:
                trial.acknowledge_all(member)
                busy = True
