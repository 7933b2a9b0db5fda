"""How a subscription stands and resumes, on its pure core: no loss, no repetition, over any breaks."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate.cursor import Cursor, Start
from tidegate.notices import CaughtUp, Gap, StreamWarning
from tidegate.received import Batch
from tidegate.v1 import event_pb2, event_service_pb2


def make_cursor(start=Start.EARLIEST, *, until_caught_up=False, **request):
    return Cursor(event_service_pb2.SubscribeRequest(**request), start, until_caught_up=until_caught_up)


def frame(**content):
    return event_service_pb2.SubscribeResponse(**content)


def batch(first, count, offsets=()):
    events = [event_pb2.Event(id=str(i)) for i in range(count)]
    return event_pb2.EventBatch(topic="t", type="T", first_sequence=first, offsets=offsets, events=events)


def give(cursor, delivered):
    """The sequences that a user gets of a batch."""
    face = Batch(delivered, lambda data: data, cursor.position or 0)
    given_ = [event.sequence for event in face]
    assert len(face) == len(given_)
    if given_:
        assert (face.first_sequence, face.last_sequence) == (given_[0], given_[-1])
        cursor.advance(face.last_sequence)
    return given_


LOG = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=30)


@given(LOG, st.data())
def test_streams_that_break_anywhere_add_up_to_the_log(log, data):
    """Over any breaks, whole or filtered batches, heartbeats between: each event comes once, in order."""
    batches, sequence = [], 1
    for count, hole in log:
        offsets = sorted(data.draw(st.sets(st.integers(0, count + 2), min_size=count, max_size=count)))
        filtered = data.draw(st.booleans())
        batches.append(batch(sequence, count, offsets if filtered else ()))
        sequence += (offsets[-1] if filtered else count - 1) + 1 + hole
    all_sequences = [event.sequence for b in batches for event in Batch(b, lambda data: data)]
    start = data.draw(st.one_of(st.just(Start.EARLIEST), st.integers(1, sequence)))
    cursor = make_cursor(start)
    seen, begin = [], 0 if start is Start.EARLIEST else start - 1
    for last_stream in [False] * data.draw(st.integers(0, 5)) + [True]:
        request = cursor.next_request()
        position = request.from_sequence - 1 if request.WhichOneof("start") == "from_sequence" else 0
        cursor.take(frame(opened={"position": position}))
        # A gateway may send the batch that holds the start as a whole: the cursor cuts it.
        rest = [b for b in batches if Batch(b, lambda data: data).last_sequence > position]
        for delivered in rest if last_stream else rest[: data.draw(st.integers(0, len(rest)))]:
            (got,) = cursor.take(frame(batches={"batches": [delivered]})).batches
            seen += give(cursor, got)
            if data.draw(st.booleans()):
                cursor.take(frame(heartbeat={"position": cursor.position}))
    assert seen == [s for s in all_sequences if s > begin]


def test_latest_resumes_where_it_was_opened():
    """A subscription from LATEST that breaks before its first event goes on where it was opened."""
    cursor = make_cursor(Start.LATEST)
    assert cursor.next_request().start_position == event_service_pb2.START_POSITION_LATEST
    cursor.take(frame(opened={"position": 41}))
    assert cursor.next_request().from_sequence == 42
    cursor.take(
        frame(heartbeat={"position": 50, "head_sequence": 60, "lag": {"seconds": 3}, "lag_batches": 2})
    )
    assert cursor.next_request().from_sequence == 51
    assert (cursor.lag.time.total_seconds(), cursor.lag.batches, cursor.lag.head_sequence) == (3.0, 2, 60)


def test_starts_are_what_the_contract_says():
    """EARLIEST, a sequence and a time reach the request; what is no start is refused."""
    assert (
        make_cursor(Start.EARLIEST).next_request().start_position == event_service_pb2.START_POSITION_EARLIEST
    )
    assert make_cursor(7).next_request().from_sequence == 7
    time = datetime(2013, 1, 1, tzinfo=UTC)
    assert make_cursor(time).next_request().from_time.ToDatetime(UTC) == time
    with pytest.raises(ValueError, match="no time zone"):
        make_cursor(datetime(2013, 1, 1))  # noqa: DTZ001 - the mistake
    with pytest.raises(ValueError, match="at least 0"):
        make_cursor(-1)
    with pytest.raises(TypeError, match="EARLIEST, LATEST, a sequence or a datetime"):
        make_cursor("earliest")


def test_the_end_is_known():
    """A subscription with an end is finished when its position reaches it, be it by a heartbeat."""
    cursor = make_cursor(end_sequence=10)
    cursor.take(frame(opened={"position": 0}))
    cursor.advance(9)
    assert not cursor.finished
    cursor.take(frame(heartbeat={"position": 12}))
    assert cursor.finished


def test_caught_up_ends_only_those_that_want_it():
    """CaughtUp finishes a subscription that reads until then, and tells the others."""
    for wanted in (False, True):
        cursor = make_cursor(until_caught_up=wanted)
        cursor.take(frame(caught_up={"position": 3}))
        assert (cursor.finished, cursor.caught_up, cursor.position) == (wanted, True, 3)


def test_who_falls_behind_is_not_caught_up():
    """Between FellBehind and the next CaughtUp a reader is not caught up."""
    cursor = make_cursor()
    told = [cursor.take(frame(caught_up={"position": 3})), cursor.caught_up]
    cursor.take(frame(fell_behind={"position": 5, "head_sequence": 90}))
    assert (told, cursor.caught_up, cursor.position) == ([CaughtUp(3), True], False, 5)
    cursor.take(frame(caught_up={"position": 90}))
    assert cursor.caught_up


def test_warnings_are_handed_on():
    """A warning is told with all that it says, also one of a kind that this client does not know."""
    warning = make_cursor().take(frame(warning={"kind": 3, "message": "m"}))
    assert warning == StreamWarning("GROUP_STALLED", "m")
    assert make_cursor().take(frame(warning={"kind": 99, "message": "m", "event_count": 2})).kind == "99"


def test_gaps_and_draining_are_told():
    """A gap is handed on and passed over; a gateway that stops says when to come back."""
    cursor = make_cursor()
    gap = cursor.take(frame(gap={"first_sequence": 5, "last_sequence": 9, "topics": ["t"]}))
    assert (gap, cursor.position) == (Gap(5, 9, ("t",)), 9)
    cursor.take(frame(draining={"position": 11, "reconnect_after": {"seconds": 1, "nanos": 500_000_000}}))
    assert (cursor.reconnect_after, cursor.position) == (1.5, 11)
    cursor.next_request()
    assert cursor.reconnect_after is None


def test_frames_of_a_newer_gateway_are_passed_over():
    """A frame that the client does not know changes nothing."""
    cursor = make_cursor()
    assert cursor.take(frame()) is None
    assert cursor.position is None


def test_silence_is_measured_in_heartbeats():
    """A stream is given up after three of the intervals that the gateway granted."""
    cursor = make_cursor(heartbeat_interval={"seconds": 1})
    assert cursor.silence == 3.0
    cursor.take(frame(opened={"position": 0, "heartbeat_interval": {"seconds": 2}}))
    assert cursor.silence == 6.0
