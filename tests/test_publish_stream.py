"""PublishStream: pipelined requests, answered in order and together, refused in their place."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import error_pb2
from tidegate.v1 import event_service_pb2 as pb

from gateway.event_service import _responses
from gateway.log import Placed
from tests.shop import ORDERS, PATIENCE, PAYMENTS, Shop, batch, expect, order, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

GOOD = order("good")
DEFAULT_CLIENT_BYTES = 4 * 1024 * 1024


def request(*data: bytes, topic: str = ORDERS, **fields: Any) -> pb.PublishStreamRequest:
    return pb.PublishStreamRequest(batches=[batch(topic, *data)], **fields)


async def responses(call: Any) -> list[pb.PublishStreamResponse]:
    """All responses up to the end of the stream, which must be OK."""
    found = []
    while (read := await asyncio.wait_for(call.read(), PATIENCE)) is not grpc.aio.EOF:
        found.append(read)
    assert await call.code() is grpc.StatusCode.OK
    return found


async def answers(shop: Shop, requests: Iterable[pb.PublishStreamRequest]) -> list[pb.PublishStreamResult]:
    """Sends all requests without waiting, and answers their results."""
    found = await responses(shop.stub.PublishStream(iter(requests)))
    return [result for response in found for result in response.results]


def reason(result: pb.PublishStreamResult) -> str:
    """Why a request was rejected, empty if it was not."""
    if result.WhichOneof("outcome") == "published":
        return ""
    return error_pb2.ErrorReason.Name(result.error.reason).removeprefix("ERROR_REASON_")


async def test_answers_come_in_order_and_together(shop: Shop) -> None:
    """A thousand pipelined requests get a result each, in order, in far fewer responses."""
    names = [f"o{number}" for number in range(1_000)]
    found = await responses(shop.stub.PublishStream(request(order(name)) for name in names))
    results = [result for response in found for result in response.results]
    assert [result.published.results[0].first_sequence for result in results] == list(range(1, 1_001))
    assert len(found) < 500
    assert [event.data for event in await shop.everything()] == [order(name) for name in names]


async def test_a_request_is_answered_without_a_later_one(shop: Shop) -> None:
    """A client that waits for each answer before it goes on gets it: nothing is held back."""
    call = shop.stub.PublishStream()
    for sequence in range(1, 6):
        await call.write(request(GOOD))
        response = await asyncio.wait_for(call.read(), PATIENCE)
        assert response.results[0].published.results[0].first_sequence == sequence
    await call.done_writing()
    assert await responses(call) == []


async def test_a_rejection_stands_in_its_place_and_ends_nothing(shop: Shop) -> None:
    """Rejected requests are answered in their place, whole; those before and behind are stored."""
    results = await answers(
        shop,
        [
            request(GOOD),
            request(GOOD, b"\xff"),
            request(GOOD, topic="shop.ordres"),
            request(GOOD, expected_positions=expect(shop__orders=9)),
            pb.PublishStreamRequest(),
            request(GOOD),
        ],
    )
    assert [reason(result) for result in results] == [
        "",
        "INVALID_EVENT",
        "TOPIC_NOT_FOUND",
        "UNEXPECTED_SEQUENCE",
        "INVALID_REQUEST",
        "",
    ]
    error = results[1].error
    assert error.code == error_pb2.STATUS_CODE_INVALID_ARGUMENT
    assert [violation.field for violation in error.field_violations] == ["batches[0].events[1].data"]
    assert "shop.orders" in results[2].error.message
    assert results[3].error.metadata["last_sequence"] == "1"
    assert [event.sequence for event in await shop.everything()] == [1, 2]


async def test_bytes_that_are_no_request_are_rejected_in_their_place(shop: Shop) -> None:
    """Bytes that are no request are one rejection; the stream goes on."""
    publish = shop.channel.stream_stream("/tidegate.v1.EventService/PublishStream")
    raw = [
        request(GOOD).SerializeToString(),
        b"\xff\xff",
        b"\x12\x02\xff\xff",
        request(GOOD).SerializeToString(),
    ]
    found = [pb.PublishStreamResponse.FromString(each) for each in await responses(publish(iter(raw)))]
    results = [result for response in found for result in response.results]
    assert [reason(result) for result in results] == ["", "INVALID_REQUEST", "INVALID_EVENT", ""]


@pytest.mark.parametrize("culprit", ["the check", "the log"])
async def test_stop_on_error_tries_nothing_behind_a_rejection(shop: Shop, culprit: str) -> None:
    """With stop_on_error nothing behind a rejection is stored, whether the check or the log rejected."""
    bad = {
        "the check": request(b"\xff"),
        "the log": request(GOOD, expected_positions=expect(shop__orders=99)),
    }[culprit]
    requests = [request(GOOD, stop_on_error=True), *[request(GOOD)] * 99, bad, *[request(GOOD)] * 100]
    results = await answers(shop, requests)
    first = {"the check": "INVALID_EVENT", "the log": "UNEXPECTED_SEQUENCE"}[culprit]
    assert [reason(result) for result in results] == [""] * 100 + [first] + ["STREAM_STOPPED"] * 100
    assert await shop.head() == 100


async def test_a_stopped_stream_stays_stopped(shop: Shop) -> None:
    """A request that comes long after the rejection, in a stream that stopped, is not tried either."""
    call = shop.stub.PublishStream()
    await call.write(request(GOOD, expected_positions=expect(shop__orders=99), stop_on_error=True))
    assert reason((await call.read()).results[0]) == "UNEXPECTED_SEQUENCE"
    await call.write(request(GOOD))
    assert reason((await call.read()).results[0]) == "STREAM_STOPPED"
    await call.done_writing()
    assert await responses(call) == []
    assert await shop.head() == 0


async def test_without_stop_on_error_later_requests_are_tried(shop: Shop) -> None:
    """stop_on_error on a later request than the first is ignored."""
    results = await answers(shop, [request(GOOD), request(b"\xff", stop_on_error=True), request(GOOD)])
    assert [reason(result) for result in results] == ["", "INVALID_EVENT", ""]


async def test_a_retry_over_another_stream_is_stored_once(shop: Shop) -> None:
    """Requests with ids that are sent again over another stream, and once as Publish, are stored once."""
    requests = [request(order(str(number)), request_id=f"r{number}") for number in range(50)]
    first = await answers(shop, requests)
    assert await answers(shop, requests) == first
    again = pb.PublishRequest(request_id="r7", batches=[batch(ORDERS, order("7"))])
    assert (await shop.stub.Publish(again)).results[0] == first[7].published.results[0]
    assert await shop.head() == 50


async def test_responses_fit_default_clients(shop: Shop) -> None:
    """However many and long answers are due at once, no response is larger than default clients take."""
    publish = shop.channel.stream_stream("/tidegate.v1.EventService/PublishStream")
    bad = request(*[b"\xff"] * 100).SerializeToString()
    huge = request(GOOD, topic="x" * 1_000_000).SerializeToString()
    found = await responses(publish(iter([huge, huge, huge, *[bad] * 200])))
    assert max(map(len, found)) < DEFAULT_CLIENT_BYTES
    results = [result for raw in found for result in pb.PublishStreamResponse.FromString(raw).results]
    assert [reason(result) for result in results] == ["TOPIC_NOT_FOUND"] * 3 + ["INVALID_EVENT"] * 200
    assert all(len(result.error.field_violations) == 100 for result in results[3:])
    due = [tuple(Placed(sequence, 1, 1) for sequence in range(2**62, 2**62 + 1_000))] * 1_000
    split = list(_responses(due))
    assert max(map(len, split)) < DEFAULT_CLIENT_BYTES
    assert sum(len(pb.PublishStreamResponse.FromString(raw).results) for raw in split) == 1_000


async def test_a_client_that_reads_no_answers_is_not_read_on(shop: Shop) -> None:
    """A stream whose answers nobody takes stops being read; others go on."""
    silent = shop.stub.PublishStream()
    sent = 0
    large = request(*[b"\xff"] * 100)  # each rejection is a long answer, which fills the stream's windows

    async def send() -> None:
        nonlocal sent
        while True:
            await silent.write(large)
            sent += 1

    sending = asyncio.create_task(send())
    still = 0
    while still < 3:
        before = sent
        await asyncio.sleep(0.3)
        still = still + 1 if sent == before else 0
        assert sent < 50_000
    sending.cancel()
    assert (await answers(shop, [request(GOOD)] * 10))[9].published.results[0].first_sequence == 10
    silent.cancel()


async def test_a_stream_cancelled_in_mid_flight(shop: Shop) -> None:
    """Streams that end at any moment leave whole requests only, in their order, and others undisturbed."""
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
        call = shop.stub.PublishStream()

        async def send(call: Any = call) -> None:
            for number in range(400):
                both = [batch(ORDERS, order(f"{number}")), batch(PAYMENTS, order(f"{number}"))]
                await call.write(pb.PublishStreamRequest(batches=both))

        sending = asyncio.create_task(send())
        await asyncio.sleep(delay)
        call.cancel()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    marker = await shop.place("after")
    events = [event for event in await shop.everything() if event.sequence < marker]
    assert all(
        (first.topic, second.topic, first.data) == (ORDERS, PAYMENTS, second.data)
        for first, second in zip(events[::2], events[1::2], strict=True)
    )


async def test_a_draining_gateway_answers_what_it_took(start_shop: StartShop) -> None:
    """A gateway that stops answers the requests that it took, in order, and ends with DRAINING."""
    async with start_shop() as shop:
        call = shop.stub.PublishStream()
        answered: list[pb.PublishStreamResult] = []
        enough = asyncio.Event()

        async def send() -> None:
            number = 0
            while not enough.is_set():  # grpc.aio hides a stream's status from one who still writes to it
                await call.write(request(order(str(number))))
                number += 1

        async def receive() -> grpc.aio.AioRpcError:
            try:
                async for response in call:
                    answered.extend(response.results)
                    if len(answered) > 200:
                        enough.set()
            except grpc.aio.AioRpcError as error:
                return error
            raise AssertionError("the stream ended without an error")

        sending, receiving = asyncio.create_task(send()), asyncio.create_task(receive())
        await asyncio.wait_for(sending, PATIENCE)
        await asyncio.wait_for(shop.gateway.__aexit__(None, None, None), PATIENCE)
        found = refusal(await receiving)
    assert (found.code, found.reason) == ("UNAVAILABLE", "DRAINING")
    placed = [result.published.results[0].first_sequence for result in answered]
    assert placed == list(range(1, len(answered) + 1))
    async with start_shop() as shop:
        stored = [event.data for event in await shop.everything()]
    assert stored[: len(placed)] == [order(str(number)) for number in range(len(placed))]
    assert stored == [order(str(number)) for number in range(len(stored))]


async def test_an_empty_stream_ends_well(shop: Shop) -> None:
    """A stream that ends without a request is OK and has no answer."""
    assert await answers(shop, []) == []
