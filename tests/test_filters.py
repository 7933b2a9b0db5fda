"""Filtered subscriptions: what comes, what does not, and how the reader is told of its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.duration_pb2 import Duration
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import ORDERS, PLACED, batch, order

if TYPE_CHECKING:
    from tests.shop import Shop

OFTEN = Duration(nanos=100_000_000)


def orders(count: int) -> list[bytes]:
    return [order(f"o{number}", number) for number in range(1, count + 1)]


async def sifted(shop: Shop, **fields: Any) -> dict[int, bytes]:
    """What a filtered subscription from the beginning gets, by sequence."""
    fields = {"start_position": pb.START_POSITION_EARLIEST, "types": [PLACED], **fields}
    subscription = shop.subscribe(ORDERS, **fields)
    found: dict[int, bytes] = {}
    while (frame := await subscription.frame()) is not None:
        for each in frame.batches.batches:
            offsets = each.offsets or range(len(each.events))
            for offset, event in zip(offsets, each.events, strict=True):
                found[each.first_sequence + offset] = event.data
        if frame.HasField("caught_up"):
            subscription.call.cancel()
            return found
    raise AssertionError("the stream ended")


async def test_a_filter_delivers_what_it_holds_of_with_its_sequences(shop: Shop) -> None:
    """Of ten orders those above 7 come, each with its own sequence."""
    (placed,) = await shop.publish(batch(ORDERS, *orders(10)))
    found = await sifted(shop, filter="event.data.amount_cents > 7")
    assert found == {placed.first_sequence + index: order(f"o{index + 1}", index + 1) for index in (7, 8, 9)}
