"""Sieves as groups and reads use them: verdicts by batch, and entries of any of its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tidegate.v1 import event_service_pb2 as pb

from gateway.entries import Sealer, batches_frame
from gateway.log import StoredBatch
from gateway.sieve_request import SieveRequest
from gateway.sieves import Holder
from tests.shop import ORDERS, PLACED, batch, events_of, order

if TYPE_CHECKING:
    from gateway.sieves import Sieve
    from tests.shop import Shop

HOLDER = Holder("billing")
FILTER = "event.data.amount_cents > 2"


async def make(shop: Shop, **fields: Any) -> Sieve:
    """A sieve for orders, as a group would have it."""
    sieves = shop.gateway._subscriber._sieves
    made = await sieves.make(SieveRequest((ORDERS,), (PLACED,), **fields), holder=HOLDER)
    assert made is not None
    return made


def stored(*amounts: int, first: int = 100, event_type: str = PLACED) -> StoredBatch:
    """A batch that is in no log."""
    data = batch(ORDERS, *[order("o", amount) for amount in amounts]).SerializeToString()
    entry = Sealer(ORDERS, event_type, 1).seal(data, first, 5)
    return StoredBatch(first, len(amounts), ORDERS, event_type, 1, 5, 1, entry)


def shown(entry: bytes) -> list[tuple[int, bytes]]:
    """The sequences and data of an entry."""
    frame = pb.SubscribeResponse.FromString(batches_frame([entry]))
    return [(event.sequence, event.data) for event in events_of(frame)]


async def test_what_asks_for_nothing_is_no_sieve(shop: Shop) -> None:
    """Without a filter and a projection there is nothing to do, and nothing that could take time."""
    sieves = shop.gateway._subscriber._sieves
    assert await sieves.make(SieveRequest((ORDERS,), (PLACED,)), holder=HOLDER) is None


async def test_batches_that_are_in_no_log_are_decided_too(shop: Shop) -> None:
    """A sieve tells of any stored batch which events pass, None for all, and counts failures once."""
    sieve = await make(shop, filter=f"{FILTER} && 6 / (event.data.amount_cents - 4) != 0")
    batches = [stored(1, 5, 2, 4, 3), stored(5, 6, first=200), stored(1, first=300)]
    await sieve.prepare(batches)
    assert [sieve.matches(each) for each in batches] == [(1, 4), None, ()]
    failures = sieve.take_failures()
    assert failures is not None
    assert (failures.count, failures.first_sequence, failures.last_sequence) == (1, 103, 103)
    assert sieve.take_failures() is None
    with pytest.raises(KeyError):
        sieve.matches(stored(1, first=400))


async def test_an_entry_has_just_the_events_that_are_asked_for(shop: Shop) -> None:
    """Any events of a batch make an entry, passing or not; of all the stored bytes are the entry."""
    sieve = await make(shop, filter=FILTER)
    whole = stored(1, 5, 2, 4)
    await sieve.prepare([whole])
    assert sieve.entry(whole, None) is whole.entry
    assert shown(sieve.entry(whole, [0, 3])) == [(100, order("o", 1)), (103, order("o", 4))]


async def test_a_projected_entry_has_them_in_their_form(shop: Shop) -> None:
    """With a projection each of them is in the form that was asked for; what was not prepared is an error."""
    sieve = await make(shop, as_json=True, read_mask=("amount_cents",))
    whole = stored(1, 5, 2)
    with pytest.raises(KeyError):
        sieve.entry(whole, [0])
    await sieve.prepare([whole])
    found = shown(sieve.entry(whole, [0, 2]))
    assert [(sequence, json.loads(data)) for sequence, data in found] == [
        (100, {"amount_cents": "1"}),
        (102, {"amount_cents": "2"}),
    ]
    await sieve.prepare([])  # what is known of types stays
    assert len(shown(sieve.entry(whole, None))) == 3


async def test_a_group_s_filter_is_live_until_its_sieve_is_closed(shop: Shop) -> None:
    """A sieve's filter is live for its holder, until it is closed; once more changes nothing."""
    sieve, other = await make(shop, filter=FILTER), await make(shop, filter=FILTER)
    live = shop.gateway._subscriber._sieves._live
    assert [(it.group, it.text) for it in live.of_subject("shop")] == [("billing", FILTER)]
    assert sieve.filter is other.filter
    sieve.close()
    sieve.close()
    assert live.of_subject("shop")
    other.close()
    assert not live.of_subject("shop")
