"""Filters: how many events a second a subscription examines, alone and with others that share its filter."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import grpc
from google.protobuf.duration_pb2 import Duration
from tidegate.v1 import event_service_pb2 as pb

from tests.bench import flights
from tests.bench.catch_up import store
from tests.bench.processes import Side
from tests.bench.report import Row
from tests.bench.servers import new_log, open_gateway, set_up
from tests.bench.subscriber import METHOD

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from tests.bench.servers import Place

PART = "Filters: events examined, of which one in ten passes"
AT_LEAST = 150_000
"""Events a second to be examined for one subscription."""
MANY = 20
"""How many subscriptions share a filter."""
FILTERS = {
    "a decoded field, compared": "event.data.delay_minutes > 63",
    "a decoded field, in CEL": "size(event.data.tail_number + event.data.origin) == 9 && "
    "event.data.delay_minutes * 2 > 126",
    "the key": "event.key.startsWith('N1')",
}


def measure(place: Place, rounds: int, events: int) -> Iterator[Row]:
    """Measures each filter on a history of ``events`` events in batches of 1,000."""
    with new_log(place) as log:
        with open_gateway(place, log) as gateway:
            set_up(gateway.address)
        with Side(store, str(log), events // 1_000, 1_000) as storer:
            storer.answer()
        for name, text in FILTERS.items():
            alone: list[float] = []
            shared: list[float] = []
            passed = 0.0
            for _ in range(rounds):
                with open_gateway(place, log) as gateway:  # a new one, which has nothing in memory yet
                    rate, passed = _examine(gateway.address, text, 1, events)
                    alone.append(rate)
                with open_gateway(place, log) as gateway:
                    shared.append(_examine(gateway.address, text, MANY, events)[0])
            yield _row(name, alone, shared, passed)


def _examine(address: str, text: str, streams: int, events: int) -> tuple[float, float]:
    with Side(examine, address, text, streams) as reader:
        seconds, passed = reader.answer()
    return events / seconds, passed / events / streams


def _row(name: str, alone: list[float], shared: list[float], passed: float) -> Row:
    rate, with_others = statistics.median(alone), statistics.median(shared)
    return Row(
        PART,
        name,
        "events/s",
        rate,
        target=f"at least {AT_LEAST:,}",
        met=rate >= AT_LEAST,
        facts={
            "passed": passed,
            f"with_{MANY}_subscriptions": with_others,
            "time_of_one": rate / with_others,
        },
        samples={"alone": alone, "shared": shared},
    )


async def examine(pipe: Connection, address: str, text: str, streams: int) -> None:
    """Reads everything through a filter on some streams at once; sends the seconds and how many passed."""
    request = pb.SubscribeRequest(
        topics=[flights.REJECT],
        types=[flights.PLAIN],
        filter=text,
        start_position=pb.START_POSITION_EARLIEST,
        heartbeat_interval=Duration(seconds=3600),
    )
    async with grpc.aio.insecure_channel(address) as channel:
        calls = [channel.unary_stream(METHOD)(request.SerializeToString()) for _ in range(streams)]
        for call in calls:
            await call.read()
        began = time.monotonic()
        passed = await asyncio.gather(*map(_read, calls))
        pipe.send((time.monotonic() - began, sum(passed)))


async def _read(call: grpc.aio.UnaryStreamCall[bytes, bytes]) -> int:
    passed = 0
    while (raw := await call.read()) is not grpc.aio.EOF:
        frame = pb.SubscribeResponse.FromString(raw)
        passed += sum(len(batch.events) for batch in frame.batches.batches)
        if frame.HasField("caught_up"):
            return passed
    raise RuntimeError(f"the stream ended: {await call.details()}")
