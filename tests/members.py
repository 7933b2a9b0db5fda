"""Members of groups, as plain stubs make them: what tests read events and settle them with."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
from google.protobuf.duration_pb2 import Duration
from tidegate.v1 import acknowledgement_pb2 as acks
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import event_service_pb2_grpc, group_pb2, group_service_pb2_grpc
from tidegate.v1 import group_service_pb2 as groups

from tests.shop import NEVER, ORDERS, PATIENCE, PLACED, batch, order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.shop import Shop

BY_KEY, NONE = group_pb2.GROUP_ORDERING_BY_KEY, group_pb2.GROUP_ORDERING_NONE
SKIP, PARK_KEY = group_pb2.DEAD_LETTER_POLICY_SKIP, group_pb2.DEAD_LETTER_POLICY_PARK_KEY
EARLIEST = pb.START_POSITION_EARLIEST


def seconds(number: float) -> Duration:
    """A duration."""
    return Duration(seconds=int(number), nanos=round(number % 1 * 1e9))


def keyed(*pairs: tuple[str, str], topic: str = ORDERS) -> Any:
    """A batch with an order for each pair of a key and a name."""
    made = batch(topic, *[order(name) for _, name in pairs], type=PLACED)
    for event, (key, _) in zip(made.events, pairs, strict=True):
        event.key = key
    return made


class Got(NamedTuple):
    """One event as a member got it."""

    sequence: int
    key: str
    data: bytes
    epoch: int
    attempt: int


def got_of(frame: pb.SubscribeResponse) -> list[Got]:
    """The events of a frame, none if it is no frame of batches."""
    leased = frame.batches
    return [
        Got(
            found.first_sequence + (found.offsets[index] if found.offsets else index),
            event.key,
            event.data,
            leased.lease_epoch,
            leased.attempt,
        )
        for found in leased.batches
        for index, event in enumerate(found.events)
    ]


class Member:
    """One member of a group: its stream, read frame by frame, and what it says of events."""

    def __init__(self, channel: grpc.aio.Channel, group: str, **fields: Any) -> None:
        self.group = group
        self.id = ""
        self.opened: Any = None
        self.notices: list[pb.SubscribeResponse] = []
        self._stub = event_service_pb2_grpc.EventServiceStub(channel)
        fields.setdefault("heartbeat_interval", NEVER)
        self.call = self._stub.Subscribe(pb.SubscribeRequest(group=group, **fields))
        self._ahead: list[Got] = []

    async def open(self) -> Member:
        """Waits until the stream is open."""
        frame = await self._frame()
        self.opened = frame.opened
        self.id = frame.opened.member_id
        assert self.id, frame
        return self

    async def events(self, count: int, patience: float = PATIENCE) -> list[Got]:
        """The next events, just so many; other frames are noted and passed over."""
        async with asyncio.timeout(patience):
            while len(self._ahead) < count:
                self._ahead += got_of(await self._frame())
        found, self._ahead = self._ahead[:count], self._ahead[count:]
        return found

    async def nothing(self, within: float = 0.3) -> None:
        """Makes sure that no event comes for a while."""
        assert not self._ahead, self._ahead
        try:
            async with asyncio.timeout(within):
                while not (found := got_of(await self._frame())):
                    pass
        except TimeoutError:
            return
        raise AssertionError(f"got {found}")

    async def until(self, kind: str) -> Any:
        """The next frame of a kind; events before it are kept for ``events``."""
        for at, frame in enumerate(self.notices):
            if frame.WhichOneof("frame") == kind:
                del self.notices[at]
                return getattr(frame, kind)
        while True:
            frame = await self._frame()
            if frame.WhichOneof("frame") == kind:
                if self.notices and self.notices[-1] is frame:
                    self.notices.pop()
                return getattr(frame, kind)
            self._ahead += got_of(frame)

    async def _frame(self) -> pb.SubscribeResponse:
        # A wait that ends early must not end the stream.
        self._reading = getattr(self, "_reading", None) or asyncio.ensure_future(self.call.read())
        done, _ = await asyncio.wait({self._reading}, timeout=PATIENCE)
        assert done, "nothing came"
        read, self._reading = self._reading.result(), None
        assert read is not grpc.aio.EOF, f"the stream ended: {await self.call.code()}"
        if read.WhichOneof("frame") != "batches":
            self.notices.append(read)
        return read

    async def say(self, verb: str, events: Iterable[Got], **fields: Any) -> pb.AcknowledgeResponse:
        """Says something of events, each under its own epoch."""
        by_epoch: dict[int, list[int]] = {}
        for event in events:
            by_epoch.setdefault(event.epoch, []).append(event.sequence)
        request = pb.AcknowledgeRequest(group=self.group, member_id=self.id)
        for epoch, sequences in by_epoch.items():
            settlement = request.settlements.add(lease_epoch=epoch)
            settlement.sequences.singles.extend(sequences)
            getattr(settlement, verb).SetInParent()
            getattr(settlement, verb).MergeFrom(getattr(acks, verb.capitalize())(**fields))
        return await self._stub.Acknowledge(request)

    async def ack(self, *events: Got) -> pb.AcknowledgeResponse:
        """Acknowledges events."""
        return await self.say("ack", events)

    async def ack_through(self, event: Got) -> pb.AcknowledgeResponse:
        """Acknowledges all that the member has up to an event."""
        request = pb.AcknowledgeRequest(group=self.group, member_id=self.id)
        settlement = request.settlements.add(lease_epoch=event.epoch, through=event.sequence)
        settlement.ack.SetInParent()
        return await self._stub.Acknowledge(request)

    def leave(self) -> None:
        """Breaks the stream."""
        self.call.cancel()


def group_stub(shop: Shop) -> Any:
    """The stub of GroupService."""
    return group_service_pb2_grpc.GroupServiceStub(shop.channel)


async def create_group(shop: Shop, name: str, *topics: str, start: int = EARLIEST, **settings: Any) -> Any:
    """Makes a group that begins at the beginning."""
    group = group_pb2.Group(name=name, topics=topics or (ORDERS,))
    group.settings.MergeFrom(group_pb2.GroupSettings(**settings))
    request = groups.CreateGroupRequest(group=group, start_position=start)
    return (await group_stub(shop).CreateGroup(request)).group


async def group_stats(shop: Shop, name: str) -> Any:
    """How a group stands."""
    return (await group_stub(shop).GetGroup(groups.GetGroupRequest(name=name))).group.stats


async def dead_letters(shop: Shop, name: str) -> list[Any]:
    """The dead letters of a group."""
    answer = await group_stub(shop).ListDeadLetters(groups.ListDeadLettersRequest(group=name))
    return list(answer.dead_letters)


async def join(shop: Shop, group: str, **fields: Any) -> Member:
    """Joins a group that exists."""
    return await Member(shop.channel, group, **fields).open()
