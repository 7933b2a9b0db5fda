"""Subscribers: one that counts, many that time what they get, many that idle, and one that is stuck."""

from __future__ import annotations

import asyncio
import time
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tidegate.v1 import event_service_pb2 as pb

from tests.bench import flights

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

METHOD = "/tidegate.v1.EventService/Subscribe"
STREAMS_A_CONNECTION = 10
"""Of processes that open many streams."""
PATIENCE = 60.0
"""Seconds that the last events may take, after the publisher has seen all answers."""
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a subscriber got.

    Attributes:
        events: All of them.
        rate: Events a second, from the first frame (itself left out) to the last.
    """

    events: int
    rate: float


def _frame() -> Any:
    """Builds a twin of SubscribeResponse that leaves its batches unread."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="frame.proto", package="bench", syntax="proto3")
    file.message_type.add(name="Frame").field.add(
        name="batches", number=2, type=field.TYPE_MESSAGE, type_name=".bench.Batches", label=1
    )
    file.message_type.add(name="Batches").field.add(
        name="batches", number=1, type=field.TYPE_BYTES, label=field.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Frame"))


_Frame = _frame()


class Miscounted(Exception):
    """The sequences of what was delivered do not agree with how much was."""


class Counter:
    """Counts the events of one stream, whose batches all have the same number of events."""

    def __init__(self, call: Any, events_a_batch: int) -> None:
        self._call = call
        self._events_a_batch = events_a_batch
        self._position = 0
        self._first_events = 0
        self._first_time = self._last_time = 0.0
        self._last = b""
        self.events = 0
        """How many came so far."""
        self.expected = float("inf")
        """How many come in all."""

    async def open(self) -> None:
        """Waits until the stream is open: what is published from now on will come."""
        self._position = pb.SubscribeResponse.FromString(await self._call.read()).opened.position

    async def read(self) -> None:
        """Reads until all that is expected has come."""
        while self.events < self.expected:
            raw = await self._call.read()
            if raw is grpc.aio.EOF:
                raise Miscounted(
                    f"the stream ended after {self.events:,} events: {await self._call.details()}"
                )
            batches = len(_Frame.FromString(raw).batches.batches)
            if batches:
                self._count(raw, batches * self._events_a_batch)

    def _count(self, raw: bytes, events: int) -> None:
        self._last_time = time.monotonic()
        if not self.events:
            self._first_time, self._first_events = self._last_time, events
        self.events += events
        self._last = raw

    def counted(self) -> Counted:
        """Answers the count.

        Raises:
            Miscounted: It is not what the first and the last sequence say.
        """
        last = pb.SubscribeResponse.FromString(self._last).batches.batches[-1]
        if last.first_sequence and last.first_sequence + len(last.events) - 1 != self._position + self.events:
            raise Miscounted(f"{self.events:,} events behind {self._position}, but the last one is {last}")
        if self.events != self.expected:
            raise Miscounted(f"{self.events:,} events instead of {self.expected:,}")
        seconds = max(self._last_time - self._first_time, 1e-9)
        return Counted(self.events, (self.events - self._first_events) / seconds)


async def count(
    pipe: Connection,
    address: str,
    topic: str,
    events_a_batch: int,
    earliest: bool,  # noqa: FBT001
    method: str = METHOD,
) -> None:
    """Says when it is open, then is told how many events come, and sends what it ``Counted``."""
    async with grpc.aio.insecure_channel(
        address, options=(("grpc.max_receive_message_length", -1),)
    ) as channel:
        counter = Counter(_subscribe(channel, topic, method, earliest=earliest), events_a_batch)
        await counter.open()
        pipe.send("open")
        reading = asyncio.create_task(counter.read())
        counter.expected = await asyncio.to_thread(pipe.recv)
        if counter.events < counter.expected:
            await asyncio.wait([reading], timeout=PATIENCE)
        reading.cancel()
        await asyncio.wait([reading])
        if not reading.cancelled():
            reading.result()
        pipe.send(counter.counted())


async def time_deliveries(pipe: Connection, address: str, streams: int) -> None:
    """Opens streams and says so; is told how many events come on each; sends the nanoseconds each took."""
    channels = [
        grpc.aio.insecure_channel(address, options=_OWN_CONNECTION)
        for _ in range(0, streams, STREAMS_A_CONNECTION)
    ]
    calls = [
        _subscribe(channels[number // STREAMS_A_CONNECTION], flights.REJECT) for number in range(streams)
    ]
    for call in calls:
        await call.read()
    pipe.send("open")
    took = array("q")
    tasks = [asyncio.create_task(_time_stream(call, took)) for call in calls]
    expected = streams * await asyncio.to_thread(pipe.recv)
    while len(took) < expected:
        await asyncio.wait(tasks, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()
    pipe.send(took)
    for task in tasks:
        task.cancel()
    for channel in channels:
        await channel.close()


async def _time_stream(call: Any, took: array[int]) -> None:
    while (raw := await call.read()) is not grpc.aio.EOF:
        now = time.monotonic_ns()
        for batch in pb.SubscribeResponse.FromString(raw).batches.batches:
            took.extend(now - int(event.id) for event in batch.events)
    raise Miscounted(f"the stream ended: {await call.details()}")


async def get_stuck(pipe: Connection, address: str) -> None:
    """Opens a stream, says so, and never reads on."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = _subscribe(channel, flights.REJECT)
        await call.read()
        pipe.send("open")
        await asyncio.Event().wait()


def _subscribe(channel: grpc.aio.Channel, topic: str, method: str = METHOD, *, earliest: bool = False) -> Any:
    position = pb.START_POSITION_EARLIEST if earliest else pb.START_POSITION_LATEST
    request = pb.SubscribeRequest(topics=[topic], start_position=position)
    return channel.unary_stream(method)(request.SerializeToString())
