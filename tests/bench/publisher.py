"""Publishers: one that sends all that a window lets through, and one that sends at a pace."""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tests.bench import flights

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

METHOD = "/tidegate.v1.EventService/PublishStream"
WINDOW_MESSAGES, WINDOW_BYTES = 512, 4 * 1024 * 1024
"""What may be unanswered at once, in messages and in bytes; at least two messages."""
_PUBLISHED = b"\x0a"
"""How a PublishStreamResult begins that is not an error."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a publisher sent and saw answered, and the seconds that it took."""

    messages: int
    events: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Amount:
    """How much to send: whichever is reached first. Seconds, and bytes of requests."""

    seconds: float = float("inf")
    bytes: float = float("inf")


def _answers() -> Any:
    """Builds a twin of PublishStreamResponse that leaves its results unread."""
    file = descriptor_pb2.FileDescriptorProto(name="answers.proto", package="bench", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    file.message_type.add(name="Answers").field.add(
        name="results", number=1, type=field.TYPE_BYTES, label=field.LABEL_REPEATED
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("bench.Answers"))


_Answers = _answers()


class Refused(Exception):
    """A request was answered by an error, whose bytes this shows."""


class Pipeline:
    """One PublishStream, kept full up to its window."""

    def __init__(self, call: Any, flow: flights.Flow, *, request_ids: bool) -> None:
        self._call = call
        self._flow = flow
        self._id = (
            secrets.token_hex(8).encode() if request_ids else b""
        )  # of each run: a known id stores nothing
        self._window = max(2, min(WINDOW_MESSAGES, WINDOW_BYTES // len(flow.requests[0])))
        self._sent = self._answered = 0
        self._room = asyncio.Event()

    async def run(self, amount: Amount) -> Sent:
        """Sends so much, and answers once all of it is answered."""
        started = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read())
            size = await self._send(amount, started)
        return Sent(self._sent, self._sent * self._flow.events, size, time.monotonic() - started)

    async def _send(self, amount: Amount, started: float) -> int:
        size = 0
        for number, request in enumerate(itertools.cycle(self._flow.requests)):
            if time.monotonic() - started >= amount.seconds or size >= amount.bytes:
                break
            while self._sent - self._answered >= self._window:
                self._room.clear()
                await self._room.wait()
            message = _with_id(self._id, number, request) if self._id else request
            await self._call.write(message)
            self._sent += 1
            size += len(message)
        await self._call.done_writing()
        return size

    async def _read(self) -> None:
        while (raw := await self._call.read()) is not grpc.aio.EOF:
            results = _Answers.FromString(raw).results
            for result in results:
                if not result.startswith(_PUBLISHED):
                    raise Refused(repr(result[:2_000]))
            self._answered += len(results)
            self._room.set()
        if self._answered != self._sent:
            raise Refused(f"{self._sent - self._answered} of {self._sent} requests were not answered")


def _with_id(run: bytes, number: int, request: bytes) -> bytes:
    """Puts a request_id of 36 bytes in front: encodings that stand one behind the other are one message."""
    return b"\x0a\x24%b%020d" % (run, number) + request


async def publish(
    pipe: Connection,
    address: str,
    flow: flights.Flow,
    amount: Amount,
    ids: bool,  # noqa: FBT001
    method: str = METHOD,
) -> None:
    """Sends an amount as fast as the window lets it, and then says what was ``Sent``."""
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(method)()
        pipe.send(await Pipeline(call, flow, request_ids=ids).run(amount))


async def publish_paced(pipe: Connection, address: str, rate: float, seconds: float, bare: bool) -> None:  # noqa: FBT001
    """Sends single events at a pace, each with the moment of its sending as its id, and says how many."""
    wrap = flights.delivered if bare else flights.published
    batch = flights.batch(random.Random(1), 1)
    events = max(1, round(rate * seconds))
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(METHOD)()
        started = time.monotonic()
        for number in range(events):
            await asyncio.sleep(started + number / rate - time.monotonic())
            batch.events[0].id = str(time.monotonic_ns())
            await call.write(wrap(batch))
            answer = await call.read()
            if not _Answers.FromString(answer).results[0].startswith(_PUBLISHED):
                raise Refused(repr(answer[:2_000]))
        await call.done_writing()
        pipe.send(events)
