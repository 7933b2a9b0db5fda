"""Members of a group: streams of one process that settle what they get, and count it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from tidegate.v1 import acknowledgement_pb2
from tidegate.v1 import event_service_pb2 as pb

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SUBSCRIBE = "/tidegate.v1.EventService/Subscribe"
ACKNOWLEDGE = "/tidegate.v1.EventService/Acknowledge"
PATIENCE = 60.0
"""Seconds that all events together may take."""
GATHER_SECONDS = 0.005
"""How long a member gathers what it says, as the client library does."""
_FIELD = descriptor_pb2.FieldDescriptorProto


@dataclass(frozen=True, slots=True)
class Settled:
    """How many events were settled, and how many a second, from the first frame to the last answer."""

    events: int
    rate: float


@dataclass(frozen=True, slots=True)
class Joining:
    """How members join: the group's name and how it orders, and how each member settles.

    Attributes:
        group: The group, which the first member makes.
        topic: What it reads, from the beginning.
        members: How many there are.
        ordering: ``GroupOrdering`` of the contract.
        max_in_flight: Events that each member may have.
        cumulative: Whether a member says how far it is, instead of naming each event.
    """

    group: str
    topic: str
    members: int
    ordering: int
    max_in_flight: int
    cumulative: bool


def _frame() -> Any:
    """Builds a twin of SubscribeResponse that leaves events unread, but knows where they are."""
    file = descriptor_pb2.FileDescriptorProto(name="member.proto", package="member", syntax="proto3")

    def message(name: str, *fields: tuple[str, int, int, int, str]) -> None:
        made = file.message_type.add(name=name)
        for field, number, kind, label, type_name in fields:
            made.field.add(name=field, number=number, type=kind, label=label, type_name=type_name or None)

    one, many = _FIELD.LABEL_OPTIONAL, _FIELD.LABEL_REPEATED
    message("Frame", ("batches", 2, _FIELD.TYPE_MESSAGE, one, ".member.Batches"))
    message(
        "Batches",
        ("batches", 1, _FIELD.TYPE_MESSAGE, many, ".member.Batch"),
        ("lease_epoch", 2, _FIELD.TYPE_UINT64, one, ""),
    )
    message(
        "Batch",
        ("first_sequence", 5, _FIELD.TYPE_UINT64, one, ""),
        ("offsets", 7, _FIELD.TYPE_UINT32, many, ""),
        ("events", 16, _FIELD.TYPE_BYTES, many, ""),
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("member.Frame"))


_Frame = _frame()


class Refused(Exception):
    """Events came twice, or what was said of them was late."""


class _Member:
    """One stream, whose events are settled a few frames at a time."""

    def __init__(self, channel: grpc.aio.Channel, joining: Joining, counted: _Count) -> None:
        self._acknowledge = channel.unary_unary(ACKNOWLEDGE)
        self._joining = joining
        self._counted = counted
        self._ready: asyncio.Queue[acknowledgement_pb2.Settlement | None] = asyncio.Queue()
        self._id = ""
        self._call: Any = channel.unary_stream(SUBSCRIBE)(_request(joining).SerializeToString())

    async def open(self) -> None:
        """Waits until the stream is open."""
        self._id = pb.SubscribeResponse.FromString(await self._call.read()).opened.member_id

    async def read(self) -> None:
        """Reads, and has settled what comes."""
        settling = asyncio.create_task(self._settle())
        try:
            while (raw := await self._call.read()) is not grpc.aio.EOF:
                self._counted.begin()
                batches = _Frame.FromString(raw).batches
                if batches.batches:
                    self._ready.put_nowait(self._settlement(batches))
        finally:
            settling.cancel()

    def _settlement(self, batches: Any) -> acknowledgement_pb2.Settlement:
        settlement = acknowledgement_pb2.Settlement(lease_epoch=batches.lease_epoch)
        settlement.ack.SetInParent()
        if self._joining.cumulative:
            last = batches.batches[-1]
            offset = last.offsets[-1] if last.offsets else len(last.events) - 1
            settlement.through = last.first_sequence + offset
            return settlement
        for batch in batches.batches:
            first = batch.first_sequence
            settlement.sequences.singles.extend(
                [first + offset for offset in batch.offsets or range(len(batch.events))]
            )
        return settlement

    async def _settle(self) -> None:
        while True:
            request = pb.AcknowledgeRequest(group=self._joining.group, member_id=self._id)
            request.settlements.append(await self._ready.get())
            await asyncio.sleep(GATHER_SECONDS)
            while not self._ready.empty():
                request.settlements.append(self._ready.get_nowait())
            raw: Any = await self._acknowledge(request.SerializeToString())
            answer = pb.AcknowledgeResponse.FromString(raw)
            if answer.late or answer.settled_before:
                raise Refused(str(answer)[:2_000])
            self._counted.add(answer.applied_count)


class _Count:
    """Counts what was settled, until it is as much as there is."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._events = 0
        self._began = 0.0
        self.done = asyncio.Event()

    def begin(self) -> None:
        """Notes when the first frame came."""
        self._began = self._began or time.monotonic()

    def add(self, events: int) -> None:
        """Counts settled events."""
        self._events += events
        if self._events >= self._expected:
            self.done.set()

    def settled(self) -> Settled:
        """Answers the count."""
        return Settled(self._events, self._events / (time.monotonic() - self._began))


def _request(joining: Joining) -> pb.SubscribeRequest:
    request = pb.SubscribeRequest(topics=[joining.topic], group=joining.group)
    request.start_position = pb.START_POSITION_EARLIEST
    settings = request.group_settings
    settings.ordering = joining.ordering  # type: ignore[assignment]
    settings.max_in_flight = min(100_000, joining.max_in_flight * joining.members)
    settings.max_in_flight_per_member = joining.max_in_flight
    return request


async def settle(pipe: Connection, address: str, joining: Joining, expected: int) -> None:
    """Joins, says so, and sends what was ``Settled`` once that are so many events."""
    counted = _Count(expected)
    async with grpc.aio.insecure_channel(address) as channel:
        members = [_Member(channel, joining, counted) for _ in range(joining.members)]
        for member in members:
            await member.open()
        pipe.send("open")
        reading = [asyncio.create_task(member.read()) for member in members]
        waiting = asyncio.create_task(counted.done.wait())
        await asyncio.wait([waiting, *reading], timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        settled = counted.settled()
        for task in (waiting, *reading):
            if task.done() and not task.cancelled():
                task.result()
            task.cancel()
        if not counted.done.is_set():
            raise Refused(f"{settled.events:,} of {expected:,} events were settled within {PATIENCE:g} s")
        pipe.send(settled)
