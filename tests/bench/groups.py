"""Groups beside ungrouped subscriptions: how many events a second are delivered and settled.

All read one history, so that publishing costs none of it what it doesn't cost the other.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidegate.v1 import group_pb2

from tests.bench import flights
from tests.bench.catch_up import store
from tests.bench.members import Joining, settle
from tests.bench.processes import Side
from tests.bench.report import Row
from tests.bench.servers import new_log, open_gateway, set_up
from tests.bench.subscriber import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place, Server

PART = "Groups: delivered and settled, beside an ungrouped subscription"
CUMULATIVE_AT_LEAST = 0.6
"""The share of an ungrouped subscription that one member, which says how far it is, is to reach."""
BY_KEY_AT_LEAST = 50_000
"""Events a second that eight members are to settle, ordered by key, each event by itself."""


@dataclass(frozen=True, slots=True)
class Case:
    """One way to read as a group.

    Attributes:
        name: For the report.
        members: How many there are.
        ordering: ``GroupOrdering`` of the contract.
        max_in_flight: Events that each member may have.
        cumulative: Whether a member says how far it is, instead of naming each event.
        share: How much of the history is read: what is slower reads less.
    """

    name: str
    members: int
    ordering: int
    max_in_flight: int
    cumulative: bool
    share: float


CASES = (
    Case("1 member, cumulative", 1, group_pb2.GROUP_ORDERING_NONE, 70_000, cumulative=True, share=1.0),
    Case(
        "8 members, each event, no order",
        8,
        group_pb2.GROUP_ORDERING_NONE,
        10_000,
        cumulative=False,
        share=0.5,
    ),
    Case(
        "8 members, each event, by key",
        8,
        group_pb2.GROUP_ORDERING_BY_KEY,
        2_000,
        cumulative=False,
        share=0.25,
    ),
    Case(
        "1 member, each event, by key",
        1,
        group_pb2.GROUP_ORDERING_BY_KEY,
        10_000,
        cumulative=False,
        share=0.25,
    ),
)


def measure(place: Place, rounds: int, events: int) -> Iterator[Row]:
    """Measures a history of ``events`` events in batches of 1,000, with a key each."""
    with new_log(place) as log:
        with open_gateway(place, log) as gateway:
            set_up(gateway.address)
        with Side(store, str(log), events // 1_000, 1_000) as storer:
            storer.answer()
        for case in CASES:
            wanted = int(events * case.share) // 1_000 * 1_000
            plain: list[float] = []
            grouped: list[float] = []
            with open_gateway(place, log) as gateway:
                for number in range(rounds):
                    plain.append(_read(gateway, events))
                    grouped.append(_settle(gateway, case, f"{case.ordering}.{case.members}.{number}", wanted))
            yield _row(case, plain, grouped)


def _read(gateway: Server, events: int) -> float:
    with Side(count, gateway.address, flights.REJECT, 1_000, True) as reader:  # noqa: FBT003
        reader.answer()
        reader.tell(events)
        return reader.answer().rate


def _settle(gateway: Server, case: Case, group: str, events: int) -> float:
    joining = Joining(
        group.replace(".", "_"),
        flights.REJECT,
        case.members,
        case.ordering,
        case.max_in_flight,
        case.cumulative,
    )
    with Side(settle, gateway.address, joining, events) as members:
        members.answer()
        return members.answer().rate


def _row(case: Case, plain: list[float], grouped: list[float]) -> Row:
    rate, ungrouped = statistics.median(grouped), statistics.median(plain)
    row = Row(
        PART,
        case.name,
        "events/s",
        rate,
        facts={"ungrouped": ungrouped, "of_ungrouped": rate / ungrouped},
        samples={"group": grouped, "ungrouped": plain},
    )
    if case.cumulative:
        return _with_target(row, f"{CUMULATIVE_AT_LEAST:g} of ungrouped", CUMULATIVE_AT_LEAST * ungrouped)
    if case.ordering == group_pb2.GROUP_ORDERING_BY_KEY and case.members > 1:
        return _with_target(row, f"{BY_KEY_AT_LEAST:,}", BY_KEY_AT_LEAST)
    return row


def _with_target(row: Row, target: str, least: float) -> Row:
    return Row(
        row.part,
        row.case,
        row.unit,
        row.tidegate,
        target=f"at least {target}",
        met=row.tidegate >= least,
        facts=row.facts,
        samples=row.samples,
    )
