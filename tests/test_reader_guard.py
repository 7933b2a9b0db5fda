"""Readers are sent nothing that their schema version can't read, and are told what they are not sent."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import schema_pb2
from tidegate.v1 import schema_service_pb2 as schemas
from tidegate.v1 import subscription_pb2 as frames

from tests.shop import NEVER, ORDERS, PAID, PLACED, SCHEMA_2, Shop, Subscription, batch, events_of, order
from tests.typed_stubs import reflected_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from google.protobuf.message import Message

    from tests.typed_stubs import TypedStub

NUMBER, TEXT = (
    {"v.proto": f'syntax = "proto3"; package v; message Seen {{ {kind} what = 1; }}'}
    for kind in ("int32", "string")
)
SEEN = "v.Seen"
NUMBERED, WORDED = b"\x08\x05", b"\x0a\x04word"


async def promise_nothing(shop: Shop, subject: str) -> None:
    """Makes a subject take any version."""
    promise = schema_pb2.Compatibility(
        direction=schema_pb2.COMPATIBILITY_DIRECTION_NONE, surface=schema_pb2.COMPATIBILITY_SURFACE_WIRE
    )
    await shop.schemas.UpdateSubject(
        schemas.UpdateSubjectRequest(
            subject={"name": subject, "compatibility": promise}, update_mask={"paths": ["compatibility"]}
        )
    )


async def two_versions(shop: Shop, *published: int) -> None:
    """Makes subject and topic ``v`` with versions that can't read each other; publishes events of them."""
    await promise_nothing(shop, "v")
    assert [await shop.register(files, subject="v") for files in (NUMBER, TEXT)] == [1, 2]
    await shop.create_topic("v", subject="v")
    await write(shop, *published)


async def write(shop: Shop, *versions: int) -> None:
    """Publishes an event of each of the versions, each in a request of its own."""
    for version in versions:
        await shop.publish(batch("v", NUMBERED if version == 1 else WORDED, type=SEEN, version=version))


def read(shop: Shop, version: int, on_gap: int = pb.ON_GAP_FAIL, **fields: Any) -> Subscription:
    """Subscribes to the typed service of a version."""
    fields = {"start_position": pb.START_POSITION_EARLIEST, "heartbeat_interval": NEVER} | fields
    call = shop.channel.unary_stream(
        f"/tidegate.typed.v{version}.v.SeenService/SubscribeSeen",
        request_serializer=pb.SubscribeRequest.SerializeToString,
        response_deserializer=pb.SubscribeResponse.FromString,
    )
    return Subscription(call(pb.SubscribeRequest(topics=["v"], on_gap=on_gap, **fields)))


def gaps(found: Iterable[pb.SubscribeResponse]) -> list[tuple[int, int]]:
    """The gaps among frames, all of which must be about what can't be read."""
    told = [frame.gap for frame in found if frame.HasField("gap")]
    assert all(gap.cause == frames.GAP_CAUSE_INCOMPATIBLE_VERSION and gap.topics == ["v"] for gap in told)
    return [(gap.first_sequence, gap.last_sequence) for gap in told]


async def test_a_stream_ends_before_what_its_reader_cannot_read(shop: Shop) -> None:
    """All before it is delivered; the refusal names versions and position, and a new stream goes on."""
    await two_versions(shop, 1, 1, 2, 1)
    subscription = read(shop, 1)
    assert [event.sequence for event in await subscription.events(2)] == [1, 2]
    refusal = await subscription.refused()
    assert (refusal.code, refusal.reason) == ("FAILED_PRECONDITION", "INCOMPATIBLE_VERSION")
    assert refusal.facts == {
        "type": SEEN, "reader_version": "1", "version": "2", "sequence": "3", "position": "2"
    }  # fmt: skip
    assert "ON_GAP_SKIP" in refusal.message
    behind = read(shop, 1, start_position=None, from_sequence=4)
    assert [event.sequence for event in await behind.events(1)] == [4]


async def test_a_stream_can_skip_what_its_reader_cannot_read(shop: Shop) -> None:
    """With ON_GAP_SKIP the reader gets what it can read, and a gap for each run that it can't."""
    await two_versions(shop, 2, 1, 2, 2, 1, 2)
    found = await read(shop, 1, pb.ON_GAP_SKIP, end_sequence=6).rest()
    assert [event.sequence for frame in found for event in events_of(frame)] == [2, 5]
    assert gaps(found) == [(1, 1), (3, 4), (6, 6)]
    found = await read(shop, 2, pb.ON_GAP_SKIP, end_sequence=6).rest()
    assert [event.sequence for frame in found for event in events_of(frame)] == [1, 3, 4, 6]
    assert gaps(found) == [(2, 2), (5, 5)]


async def test_what_comes_later_is_judged_too(shop: Shop) -> None:
    """A live stream goes on over events that its reader can't read, and knows where it is."""
    await two_versions(shop)
    subscription = read(shop, 1, pb.ON_GAP_SKIP)
    await subscription.until("caught_up")
    await write(shop, 2, 1)
    assert (await subscription.next("gap")).last_sequence == 1
    assert [(event.sequence, event.data) for event in await subscription.events(1)] == [(2, NUMBERED)]
    await write(shop, 2)
    assert (await subscription.next("gap")).first_sequence == 3
    await write(shop, 1)
    assert [event.sequence for event in await subscription.events(1)] == [4]


async def test_gaps_end_where_the_stream_does(shop: Shop) -> None:
    """A batch that can't be read counts from the first wanted sequence to the last one."""
    await two_versions(shop)
    await shop.publish(batch("v", *[WORDED] * 10, type=SEEN, version=2))
    found = await read(shop, 1, pb.ON_GAP_SKIP, start_position=None, from_sequence=3, end_sequence=7).rest()
    assert gaps(found) == [(3, 7)]


async def test_generic_readers_are_protected_if_they_name_their_version(shop: Shop) -> None:
    """A subscription with built_with is a typed one in this; one without gets all there is."""
    await two_versions(shop, 1, 2)
    await shop.place("A")
    start = {"start_position": pb.START_POSITION_EARLIEST, "end_sequence": 3}
    built_with = [schema_pb2.SchemaReference(subject="v", version=2)]
    subscription = shop.subscribe(">", on_gap=pb.ON_GAP_SKIP, reader={"built_with": built_with}, **start)
    found = await subscription.rest()
    assert [event.topic for frame in found for event in events_of(frame)] == ["v", ORDERS]
    assert gaps(found) == [(1, 1)]
    everything = await shop.subscribe(">", **start).rest()
    assert [event.sequence for frame in everything for event in events_of(frame)] == [1, 2, 3]


async def test_readers_get_types_that_are_new_to_them(shop: Shop) -> None:
    """Who reads all types, and was built before one of them came, gets it like the others."""
    older = schema_pb2.SchemaReference(subject="shop", version=1)
    added = {"shop/v1/new.proto": 'syntax = "proto3"; package shop.v1; message New { int32 n = 1; }'}
    assert await shop.register(SCHEMA_2 | added) == 2
    await shop.publish(
        batch(ORDERS, b"\x08\x01", type="shop.v1.New"),
        batch(ORDERS, order("A", 1, "note")),
        batch(ORDERS, order("A", 1), type=PAID),
    )
    subscription = shop.subscribe(
        ORDERS, start_position=pb.START_POSITION_EARLIEST, end_sequence=3, reader={"built_with": [older]}
    )
    found = await subscription.rest()
    assert len([event for frame in found for event in events_of(frame)]) == 3


async def test_typed_readers_are_remembered_by_their_version(shop: Shop) -> None:
    """A typed stream whose reader names itself is known with the version of its service."""
    await shop.register(SCHEMA_2)
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.shop.v1.OrderPlacedService")
    request = stub.message("tidegate.v1.SubscribeRequest", topics=[ORDERS], reader={"client_name": "billing"})
    subscription = Subscription(stub.call("SubscribeOrderPlaced")(request))
    await subscription.until("caught_up")
    (reader,) = (await shop.schemas.ListReaders(schemas.ListReadersRequest(subject="shop"))).readers
    assert (reader.client_name, reader.version, reader.types, reader.alive) == ("billing", 1, [PLACED], True)


KINDS = (
    "int32",
    "uint64",
    "sint32",
    "bool",
    "fixed32",
    "sfixed64",
    "double",
    "float",
    "string",
    "bytes",
    "Color",
    "In",
)
_FIELD = st.tuples(st.sampled_from(KINDS), st.booleans())
_VERSION = st.tuples(
    st.dictionaries(st.integers(1, 3), _FIELD, max_size=3),
    st.dictionaries(st.integers(1, 2), _FIELD, max_size=2),
)
_SUBJECTS = count(1)


def proto(package: str, outer: dict[int, Any], inner: dict[int, Any]) -> dict[str, str]:
    """The source of a version: an event type, and a message within it."""

    def fields(declared: dict[int, Any]) -> str:
        return " ".join(
            f"{'repeated ' * many}{kind} f{number} = {number};" for number, (kind, many) in declared.items()
        )

    return {
        f"{package}.proto": f"""syntax = "proto3"; package {package};
        enum Color {{ NONE = 0; RED = 1; }}
        message In {{ {fields(inner)} }}
        message Out {{ {fields(outer)} }}"""
    }


def filled(message: Message, depth: int = 0) -> Any:
    """The message with all its fields set to what each type can hold: ones."""
    for field in message.DESCRIPTOR.fields:
        if field.message_type is not None:
            if depth < 2:
                inner = getattr(message, field.name)
                filled(inner.add() if field.is_repeated else inner, depth + 1)
                if not field.is_repeated:
                    inner.SetInParent()
            continue
        one: Any = {field.CPPTYPE_STRING: "1", field.CPPTYPE_BOOL: True}.get(field.cpp_type, 1)
        one = b"1" if field.type == field.TYPE_BYTES else one
        setattr(message, field.name, one) if not field.is_repeated else getattr(message, field.name).append(
            one
        )
    return message


def means_the_same(written: Message, got: Message) -> bool:
    """Tells whether a reader sees in every field that it knows what the writer put there; nothing else."""
    for field in got.DESCRIPTOR.fields:
        theirs = written.DESCRIPTOR.fields_by_number.get(field.number)
        mine = values(got, field)
        put = values(written, theirs) if theirs else []
        if field.message_type is None or not put or theirs.message_type is None:
            if [plain(value) for value in mine] != [plain(value) for value in put]:
                return False
        elif len(mine) != len(put) or not all(map(means_the_same, put, mine)):
            return False
    return True


def values(message: Message, field: Any) -> list[Any]:
    """The values of a field, none if it has its default."""
    value = getattr(message, field.name)
    if field.is_repeated:
        return list(value)
    present = message.HasField(field.name) if field.has_presence else value != field.default_value
    return [value] if present else []


def plain(value: Any) -> Any:
    """A value as any type would show it."""
    return value.decode() if isinstance(value, bytes) else value


def check_versions(versions: list[Any]) -> Callable[[Shop], Any]:
    """Registers versions under a subject of its own, writes with each, and reads with each."""

    async def use(shop: Shop) -> None:
        subject = f"r{next(_SUBJECTS)}"
        await promise_nothing(shop, subject)
        numbers = [await shop.register(proto(subject, *version), subject=subject) for version in versions]
        await shop.create_topic(subject, subject=subject)
        first = await shop.head() + 1
        stubs: dict[int, TypedStub] = {}
        written: dict[int, tuple[int, Message]] = {}
        for number in sorted(set(numbers)):
            stub = await reflected_stub(shop.channel, f"tidegate.typed.v{number}.{subject}.OutService")
            stubs[number], data = stub, filled(stub.message(f"{subject}.Out"))
            request = stub.message(
                "PublishOutRequest", batches=[{"topic": subject, "events": [{"data": data}]}]
            )
            answer = await stub.call("PublishOut")(request)
            written[answer.results[0].first_sequence] = number, data
        for number, stub in stubs.items():
            request = stub.message(
                "tidegate.v1.SubscribeRequest",
                topics=[subject],
                from_sequence=first,
                end_sequence=max(written),
                on_gap=pb.ON_GAP_SKIP,
            )
            skipped: set[int] = set()
            async for frame in stub.call("SubscribeOut")(request):  # fails if a frame doesn't parse
                for found in frame.batches.batches:
                    version, data = written[found.first_sequence]
                    assert found.schema_version == version
                    assert means_the_same(data, found.events[0].data), (versions, version, number)
                skipped.update(range(frame.gap.first_sequence, frame.gap.last_sequence + 1))
            assert all(written[sequence][0] != number for sequence in skipped - {0})

    return use


@pytest.fixture
def examples() -> int:
    """How many histories of versions are tried."""
    return 200 if os.environ.get("TIDEGATE_TEST_PROFILE") == "long" else 3


def test_readers_never_get_what_they_would_misread(module_shop: Callable[..., None], examples: int) -> None:
    """Whatever versions there are, what a typed reader is sent parses and means what was written."""

    @given(st.lists(_VERSION, min_size=2, max_size=5))
    @settings(max_examples=examples)
    def check(versions: list[Any]) -> None:
        module_shop(check_versions(versions))

    check()
