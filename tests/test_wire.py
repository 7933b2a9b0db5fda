"""The bytes of the contract: twins, sealed entries, parts of them."""

from __future__ import annotations

import pytest
from google.protobuf import descriptor
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import event_pb2, event_service_pb2

from gateway import entries, wire
from registry.errors import InvalidEvents, InvalidRequest

_TEXT = st.text(max_size=20)
_EVENT = st.builds(
    event_pb2.Event,
    id=_TEXT,
    key=_TEXT,
    data=st.one_of(st.none(), st.binary(max_size=300)),
    attributes=st.dictionaries(_TEXT, _TEXT, max_size=3),
)
_BATCH = st.builds(
    event_pb2.EventBatch,
    topic=_TEXT,
    type=_TEXT,
    schema_version=st.integers(0, 2**32 - 1),
    source=_TEXT,
    events=st.lists(_EVENT, min_size=1, max_size=8),
)
_SEQUENCE = st.integers(1, 2**63 - 100)
_TIME = st.integers(0, 2**62)


@pytest.mark.parametrize(
    ("twin", "original"),
    [
        (wire.PublishRequestTwin, event_service_pb2.PublishRequest),
        (wire.PublishRequestTwin, event_service_pb2.PublishStreamRequest),
        (wire.EventBatchTwin, event_pb2.EventBatch),
        (wire.EventTwin, event_pb2.Event),
    ],
)
def test_twins_have_the_fields_of_the_contract(twin: type, original: type) -> None:
    """Every field of the contract stands in its twin under the same number, name and wire type."""
    for field in original.DESCRIPTOR.fields:
        mirrored = twin.DESCRIPTOR.fields_by_number[field.number]
        assert mirrored.name == field.name
        assert _wire_type(mirrored) == _wire_type(field)


def _wire_type(field: descriptor.FieldDescriptor) -> str:
    lengths = {descriptor.FieldDescriptor.TYPE_STRING, descriptor.FieldDescriptor.TYPE_BYTES}
    lengths.add(descriptor.FieldDescriptor.TYPE_MESSAGE)
    return "length" if field.type in lengths else str(field.type)


@given(st.integers(0, 2**64 - 1))
def test_varints_are_those_of_protobuf(value: int) -> None:
    """A varint is encoded as Protobuf encodes it."""
    message = event_pb2.EventBatch(first_sequence=value)
    assert message.SerializeToString() == (b"\x28" + wire.varint(value) if value else b"")


@given(_BATCH, _TEXT, _TEXT, st.integers(1, 2**32 - 1), _SEQUENCE, _TIME)
def test_the_trailer_wins_over_whatever_the_publisher_wrote(
    batch: event_pb2.EventBatch, topic: str, kind: str, version: int, sequence: int, time: int
) -> None:
    """A sealed batch reads as the gateway's topic, type, version, sequence and time, with the same events."""
    batch.append_time.FromNanoseconds(12_345)
    entry = entries.Sealer(topic, kind, version).seal(batch.SerializeToString(), sequence, time)
    response = event_service_pb2.SubscribeResponse.FromString(entries.batches_frame([entry, entry]))
    assert len(response.batches.batches) == 2
    sealed = response.batches.batches[1]
    assert (sealed.topic, sealed.type, sealed.schema_version) == (topic, kind, version)
    assert (sealed.first_sequence, sealed.append_time.ToNanoseconds()) == (sequence, time)
    assert sealed.events == batch.events
    assert sealed.source == batch.source


@given(_BATCH, _SEQUENCE, _TIME, st.data())
def test_a_cut_keeps_just_the_events_asked_for(
    batch: event_pb2.EventBatch, sequence: int, time: int, data: st.DataObject
) -> None:
    """A cut entry has the chosen run of events under their own sequences and is otherwise the same."""
    skip = data.draw(st.integers(0, len(batch.events) - 1))
    keep = data.draw(st.integers(1, len(batch.events) - skip))
    entry = entries.Sealer("a.b", "c.D", 3).seal(batch.SerializeToString(), sequence, time)
    part = entries.pick(entry, range(skip, skip + keep))
    response = event_service_pb2.SubscribeResponse.FromString(entries.batches_frame([part]))
    (found,) = response.batches.batches
    assert list(found.events) == list(batch.events)[skip : skip + keep]
    assert (found.topic, found.type, found.schema_version, found.source) == ("a.b", "c.D", 3, batch.source)
    assert (found.first_sequence, found.append_time.ToNanoseconds()) == (sequence + skip, time)


@given(_BATCH, _SEQUENCE, _TIME, st.data())
def test_events_picked_again_and_again_keep_their_sequences(
    batch: event_pb2.EventBatch, sequence: int, time: int, data: st.DataObject
) -> None:
    """An entry picked of a picked or cut one has the chosen events, each under its own sequence.

    In any order; with offsets only where there are gaps; and otherwise it says what the whole batch did.
    """
    wanted = [(sequence + index, event) for index, event in enumerate(batch.events)]
    entry = entries.Sealer("a.b", "c.D", 3).seal(batch.SerializeToString(), sequence, time)
    for _ in range(data.draw(st.integers(1, 3))):
        indexes = data.draw(st.lists(st.integers(0, len(wanted) - 1), min_size=1, max_size=8, unique=True))
        entry, wanted = entries.pick(entry, indexes), [wanted[index] for index in indexes]
    response = event_service_pb2.SubscribeResponse.FromString(entries.batches_frame([entry]))
    (found,) = response.batches.batches
    offsets = found.offsets or range(len(found.events))
    assert [
        (found.first_sequence + at, each) for at, each in zip(offsets, found.events, strict=True)
    ] == wanted
    assert (found.topic, found.type, found.schema_version, found.source) == ("a.b", "c.D", 3, batch.source)
    assert found.append_time.ToNanoseconds() == time
    assert bool(found.offsets) != ([at for at, _ in wanted] == list(range(wanted[0][0], wanted[-1][0] + 1)))


@given(_EVENT, st.one_of(st.none(), st.binary(max_size=9)))
def test_other_data_leaves_the_rest_of_an_event_as_it_is(event: event_pb2.Event, data: bytes | None) -> None:
    """An event whose data is replaced, or taken, is otherwise the same; data of length 0 is there."""
    event.time.SetInParent()
    found = event_pb2.Event.FromString(entries.replace_data(event.SerializeToString(), data))
    event.ClearField("data")
    if data is not None:
        event.data = data
    assert found == event


@given(_BATCH)
def test_a_header_says_what_stands_on_the_batch(batch: event_pb2.EventBatch) -> None:
    """The header read without decoding events equals the decoded batch's."""
    header = wire.parse_batch_header(batch.SerializeToString(), "batches[0]")
    assert (header.topic, header.type, header.source) == (batch.topic, batch.type, batch.source)
    assert (header.schema_version, header.events) == (batch.schema_version, len(batch.events))
    assert header.largest_event == max(event.ByteSize() for event in batch.events)


@pytest.mark.parametrize("field", ["first_sequence", "append_time", "offsets"])
def test_a_batch_must_not_set_what_the_gateway_sets(field: str) -> None:
    """A batch that sets a field of the gateway's is refused, and the field is named by its path."""
    batch = event_pb2.EventBatch(topic="a", events=[event_pb2.Event()])
    if field == "append_time":
        batch.append_time.SetInParent()
    else:
        batch.MergeFrom(event_pb2.EventBatch(**{field: [1] if field == "offsets" else 1}))
    with pytest.raises(InvalidRequest, match=rf"batches\[4\]\.{field}") as caught:
        wire.parse_batch_header(batch.SerializeToString(), "batches[4]")
    assert caught.value.field == f"batches[4].{field}"


def test_bytes_that_are_no_batch_are_refused_with_their_place() -> None:
    """A batch of garbage is an invalid event with the batch's path."""
    with pytest.raises(InvalidEvents) as caught:
        wire.parse_batch_header(b"\xff\xff\xff", "batches[2]")
    assert caught.value.violations[0].field == "batches[2]"


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_an_invalid_one(raw: bytes) -> None:
    """Whatever bytes come as a request, they parse or are refused; nothing else happens."""
    try:
        request = wire.parse_publish_request(raw, max_bytes=1_000, max_batches=20)
    except InvalidRequest:
        return
    assert request.size == len(raw)


def test_expected_positions_must_be_whole_and_single() -> None:
    """An expected position needs a topic and a sequence, and a topic may stand once."""
    expected = event_service_pb2.ExpectedPosition
    for positions, field in (
        ([expected(expected_last_sequence=1)], "expected_positions[0].topic"),
        ([expected(topic="a")], "expected_positions[0].expected_last_sequence"),
        ([expected(topic="a", expected_last_sequence=0)] * 2, "expected_positions[1].topic"),
    ):
        raw = event_service_pb2.PublishRequest(expected_positions=positions).SerializeToString()
        with pytest.raises(InvalidRequest) as caught:
            wire.parse_publish_request(raw, max_bytes=1_000, max_batches=20)
        assert caught.value.field == field


@given(_BATCH, st.data())
def test_picked_events_say_where_they_stood(batch: event_pb2.EventBatch, data: st.DataObject) -> None:
    """Any events of an entry, in any order, keep their sequences, and nothing else of the batch changes."""
    entry = entries.Sealer("t", "T", 3).seal(batch.SerializeToString(), 70, 5)
    indexes = data.draw(st.lists(st.integers(0, len(batch.events) - 1), min_size=1, unique=True))
    whole = event_service_pb2.ReadEventsResponse.FromString(entry).batches[0]
    (picked,) = event_service_pb2.ReadEventsResponse.FromString(entries.pick(entry, indexes)).batches
    places = picked.offsets or range(len(picked.events))
    assert [picked.first_sequence + place for place in places] == [70 + index for index in indexes]
    assert list(picked.events) == [whole.events[index] for index in indexes]
    for answer in (whole, picked):
        for field in ("first_sequence", "offsets", "events"):
            answer.ClearField(field)
    assert picked == whole


@given(_BATCH, st.data())
def test_events_of_a_key_are_found(batch: event_pb2.EventBatch, data: st.DataObject) -> None:
    """The events of a key are those that have it, whatever else they hold; an empty key means none."""
    key = data.draw(st.sampled_from([event.key for event in batch.events]) | _TEXT)
    batch.events.add(id=f"\x12{key}", data=b"\x12" + bytes([len(key.encode())]) + key.encode())
    entry = entries.Sealer("t", "T", 3).seal(batch.SerializeToString(), 70, 5)
    assert entries.find_key(entry, key) == [i for i, event in enumerate(batch.events) if event.key == key]
