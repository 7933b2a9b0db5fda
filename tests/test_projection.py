"""Projected subscriptions: some fields, another version's view, JSON; and what can't be had in that form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import field_mask_pb2, json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import subscription_pb2 as frames

from gateway.mask import check_path, read_mask
from gateway.projection import DATA_BYTES, Projected, Projector, Wish
from registry.errors import InvalidRequest
from tests.filter_trials import NEW, OLD, data_class, events, pool
from tests.shop import ORDERS, PAID, PLACED, SCHEMA_2, Shop, Subscription, batch, events_of, order
from tests.test_reader_guard import gaps, promise_nothing, two_versions
from tests.typed_stubs import reflected_stub

EARLIEST = pb.START_POSITION_EARLIEST
FRAME_LIMIT = 3_670_016
"""3.5 MiB."""


def projected(shop: Shop, *topics: str, **fields: Any) -> Subscription:
    """A subscription from the beginning."""
    return shop.subscribe(*(topics or (ORDERS,)), **{"start_position": EARLIEST, **fields})


def project(projector: Projector, *given_events: event_pb2.Event) -> list[Projected]:
    """What becomes of events."""
    work = projector.project([event.SerializeToString() for event in given_events])
    while True:
        try:
            next(work)
        except StopIteration as done:
            found: list[Projected] = done.value
            return found


PATHS = {
    NEW: [
        "i32",
        "s",
        "inner",
        "inner.name",
        "inner.next",
        "inner.next.level",
        "tags",
        "sizes",
        "left",
        "json",
    ],
    OLD: ["count", "box", "box.width", "text"],
}


@pytest.mark.parametrize("type_name", [NEW, OLD])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_a_mask_keeps_what_field_masks_keep(type_name: str, data: st.DataObject) -> None:
    """Data has the fields that protobuf's own mask copies, and required ones; the envelope is untouched."""
    paths = read_mask(data.draw(st.lists(st.sampled_from(PATHS[type_name]), min_size=1, max_size=4)))
    event = data.draw(events(type_name))
    (found,) = project(Projector(pool(), type_name, 3, Wish(paths)), event)
    assert not found.withheld
    read_event = event_pb2.Event.FromString(found.event)
    whole, kept = data_class(type_name).FromString(event.data), data_class(type_name)()
    field_mask_pb2.FieldMask(paths=[*paths, *(["code"] if type_name == OLD else [])]).MergeMessage(
        whole, kept
    )
    assert _without_empty(data_class(type_name).FromString(read_event.data)) == _without_empty(kept)
    read_event.data = event.data
    assert read_event == event


def _without_empty(message: Any) -> dict[str, Any]:
    """A message as JSON values, without messages that are there and empty: protobuf's mask loses some."""

    def pruned(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: it for name, each in value.items() if (it := pruned(each)) != {}}

    found: dict[str, Any] = pruned(json_format.MessageToDict(message))
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_json_is_what_protobuf_writes(data: st.DataObject) -> None:
    """Data is ProtoJSON in UTF-8 with the names of the .proto."""
    event = data.draw(events(NEW))
    (found,) = project(Projector(pool(), NEW, 3, Wish(as_json=True)), event)
    wanted = json_format.MessageToJson(
        data_class(NEW).FromString(event.data), preserving_proto_field_name=True, descriptor_pool=pool()
    )
    assert json.loads(event_pb2.Event.FromString(found.event).data) == json.loads(wanted)


def _length(data: bytes) -> bytes:
    size = len(data)
    return bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))


HOSTILE_JSON = {
    "text that is no UTF-8": (OLD, b"\x0a\x02\xff\xfe"),
    "a line that is no UTF-8": (OLD, b"\x0a\x00\x4a\x01a\x4a\x01\xff"),
    "a key that is no UTF-8": (OLD, b"\x0a\x00\x3a\x03\x0a\x01\xff"),
    "a word that is no UTF-8": (OLD, b"\x0a\x00\x3a\x03\x12\x01\xff"),
    "such text inside of anything": (
        OLD,
        b"\x0a\x00\x42"
        + _length(inner := AnyMessage(type_url="x/trial.v1.Old", value=b"\x0a\x01\xff").SerializeToString())
        + inner,
    ),
    "a time that there is not": (NEW, b"\x82\x01\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
}


@pytest.mark.parametrize("case", HOSTILE_JSON)
def test_what_has_no_json_comes_without_data(case: str) -> None:
    """An event whose data JSON can't say is delivered as it is, but without data, and it is known why."""
    type_name, data = HOSTILE_JSON[case]
    event = event_pb2.Event(key="k", data=data)
    (found,) = project(Projector(pool(), type_name, 3, Wish(as_json=True)), event)
    assert found.withheld
    assert event_pb2.Event.FromString(found.event) == event_pb2.Event(key="k")


def test_what_becomes_too_large_comes_without_data() -> None:
    """Data that no frame could hold once it is JSON is withheld."""
    large = data_class(NEW)(raw=bytes(DATA_BYTES * 3 // 4))
    (found,) = project(
        Projector(pool(), NEW, 3, Wish(as_json=True)), event_pb2.Event(data=large.SerializeToString())
    )
    assert f"at most {DATA_BYTES:,}" in found.withheld
    assert not event_pb2.Event.FromString(found.event).HasField("data")


ANYTHING = """
syntax = "proto3";
package any.v1;
import "google/protobuf/any.proto";
message Holder { google.protobuf.Any any = 1; repeated bool bits = 2; Holder below = 3; string text = 4; }
"""


async def test_hostile_data_does_not_end_a_stream_of_json(shop: Shop) -> None:
    """An unknown type inside of Any comes without data, and with a warning; what is around it comes whole."""
    await shop.register({"any.proto": ANYTHING}, subject="any")
    await shop.create_topic("any", subject="any")
    deep = b""
    for _ in range(90):
        deep = b"\x1a" + _length(deep) + deep
    unknown = b"\x0a" + _length(inner := AnyMessage(type_url="x/no.Such").SerializeToString()) + inner
    for data in (b"\x22\x02hi", unknown, deep, b"\x22\x03\xe2\x82\xac"):
        await shop.publish(batch("any", data, type="any.v1.Holder"))
    subscription = projected(shop, "any", as_json=True, end_sequence=4)
    found, warnings = [], []
    for frame in await subscription.rest():
        found += [each.events[0] for each in frame.batches.batches]
        warnings += [frame.warning] if frame.HasField("warning") else []
    assert [event.data for event in found[::3]] == [b'{"text":"hi"}', '{"text":"€"}'.encode()]
    assert not found[1].HasField("data")
    assert found[2].data.count(b'"below"') == 90
    (warning,) = warnings
    assert (warning.kind, warning.event_count) == (frames.WARNING_KIND_DATA_WITHHELD, 1)
    assert (warning.first_sequence, warning.last_sequence) == (2, 2)
    assert "no.Such" in warning.message


async def test_json_that_grows_still_fits_its_frames(shop: Shop) -> None:
    """A batch whose JSON is six times as large comes in several entries, each within what clients take."""
    await shop.register({"any.proto": ANYTHING}, subject="any")
    await shop.create_topic("any", subject="any")
    bits = b"\x12\x80\x80\x02" + bytes(32_768)
    await shop.publish(batch("any", *[bits] * 30, type="any.v1.Holder"))
    subscription = projected(shop, "any", as_json=True)
    sequences: list[int] = []
    while len(sequences) < 30:
        frame = await subscription.frame()
        assert frame is not None
        assert frame.ByteSize() < FRAME_LIMIT
        sequences += [event.sequence for event in events_of(frame)]
        for event in events_of(frame):
            assert len(json.loads(event.data)["bits"]) == 32_768
    assert sequences == list(range(1, 31))


async def test_fields_json_and_filter_go_together(shop: Shop) -> None:
    """What passes comes with the fields that were asked for, as JSON, each event with its own sequence."""
    await shop.publish(batch(ORDERS, *[order(f"o{number}", number) for number in range(1, 8)]))
    subscription = projected(
        shop,
        types=[PLACED],
        filter="event.data.amount_cents % 3 == 1",
        read_mask={"paths": ["amount_cents"]},
        as_json=True,
    )
    found, _ = await subscription.until("caught_up")
    assert [(each.sequence, json.loads(each.data)) for each in found] == [
        (number, {"amount_cents": str(number)}) for number in (1, 4, 7)
    ]


async def test_json_is_made_with_each_events_own_version(shop: Shop) -> None:
    """Where versions give a number to other fields, each event's JSON names those of its own version."""
    await promise_nothing(shop, "swap")
    text = 'syntax = "proto3"; package swap; message Sold {{ int64 price = {}; int64 cost = {}; }}'
    for numbers in ((1, 2), (2, 1)):
        await shop.register({"swap.proto": text.format(*numbers)}, subject="swap")
    await shop.create_topic("swap", subject="swap")
    for version in (1, 2, 1):
        await shop.publish(batch("swap", b"\x08\x01\x10\x09", type="swap.Sold", version=version))
    frames_ = await projected(shop, "swap", as_json=True, end_sequence=3).rest()
    found = [(each.schema_version, each.events[0].data) for it in frames_ for each in it.batches.batches]
    one, two = {"price": "1", "cost": "9"}, {"price": "9", "cost": "1"}
    assert [(version, json.loads(data)) for version, data in found] == [(1, one), (2, two), (1, one)]


async def test_a_pinned_reader_gets_newer_data_as_its_version_knows_it(shop: Shop) -> None:
    """Newer data comes without what that version doesn't know, under its number; older stays as it is."""
    assert await shop.register(SCHEMA_2) == 2
    await shop.publish(batch(ORDERS, order("a", 1), version=1), batch(ORDERS, order("b", 2, note="new")))
    found = await projected(shop, schema_version=1, end_sequence=2).rest()
    batches = [each for frame in found for each in frame.batches.batches]
    assert [(each.schema_version, each.events[0].data) for each in batches] == [
        (1, order("a", 1)),
        (1, order("b", 2)),
    ]
    whole = await projected(shop, schema_version=2, end_sequence=2).rest()
    batches = [each for frame in whole for each in frame.batches.batches]
    assert [each.schema_version for each in batches] == [1, 2]
    assert batches[1].events[0].data == order("b", 2, note="new")


async def test_a_pinned_reader_gets_new_types_as_they_are(shop: Shop) -> None:
    """Of a type that the pinned version doesn't have, events come as they are stored."""
    added = {
        **SCHEMA_2,
        "shop/v1/more.proto": 'syntax = "proto3"; package shop.v1; message More { int32 a = 1; }',
    }
    await shop.register(added)
    await shop.publish(batch(ORDERS, b"\x08\x05", type="shop.v1.More"))
    frames_ = await projected(shop, schema_version=1, end_sequence=1).rest()
    (found,) = [each for frame in frames_ for each in frame.batches.batches]
    assert (found.schema_version, found.events[0].data) == (2, b"\x08\x05")


async def test_what_the_pinned_version_cannot_read_is_a_gap_or_an_end(shop: Shop) -> None:
    """Events that the pinned version can't read end the stream, or are skipped, as on_gap says."""
    await two_versions(shop, 1, 2, 1)
    found = await projected(shop, "v", schema_version=1, end_sequence=3, on_gap=pb.ON_GAP_SKIP).rest()
    assert gaps(found) == [(2, 2)]
    assert [event.sequence for frame in found for event in events_of(frame)] == [1, 3]
    refusal = await projected(shop, "v", schema_version=1, end_sequence=3).refused()
    assert (refusal.reason, refusal.facts["reader_version"]) == ("INCOMPATIBLE_VERSION", "1")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_pinned_data_is_what_the_pinned_versions_parser_keeps(data: st.DataObject) -> None:
    """Bytes of a newer version read by the pinned one, and written again, without unknown fields."""
    event = data.draw(events(NEW))
    newer = event.data + data.draw(
        st.sampled_from([b"", b"\xf8\x07\x05", b"\xfa\x07\x03abc", b"\x52\x03\xf8\x07\x01"])
    )
    event.data = newer
    (found,) = project(Projector(pool(), NEW, 3, Wish(subject="s", version=3)), event)
    kept = data_class(NEW).FromString(newer)
    kept.DiscardUnknownFields()
    delivered = data_class(NEW).FromString(event_pb2.Event.FromString(found.event).data)
    assert delivered.SerializeToString(deterministic=True) == kept.SerializeToString(deterministic=True)


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "a field that no type has": (
        {"read_mask": {"paths": ["amount"]}}, "read_mask", "'amount' is no field of"
    ),
    "a field of another type": (
        {"types": [PAID], "read_mask": {"paths": ["code"]}}, "read_mask", f"'code' is no field of {PAID}"
    ),
    "a path that is none": ({"read_mask": {"paths": ["a..b"]}}, "read_mask.paths[0]", "separated by dots"),
    "a path through a number": (
        {"types": [PLACED], "read_mask": {"paths": ["amount_cents.x"]}}, "read_mask", "no message"
    ),
    "many paths": ({"read_mask": {"paths": [f"a{n}" for n in range(101)]}}, "read_mask", "at most 100"),
    "a type that nobody has": (
        {"types": ["no.Such"], "read_mask": {"paths": ["a"]}}, "read_mask", "no.Such"
    ),
    "a version for another reader": (
        {"schema_version": 1, "reader": {"built_with": [{"subject": "shop", "version": 2}]}},
        "schema_version",
        "built with version 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
async def test_what_cannot_be_asked_for_is_refused_clearly(shop: Shop, case: str) -> None:
    """A projection that can't be is refused at once, with its field and the reason."""
    await shop.register(SCHEMA_2)
    fields, field, words = REFUSED[case]
    found = await projected(shop, **fields).refused()
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_REQUEST", [field])
    assert words in found.descriptions[0]


async def test_a_version_is_of_one_subject(shop: Shop) -> None:
    """A pinned version needs topics of one subject, which has it."""
    await shop.register({"any.proto": ANYTHING}, subject="any")
    await shop.create_topic("any", subject="any")
    found = await projected(shop, ">", schema_version=1).refused()
    assert (found.reason, found.fields) == ("INVALID_REQUEST", ["schema_version"])
    assert "any, shop" in found.message
    assert (await projected(shop, "no.*", schema_version=1).refused()).fields == ["schema_version"]
    assert (await projected(shop, schema_version=7).refused()).reason == "SCHEMA_VERSION_NOT_FOUND"


async def test_typed_services_have_fields_and_filters_but_no_json(shop: Shop) -> None:
    """A typed stream takes a filter on its data without naming its type, and a mask; JSON it can't have."""
    await shop.publish(batch(ORDERS, order("a", 1), order("b", 9)))
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.shop.v1.OrderPlacedService")
    fields = {"topics": [ORDERS], "start_position": EARLIEST, "end_sequence": 2}
    request = stub.message(
        "tidegate.v1.SubscribeRequest",
        filter="event.data.amount_cents > 5",
        read_mask={"paths": ["order_id"]},
        **fields,
    )
    found = [
        each async for frame in stub.call("SubscribeOrderPlaced")(request) for each in frame.batches.batches
    ]
    assert [(each.first_sequence, each.events[0].data.order_id) for each in found] == [(2, "b")]
    assert not found[0].events[0].data.amount_cents
    refused = Subscription(
        shop.channel.unary_stream(
            "/tidegate.typed.v1.shop.v1.OrderPlacedService/SubscribeOrderPlaced",
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=pb.SubscribeResponse.FromString,
        )(pb.SubscribeRequest(as_json=True, **fields))
    )
    assert (await refused.refused()).fields == ["as_json"]


async def test_json_that_many_share_is_written_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten subscriptions that want the same JSON of the same events have each event written once."""
    written = 0
    original = Projector._changed

    def counted(self: Projector, data: bytes) -> bytes:
        nonlocal written
        written += 1
        return original(self, data)

    monkeypatch.setattr(Projector, "_changed", counted)
    subscriptions = [projected(shop, as_json=True) for _ in range(10)]
    for subscription in subscriptions:
        await subscription.until("caught_up")
    await shop.place(*"abcdefgh")
    for subscription in subscriptions:
        assert len(await subscription.events(8)) == 8
    assert written == 8


def test_a_path_that_one_type_has_is_taken() -> None:
    """A path is good if it leads to a field of one of the types; where no type is known, any is."""
    types = [pool().FindMessageTypeByName(name) for name in (NEW, OLD)]
    for path in ("inner.name", "box.width", "sizes", "json"):
        check_path(path, types)
    check_path("whatever.it.is", [])
    for path, words in (("sizes.x", "repeated"), ("tags.x", "repeated"), ("inner.nam", "close to it: name")):
        with pytest.raises(InvalidRequest, match=words):
            check_path(path, types[:1])
    with pytest.raises(InvalidRequest, match="1 other type"):
        check_path("nothing", types)
