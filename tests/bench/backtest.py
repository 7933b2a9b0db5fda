"""How fast a schema is tried on stored events, and what that leaves to those who publish meanwhile."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import grpc
from tidegate.v1 import schema_service_pb2, schema_service_pb2_grpc

from tests.bench import flights
from tests.bench.catch_up import store
from tests.bench.processes import PATIENCE, Side
from tests.bench.publisher import Amount, publish
from tests.bench.report import Row
from tests.bench.servers import new_log, open_gateway, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tests.bench.servers import Place, Server

PART = "Backtest: trying a schema on what is stored"
AT_LEAST = 0.9
"""The share of its rate that publishing must keep beside a backtest."""
STORED = {1_000: 1.0, 1: 0.2}
"""By the events of a stored batch, the part of the history that is stored so."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schema to try: its name for the report, its text, and what is to be reached, 0 for nothing."""

    name: str
    schema: str
    target: int = 0


SAME = Candidate("the same schema", flights.SCHEMA, 300_000)
CANDIDATES = (
    SAME,
    Candidate(
        "seven rules more, which hold",
        flights.SCHEMA.replace("message Departed", "message Other").replace("CheckedDeparted", "Departed"),
        200_000,
    ),
    Candidate("a field less: all events at fault", flights.SCHEMA.replace("string tail_number = 6;", "", 1)),
    Candidate(
        "a rule that all break",
        flights.SCHEMA.replace("flight = 2;", "flight = 2 [(buf.validate.field).int32.lt = 0];", 1),
    ),
)


def measure(place: Place, rounds: int, seconds: float, events: int) -> Iterator[Row]:
    """Measures backtests alone, and publishing alone and beside one, in turns."""
    for events_a_batch, share in STORED.items():
        stored = int(events * share)
        with new_log(place) as log:
            with open_gateway(place, log) as gateway:
                set_up(gateway.address)
            with Side(store, str(log), stored // events_a_batch, events_a_batch) as storer:
                storer.answer()
            with open_gateway(place, log) as gateway:
                for candidate in CANDIDATES if events_a_batch > 1 else (replace(SAME, target=150_000),):
                    yield _speed(gateway, candidate, rounds, stored, events_a_batch)
                for published in (1_000, 1):
                    yield _beside(gateway, rounds, seconds, published, events_a_batch)


def _speed(gateway: Server, candidate: Candidate, rounds: int, stored: int, events_a_batch: int) -> Row:
    rates = []
    for _ in range(rounds):
        last = stored if candidate.target else stored // 10
        with Side(try_once, gateway.address, candidate.schema, last) as side:
            rates.append(side.answer())
    rate = statistics.median(rates)
    return Row(
        PART,
        f"{candidate.name}, stored {_in_batches(events_a_batch)}",
        "events/s",
        rate,
        target=f"at least {candidate.target:,}" if candidate.target else "",
        met=rate >= candidate.target if candidate.target else None,
        samples={"tidegate": rates},
    )


def _beside(gateway: Server, rounds: int, seconds: float, published: int, stored: int) -> Row:
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        alone.append(_publish(gateway, published, seconds))
        with Side(try_on_and_on, gateway.address, flights.SCHEMA) as side:
            side.answer()
            beside.append(_publish(gateway, published, seconds))
    ratio = statistics.median(with_it / without for with_it, without in zip(beside, alone, strict=True))
    return Row(
        PART,
        f"publishing {_in_batches(published)} beside one of events stored {_in_batches(stored)}",
        "events/s",
        statistics.median(beside),
        target=f"at least {AT_LEAST:g} of alone",
        met=ratio >= AT_LEAST,
        facts={"alone": statistics.median(alone), "of_alone": ratio},
        samples={"alone": alone, "beside": beside},
    )


def _in_batches(events: int) -> str:
    return "one by one" if events == 1 else f"in batches of {events:,}"


def _publish(gateway: Server, events_a_batch: int, seconds: float) -> float:
    flow = flights.flow(events_a_batch, topic=flights.REJECT)
    with Side(publish, gateway.address, flow, Amount(seconds), False) as publisher:  # noqa: FBT003
        sent = publisher.answer()
    return float(sent.events / sent.seconds)


def try_once(pipe: Connection, address: str, schema: str, last: int) -> None:
    """Tries a schema on the last so many events, and says how many a second that were."""
    with grpc.insecure_channel(address) as channel:
        parts = _check(channel, schema, last)
        started = time.monotonic()
        examined = max(part.backtest.examined for part in parts)
        if examined != last:
            raise ValueError(f"{examined} events were examined, not {last}")
        pipe.send(examined / (time.monotonic() - started))


def try_on_and_on(pipe: Connection, address: str, schema: str) -> None:
    """Tries a schema on all there is, again and again; says when the first trial has begun."""
    with grpc.insecure_channel(address) as channel:
        first = True
        while True:
            for part in _check(channel, schema, 0):
                if first and (part.progress.examined or part.HasField("backtest")):
                    pipe.send("begun")
                    first = False


def _check(channel: grpc.Channel, schema: str, last: int) -> Iterator[schema_service_pb2.CheckSchemaResponse]:
    """Starts a check, and answers its parts behind the report of findings."""
    backtest = {"topic": flights.REJECT} | ({"last_events": last} if last else {})
    request = schema_service_pb2.CheckSchemaRequest(
        subject=flights.SUBJECT, sources={"files": {"bench.proto": schema}}, backtest=backtest
    )
    parts: Iterator[schema_service_pb2.CheckSchemaResponse] = schema_service_pb2_grpc.SchemaServiceStub(
        channel
    ).CheckSchema(request, timeout=PATIENCE)
    next(parts)
    return parts
