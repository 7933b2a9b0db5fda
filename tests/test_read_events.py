"""ReadEvents: stored events a page at a time, held against a list of what was published."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2
from tidegate.v1 import event_service_pb2 as pb

from gateway import event_pages
from tests.shop import ORDERS, PAID, PAYMENTS, PLACED, RETURNS, SCHEMA_2, batch, order, refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tests.shop import Shop

KEYS = ("", "a", "b", "order-1")
FORWARDS, BACKWARDS = pb.READ_ORDER_FORWARDS, pb.READ_ORDER_BACKWARDS


@dataclass(frozen=True)
class Stored:
    """One event as it must be answered."""

    sequence: int
    topic: str
    type: str
    key: str
    data: bytes
    time: int


def answered(batches: Iterable[event_pb2.EventBatch]) -> list[Stored]:
    """The events of a page, in its order."""
    return [
        Stored(
            found.first_sequence + (found.offsets[index] if found.offsets else index),
            found.topic,
            found.type,
            event.key,
            event.data,
            found.append_time.ToNanoseconds(),
        )
        for found in batches
        for index, event in enumerate(found.events)
    ]


async def pages(shop: Shop, *topics: str, **fields: Any) -> list[pb.ReadEventsResponse]:
    """All pages of a reading."""
    found, token = [], ""
    while True:
        request = pb.ReadEventsRequest(topics=topics, page_token=token, **fields)
        found.append(await shop.stub.ReadEvents(request))
        token = found[-1].next_page_token
        if not token:
            return found


async def history(shop: Shop, *topics: str, **fields: Any) -> list[Stored]:
    """The events of all pages of a reading."""
    return [event for page in await pages(shop, *topics, **fields) for event in answered(page.batches)]


async def publish(shop: Shop, chance: random.Random, batches: int) -> list[Stored]:
    """Publishes random batches; answers what must be read of them, but for the times."""
    stored = []
    for _ in range(batches):
        topic, kind = chance.choice((ORDERS, PAYMENTS, RETURNS)), chance.choice((PLACED, PAID))
        events = [
            event_pb2.Event(
                key=chance.choice(KEYS), data=order(f"o{chance.randrange(99)}"), id=chance.choice(KEYS)
            )
            for _ in range(chance.choice((1, 1, 2, 5, 15)))
        ]
        (placed,) = await shop.publish(
            event_pb2.EventBatch(topic=topic, type=kind, events=events, source="s")
        )
        stored += [
            Stored(placed.first_sequence + index, topic, kind, event.key, event.data, 0)
            for index, event in enumerate(events)
        ]
    return stored


FILTERS: dict[str, Callable[[Stored], bool | None]] = {
    "": lambda _: True,
    "event.sequence % 3 == 0": lambda event: event.sequence % 3 == 0,
    "event.key != 'a'": lambda event: event.key != "a",
    "6 / (event.sequence % 4) > 2": lambda event: event.sequence % 4 < 3 if event.sequence % 4 else None,
    f"event.event_type == '{PAID}' && 1 / (event.sequence % 5) >= 0": lambda event: (
        event.type == PAID and (True if event.sequence % 5 else None)
    ),
}
"""Of which events a filter holds; None means that it fails."""
READING = st.fixed_dictionaries(
    {
        "filter": st.sampled_from(list(FILTERS)),
        "topics": st.sampled_from(((">",), (ORDERS,), (ORDERS, PAYMENTS), ("shop.eu.*", PAYMENTS))),
        "types": st.sampled_from(((), (PLACED,), (PLACED, PAID))),
        "key": st.none() | st.sampled_from((*KEYS, "nobody's")),
        "order": st.sampled_from((FORWARDS, BACKWARDS)),
        "page_size": st.sampled_from((2, 7, 100, 10_000)),
        "from": st.none() | st.floats(0, 1),
        "end": st.none() | st.floats(0, 1),
        "bounds": st.sampled_from(("sequence", "time")),
        "looked_through": st.sampled_from((5_000, 100_000)),
        "read_bytes": st.sampled_from((1, 500, 100_000)),
        "page_bytes": st.sampled_from((100, 300, 100_000)),
    }
)


def wanted(event: Stored, reading: dict[str, Any], fields: dict[str, Any]) -> bool:
    """Tells whether a reading asks for an event."""
    topics = reading["topics"]
    return (
        (topics == (">",) or event.topic in topics or (event.topic == RETURNS and "shop.eu.*" in topics))
        and (not reading["types"] or event.type in reading["types"])
        and reading["key"] in {None, event.key}
        and fields.get("from_sequence", 0) <= event.sequence <= (fields.get("end_sequence") or 2**63)
        and ("from_time" not in fields or event.time >= fields["from_time"].ToNanoseconds())
        and ("end_time" not in fields or event.time < fields["end_time"].ToNanoseconds())
    )


def limits(stored: list[Stored], reading: dict[str, Any]) -> dict[str, Any]:
    """The range of a reading, as fields of a request."""
    fields: dict[str, Any] = {}
    places = [reading["from"], reading["end"]]
    if None not in places:
        places.sort()
    for name, place in zip(("from", "end"), places, strict=True):
        if place is not None:
            event = stored[int(place * (len(stored) - 1))]
            if reading["bounds"] == "time":
                fields[f"{name}_time"] = Timestamp()
                fields[f"{name}_time"].FromNanoseconds(event.time)
            else:
                fields[f"{name}_sequence"] = event.sequence
    return fields


@pytest.fixture(scope="module")
def stocked_shop(module_shop: Callable[..., Any]) -> tuple[Callable[..., Any], list[Stored]]:
    """A shop whose log holds a random history, part of which was removed; and what is left of it."""

    async def stock(shop: Shop) -> list[Stored]:
        before = await publish(shop, random.Random(4), 20)
        await shop.keep(PAYMENTS, 500)
        removed = (await shop.topic(PAYMENTS)).stats.removed_through
        assert removed
        await shop.update_topic(PAYMENTS, ["retention.max_bytes"])
        published = {event.sequence: event for event in before + await publish(shop, random.Random(5), 15)}
        times = {
            found.first_sequence + index: found.append_time.ToNanoseconds()
            for found in await subscribed(shop)
            for index in range(len(found.events))
        }
        kept = [event for event in published.values() if event.topic != PAYMENTS or event.sequence > removed]
        return [Stored(*_values(event)[:-1], times[event.sequence]) for event in kept]

    answers: list[list[Stored]] = []

    async def run(shop: Shop) -> None:
        answers.append(await stock(shop))

    module_shop(run)
    return module_shop, answers[0]


def _values(event: Stored) -> tuple[Any, ...]:
    return tuple(getattr(event, name) for name in Stored.__dataclass_fields__)


async def subscribed(shop: Shop) -> list[event_pb2.EventBatch]:
    """All batches, as a subscription delivers them."""
    subscription = shop.subscribe(">", start_position=pb.START_POSITION_EARLIEST, on_gap=pb.ON_GAP_SKIP)
    found: list[event_pb2.EventBatch] = []
    while (frame := await subscription.frame()) and frame.WhichOneof("frame") != "caught_up":
        found += frame.batches.batches
    subscription.call.cancel()
    return found


@given(reading=READING)
@settings(deadline=None)
def test_readings_answer_what_a_list_would(
    stocked_shop: tuple[Callable[..., Any], list[Stored]], reading: dict[str, Any]
) -> None:
    """Whatever is asked for, in either order and pages of any size, is answered once, in order.

    So is each event on which a filter fails counted once.
    """
    run, stored = stocked_shop

    async def read(shop: Shop) -> None:
        fields = limits(stored, reading)
        verdicts = [
            (event, FILTERS[reading["filter"]](event)) for event in stored if wanted(event, reading, fields)
        ]
        expected = [event for event, verdict in verdicts if verdict]
        with pytest.MonkeyPatch.context() as patch:
            for name in ("looked_through", "read_bytes", "page_bytes"):
                patch.setattr(event_pages, name.upper(), reading[name])
            found = await pages(
                shop,
                *reading["topics"],
                **{name: reading[name] for name in ("types", "key", "order", "page_size", "filter")},
                **fields,
            )
        events = [answered(page.batches) for page in found]
        assert all(len(page) <= reading["page_size"] for page in events)
        in_order = expected if reading["order"] == FORWARDS else expected[::-1]
        assert [event for page in events for event in page] == in_order
        assert sum(page.filter_failures for page in found) == [it for _, it in verdicts].count(None)
        if reading["order"] == BACKWARDS:
            assert all(
                list(b.offsets) == sorted(b.offsets, reverse=True) for page in found for b in page.batches
            )

    run(read)


async def test_a_reading_ends_at_the_head_of_its_first_page(shop: Shop) -> None:
    """What is published while somebody reads page by page is in no page; the head is told all the same."""
    await shop.place("a", "b", "c")
    request = pb.ReadEventsRequest(topics=[ORDERS], page_size=2)
    first = await shop.stub.ReadEvents(request)
    await shop.place("d")
    request.page_token = first.next_page_token
    second = await shop.stub.ReadEvents(request)
    assert [event.data for event in answered([*first.batches, *second.batches])] == list(map(order, "abc"))
    assert (first.head_sequence, second.head_sequence, second.next_page_token) == (3, 4, "")


async def test_what_is_removed_between_two_pages_is_left_out(shop: Shop) -> None:
    """A page behind what retention took goes on with what is kept, and says up to where all is gone."""
    for name in "abcdef":
        await shop.place(name)
    request = pb.ReadEventsRequest(topics=[ORDERS], page_size=1)
    page = await shop.stub.ReadEvents(request)
    assert page.removed_through == 0
    removed = await shop.keep(ORDERS, 200)
    assert 2 < removed < 6
    request.page_token, request.page_size = page.next_page_token, 100
    page = await shop.stub.ReadEvents(request)
    assert [event.sequence for event in answered(page.batches)] == list(range(removed + 1, 7))
    assert page.removed_through == removed
    both = await shop.stub.ReadEvents(pb.ReadEventsRequest(topics=[ORDERS, PAYMENTS]))
    assert both.removed_through == removed


async def test_a_page_token_belongs_to_its_request(shop: Shop) -> None:
    """A token with another request, or one that nobody gave out, is refused; another page_size is not."""
    await shop.place("a", "b", "c")
    request = pb.ReadEventsRequest(topics=[ORDERS], page_size=1, type_filters={})
    token = (await shop.stub.ReadEvents(request)).next_page_token
    again = pb.ReadEventsRequest(topics=[ORDERS], page_size=2, page_token=token)
    assert [event.sequence for event in answered((await shop.stub.ReadEvents(again)).batches)] == [2, 3]
    for field, value in {"key": "", "order": BACKWARDS, "topics": [PAYMENTS], "end_sequence": 3}.items():
        other = pb.ReadEventsRequest(**{"topics": [ORDERS], "page_token": token, field: value})
        refusal = await refused(shop.stub.ReadEvents(other))
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["page_token"])
        assert "another request" in refusal.message
    for wrong in ("x", token[:-4], "é", token + token):
        refusal = await refused(shop.stub.ReadEvents(pb.ReadEventsRequest(topics=[ORDERS], page_token=wrong)))
        assert (refusal.reason, refusal.fields) == ("INVALID_REQUEST", ["page_token"])


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"topics": []}, "INVALID_REQUEST", "topics"),
        ({"topics": ["a..b"]}, "INVALID_REQUEST", "topics[0]"),
        ({"topics": ["shop.unknown"]}, "TOPIC_NOT_FOUND", None),
        ({"topics": [ORDERS], "from_sequence": 5, "end_sequence": 4}, "INVALID_REQUEST", "end_sequence"),
        ({"topics": [ORDERS], "order": 7}, "INVALID_REQUEST", "order"),
        ({"topics": [ORDERS], "from_time": Timestamp(nanos=-1)}, "INVALID_REQUEST", "from_time"),
        (
            {"topics": [ORDERS], "from_time": Timestamp(seconds=2), "end_time": Timestamp(seconds=1)},
            "INVALID_REQUEST",
            "end_time",
        ),
        ({"topics": [f"t{number}" for number in range(101)]}, "LIMIT_EXCEEDED", "topics"),
    ],
)
async def test_a_wrong_request_is_refused(
    shop: Shop, fields: dict[str, Any], reason: str, field: str | None
) -> None:
    """A request that can't be meant is refused, and the field at fault is named."""
    refusal = await refused(shop.stub.ReadEvents(pb.ReadEventsRequest(**fields)))
    assert (refusal.reason, refusal.fields) == (reason, [field] if field else [])


async def test_bytes_that_are_no_request_are_refused(shop: Shop) -> None:
    """Bytes that do not parse are refused as such."""
    call: Callable[[bytes], Awaitable[bytes]] = shop.channel.unary_unary(
        "/tidegate.v1.EventService/ReadEvents"
    )
    assert (await refused(call(b"\xff"))).reason == "INVALID_REQUEST"


async def test_a_slow_filter_ends_a_page_early(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that takes too long ends behind the batch at hand, and the next one goes on there."""
    monkeypatch.setattr(event_pages, "LONGEST", 0.0)
    for _ in range(4):
        await shop.publish(batch(ORDERS, order("a", 1), order("b", 2)))
    fields: dict[str, Any] = {"types": [PLACED], "filter": "event.data.amount_cents % 2 == 0"}
    for way, sequences in ((FORWARDS, [2, 4, 6, 8]), (BACKWARDS, [8, 6, 4, 2])):
        found = await pages(shop, ORDERS, order=way, **fields)
        assert [[event.sequence for event in answered(page.batches)] for page in found] == [
            [sequence] for sequence in sequences
        ]


async def test_a_page_fits_a_default_client(shop: Shop) -> None:
    """Large batches are shared out over pages that a client with default limits takes, in either order."""
    note = "n" * 120
    await shop.register(SCHEMA_2)
    for _ in range(6):
        await shop.publish(batch(ORDERS, *[order(f"o{number}", note=note) for number in range(6_000)]))
    for way in (FORWARDS, BACKWARDS):
        found = await pages(shop, ORDERS, order=way, page_size=100_000)
        sequences = [event.sequence for page in found for event in answered(page.batches)]
        assert sequences == list(range(1, 36_001))[:: 1 if way == FORWARDS else -1]
        assert max(page.ByteSize() for page in found) < 4 << 20
        assert max(len(answered(page.batches)) for page in found) == 10_000
