"""What the index of keys gives and costs: a key's history out of many events, and the price of publishing."""

from __future__ import annotations

import random
import statistics
import time
from typing import TYPE_CHECKING, Any

import grpc
from tidegate.v1 import event_pb2, event_service_pb2, event_service_pb2_grpc, topic_service_pb2

from gateway.log import Append, NewBatch
from gateway.sqlite.log import SqliteLog
from tests.bench import flights, throughput
from tests.bench.processes import PATIENCE, Side
from tests.bench.report import Row, percentile
from tests.bench.servers import gateway_server, new_log, open_gateway, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tests.bench.servers import Place

PART = "History: the events of one key"
BATCHES = (1, 100, 1_000)
"""Events a stored batch."""
KEYS = 10
"""Keys whose histories are read; the first read of each counts like the others."""
LENGTH = 1_000
"""Events of each of them, scattered over the whole log."""
TARGET_MS = 20.0
_STORED_AT_ONCE = 2_000
_READS_A_KEY = 3


def measure(place: Place, rounds: int, seconds: float, events: int) -> Iterator[Row]:
    """Measures reading out of ``events`` events, by the size of their batches, and what publishing costs."""
    for events_a_batch in BATCHES:
        with new_log(place) as log:
            with open_gateway(place, log) as gateway:
                set_up(gateway.address)
                index_keys(gateway.address)
            with Side(store, str(log), events // events_a_batch, events_a_batch) as storer:
                storer.answer(patience=600)
            with open_gateway(place, log) as gateway, Side(read_histories, gateway.address) as reader:
                yield _row(events, events_a_batch, log, *reader.answer())
    for case in (throughput.Case("batches of 100", 100), throughput.Case("batches of 1,000", 1_000)):
        yield _price(place, case, rounds, seconds)


def index_keys(address: str) -> None:
    """Switches on the index of the topic that is measured with."""
    request = topic_service_pb2.UpdateTopicRequest(
        topic={"name": flights.REJECT, "index_keys": True}, update_mask={"paths": ["index_keys"]}
    )
    with grpc.insecure_channel(address) as channel:
        method = "/tidegate.v1.TopicService/UpdateTopic"
        channel.unary_unary(method, request_serializer=type(request).SerializeToString)(
            request, timeout=PATIENCE
        )


def _row(events: int, events_a_batch: int, log: Path, took: list[float], bare: list[float]) -> Row:
    figure = statistics.median(took)
    stored = "one a batch" if events_a_batch == 1 else f"in batches of {events_a_batch:,}"
    return Row(
        PART,
        f"{LENGTH:,} events of a key, out of {events / 1e6:g} million stored {stored}",
        "ms",
        figure,
        statistics.median(bare),
        target=f"below {TARGET_MS:g} ms",
        met=figure < TARGET_MS,
        facts={"p90": percentile(took, 0.9), "bytes_on_disk_an_event": log.stat().st_size / events},
        samples={"tidegate": took, "bare": bare},
    )


def _price(place: Place, case: throughput.Case, rounds: int, seconds: float) -> Row:
    plain: list[throughput.Run] = []
    indexed: list[throughput.Run] = []
    with gateway_server(place) as without, gateway_server(place) as gateway:
        index_keys(gateway.address)
        for _ in range(max(rounds, 3)):
            plain.append(throughput.run(without, case, seconds))
            indexed.append(throughput.run(gateway, case, seconds))
    rates = {"tidegate": [run.rate for run in indexed], "without": [run.rate for run in plain]}
    with_, without_ = (statistics.median(samples) for samples in rates.values())
    return Row(
        PART,
        f"published with an index, {case.name}",
        "events/s",
        with_,
        facts={
            "without": without_,
            "of_that": with_ / without_,
            "µs_of_processor_an_event": statistics.median(run.cpu for run in indexed),
            "without_it": statistics.median(run.cpu for run in plain),
        },
        samples=rates,
    )


async def store(pipe: Connection, path: str, batches: int, events_a_batch: int) -> None:
    """Appends so many batches straight to a log, which no gateway has open, and says when it is done."""
    chance = random.Random(2013)
    made = [flights.batch(chance, events_a_batch) for _ in range(max(4, 1_000 // events_a_batch))]
    plain = [_new(batch) for batch in made]
    keys = _scatter(chance, batches, events_a_batch)
    at_once = max(1, _STORED_AT_ONCE // events_a_batch)
    log = await SqliteLog.open(path)
    try:
        for begin in range(0, batches, at_once):
            numbers = range(begin, min(begin + at_once, batches))
            appended = [
                _new(made[number % len(made)], keys[number]) if number in keys else plain[number % len(made)]
                for number in numbers
            ]
            await log.append(Append(tuple(appended)))
    finally:
        await log.close()
    pipe.send("stored")


def _scatter(chance: random.Random, batches: int, events_a_batch: int) -> dict[int, dict[int, str]]:
    """Answers which events get which key: by batch and place, no key twice in a batch if there are enough."""
    scattered: dict[int, dict[int, str]] = {}
    for key in range(KEYS):
        left = LENGTH
        while left:
            for number in chance.sample(range(batches), min(left, batches)):
                places = scattered.setdefault(number, {})
                place = chance.randrange(events_a_batch)
                if place not in places:
                    places[place] = f"history-{key}"
                    left -= 1
    return scattered


def _new(batch: event_pb2.EventBatch, keys: dict[int, str] | None = None) -> NewBatch:
    if keys:
        plain, batch = batch, event_pb2.EventBatch()
        batch.CopyFrom(plain)
        for place, key in keys.items():
            batch.events[place].key = key
    return NewBatch(batch.topic, batch.type, 1, len(batch.events), batch.SerializeToString())


async def read_histories(pipe: Connection, address: str) -> None:
    """Reads each key's history a few times, and beside it the same answer from a bare server."""
    took: list[float] = []
    bare: list[float] = []
    async with grpc.aio.insecure_channel(address) as channel:
        stub = event_service_pb2_grpc.EventServiceStub(channel)
        for number in range(KEYS * _READS_A_KEY):
            request = event_service_pb2.ReadEventsRequest(
                topics=[flights.REJECT], key=f"history-{number % KEYS}", page_size=LENGTH
            )
            begun = time.perf_counter()
            answer = await stub.ReadEvents(request)
            took.append((time.perf_counter() - begun) * 1e3)
            if sum(len(batch.events) for batch in answer.batches) != LENGTH or answer.next_page_token:
                raise AssertionError(f"{request.key}: {len(answer.batches)} batches were answered")
    raw = answer.SerializeToString()

    async def serve(_: bytes, __: Any) -> bytes:
        return raw

    server = grpc.aio.server()
    handler = {"ReadEvents": grpc.unary_unary_rpc_method_handler(serve)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("tidegate.v1.EventService", handler),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = event_service_pb2_grpc.EventServiceStub(channel)
        for _ in range(KEYS * _READS_A_KEY):
            begun = time.perf_counter()
            await stub.ReadEvents(request)
            bare.append((time.perf_counter() - begun) * 1e3)
    await server.stop(None)
    pipe.send((took, bare))
