"""Idle connections are not punished, and peers that vanish without a word are found."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import tidegate
from tidegate import EARLIEST, connection, errors

from gateway import app
from tests.shop import PATIENCE, wait_until
from tests.test_client_connection import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
ENHANCE_YOUR_CALM = 11
QUICK = dict.fromkeys(
    ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms"), 400
)


class Pinger:
    """An HTTP/2 client that can do nothing but ping, as often as it likes: any language's, at its worst."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._send(SETTINGS, b"", preface=b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

    async def ping(self, number: int) -> int | None:
        """Pings; answers None once the ping is answered, or the error of a GOAWAY."""
        self._send(PING, struct.pack(">Q", number))
        while True:
            header = await self._reader.readexactly(9)
            length, kind, flags = int.from_bytes(header[:3]), header[3], header[4]
            payload = await self._reader.readexactly(length)
            if kind == PING and flags & ACK and payload == struct.pack(">Q", number):
                return None
            if kind == GOAWAY:
                return struct.unpack(">II", payload[:8])[1]

    def _send(self, kind: int, payload: bytes, *, preface: bytes = b"") -> None:
        header = struct.pack(">I", len(payload))[1:] + bytes((kind, 0)) + struct.pack(">I", 0)
        self._writer.write(preface + header + payload)


@asynccontextmanager
async def pinging(address: str) -> AsyncIterator[Pinger]:
    """Connects a pinger."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Pinger(reader, writer)
    finally:
        writer.close()


async def test_frequent_pings_are_not_punished(shop) -> None:
    """A client without a call that pings every second is answered each time; others ping every 5 s."""
    async with pinging(shop.gateway.address) as pinger, asyncio.timeout(PATIENCE):
        assert await pinger.ping(0) is None
        for number in range(1, 5):
            await asyncio.sleep(1.05)
            assert await pinger.ping(number) is None


async def test_a_flood_of_pings_is_refused(shop) -> None:
    """A client that pings without a pause is sent away, in the words that HTTP/2 has for it."""
    async with pinging(shop.gateway.address) as pinger, asyncio.timeout(PATIENCE):
        answers = [await pinger.ping(0)]
        while answers[-1] is None and len(answers) < 20:
            answers.append(await pinger.ping(len(answers)))
    assert answers[-1] == ENHANCE_YOUR_CALM


def quicker(options: tuple[tuple[str, object], ...]) -> tuple[tuple[str, object], ...]:
    """Channel options that find a vanished peer within a second, else as they are."""
    return tuple((name, QUICK.get(name, value)) for name, value in options)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Falls silent as it is told."""
    async with Proxy() as proxy:
        yield proxy


async def test_a_client_finds_that_its_gateway_vanished(
    shop, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call to a peer that says nothing any more, but closes nothing, fails when its pings go unanswered."""
    monkeypatch.setattr(connection, "CHANNEL_OPTIONS", quicker(connection.CHANNEL_OPTIONS))
    proxy.target = shop.gateway.address
    async with tidegate.AsyncClient(proxy.address, timeout=PATIENCE * 3) as client:
        await client.get_topic("shop.orders")
        proxy.is_frozen = True
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(errors.Unreachable):
                await client.delete_topic("shop.orders")  # which is not repeated


async def test_a_gateway_finds_that_a_member_vanished(
    start_shop, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that says nothing any more, but closes nothing, is gone, and what it had comes to others."""
    monkeypatch.setattr(app, "_OPTIONS", quicker(app._OPTIONS))
    async with start_shop() as shop:
        proxy.target = shop.gateway.address
        async with (
            tidegate.AsyncClient(shop.gateway.address) as client,
            tidegate.AsyncClient(proxy.address) as vanishing,
        ):
            await shop.place("A1")
            member = vanishing.join("g", "shop.orders", start=EARLIEST, heartbeat_interval=3600)
            event = await anext(member)
            proxy.is_frozen = True
            async with client.join("g") as successor, asyncio.timeout(PATIENCE):
                again = await anext(successor)
                assert (again.sequence, again.attempt) == (event.sequence, 2)
                again.ack()

                async def is_alone() -> bool:
                    return len((await client.get_group("g")).stats.members) == 1

                await wait_until(is_alone)
            member._stream.stop()
