"""What a publisher promises, on its pure core: order, once, whatever is lost and rejected in between."""

from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tidegate.errors import InvalidEvent, LimitExceeded, TidegateError, TopicNotFound, Violation
from tidegate.outbox import Outbox
from tidegate.outgoing import Lane, batch_entry
from tidegate.v1 import event_pb2, event_service_pb2

POISON = b"poison"


def make_outbox(**settings_):
    return Outbox(
        **{"source": "", "max_batch_events": 4, "max_batch_bytes": 10_000, "max_delay": 1.0, "timeout": 60.0}
        | settings_
    )


def add(outbox, topic="t", key="", data=b"x", *, type_="T", now=0.0):
    future = Future()
    entry = batch_entry(event_pb2.Event(key=key, data=data).SerializeToString())
    outbox.add(Lane(topic, type_), entry, key, future, now)
    return future


def drain(outbox):
    """Everything that is ready, taken as a stream takes it."""
    requests = []
    while (request := outbox.next_request()) is not None:
        requests.append(request)
    return requests


def parsed(request):
    return event_service_pb2.PublishStreamRequest.FromString(request.encode())


class Gateway:
    """A model of the gateway: one log, memory of requests, streams that stop at their first rejection."""

    def __init__(self, max_events, listed):
        self.log = []
        self.answers = {}
        self.max_events = max_events
        self.listed = listed
        self.stopped = False

    def take(self, raw):
        """Answers one request of the stream: a response or an error, None behind a rejection."""
        if self.stopped:
            return None
        request = event_service_pb2.PublishStreamRequest.FromString(raw)
        known = self.answers.get(request.request_id)
        if known is not None:
            assert known[0] == raw, "a request id came back with other bytes"
            return known[1]
        outcome = self._check(request.batches[0])
        self.stopped = isinstance(outcome, TidegateError)
        if not self.stopped:
            self.answers[request.request_id] = (raw, outcome)
        return outcome

    def _check(self, batch):
        if len(batch.events) > self.max_events:
            return LimitExceeded("too many", facts={"limit": "max_batch_events"})
        if batch.topic == "unknown":
            return TopicNotFound("no such topic")
        bad = [i for i, event in enumerate(batch.events) if event.data.startswith(POISON)]
        if bad:
            named = [Violation(f"batches[0].events[{i}].data.n", "bad", "rule") for i in bad[: self.listed]]
            return InvalidEvent("poison", violations=named)
        first = len(self.log) + 1
        self.log += [(batch.topic, event.key, event.data) for event in batch.events]
        return event_service_pb2.PublishResponse(
            results=[
                event_service_pb2.PublishResult(
                    first_sequence=first, count=len(batch.events), schema_version=7
                )
            ]
        )


EVENT = st.tuples(
    st.sampled_from(["a", "a", "a", "b", "unknown"]),  # topic
    st.sampled_from(["T", "U"]),  # type
    st.sampled_from(["k1", "k2", ""]),  # key
    st.sampled_from([False] * 8 + [True]),  # poison
)
STEPS = st.lists(
    st.one_of(
        st.lists(EVENT, min_size=1, max_size=30).map(lambda events: ("add", events)),
        st.just(("pass time", None)),
        st.integers(1, 9).map(lambda n: ("send", n)),
        st.tuples(st.integers(1, 9), st.integers(0, 3)).map(lambda n: ("lose", n)),
    ),
    min_size=3,
    max_size=20,
)


class Publishing:
    """A publisher's outbox, a gateway, and what was handed in."""

    def __init__(self, max_events, listed):
        self.outbox = make_outbox()
        self.gateway = Gateway(max_events, listed)
        self.added = []
        self.now = 0.0

    def take(self, step, what):
        """Does one step."""
        self.now += 0.1
        if step == "add":
            for topic, type_, key, poison in what:
                data = (POISON if poison else b"good") + b"%d" % len(self.added)
                future = add(self.outbox, topic, key, data, type_=type_, now=self.now)
                self.added.append((topic, key, data, future))
        elif step == "pass time":
            self.now += 1.0
            self.outbox.seal_due(self.now)
        elif step == "send":
            self.exchange(what, what)
        else:
            self.exchange(*what)

    def exchange(self, received, answered):
        """The gateway receives some requests and answers the first of them; then the stream is lost."""
        self.gateway.stopped = False
        requests = [request for _ in range(received) if (request := self.outbox.next_request())]
        outcomes = [self.gateway.take(request.encode()) for request in requests]
        for outcome in outcomes[:answered]:
            if isinstance(outcome, TidegateError):
                self.outbox.reject(outcome)
                break
            self.outbox.publish(outcome)
        self.outbox.take_back()

    def finish(self):
        """Lets the gateway answer until nothing is left."""
        self.outbox.seal_all()
        for _ in range(1000):
            if self.outbox.is_empty:
                return
            self.exchange(100, 100)


def check_future(gateway, topic, key, data, future):
    """The future of one event says what became of it; answers whether it is stored."""
    if topic == "unknown":
        assert isinstance(future.exception(0), TopicNotFound)
        return False
    if data.startswith(POISON):
        error = future.exception(0)
        assert isinstance(error, InvalidEvent)
        assert error.violations == (Violation("data.n", "bad", "rule"),)
        return False
    published = future.result(0)
    assert (published.topic, published.schema_version) == (topic, 7)
    assert gateway.log[published.sequence - 1] == (topic, key, data)
    return True


@settings(max_examples=300)
@given(STEPS, st.integers(1, 4), st.integers(1, 3))
def test_each_event_is_stored_once_and_in_the_order_of_its_key(steps, max_events, listed):
    """Whatever is added, lost and rejected: good events are stored once, in order by key; bad ones fail."""
    publishing = Publishing(max_events, listed)
    for step, what in steps:
        publishing.take(step, what)
    publishing.finish()

    outbox, gateway = publishing.outbox, publishing.gateway
    assert (outbox.is_empty, outbox.pending_bytes) == (True, 0)
    assert outbox.settled_before() == len(publishing.added)
    expected = [event[:3] for event in publishing.added if check_future(gateway, *event)]
    assert sorted(gateway.log) == sorted(expected)
    for group in {(topic, key) for topic, key, _ in expected if key}:
        stored = [data for topic, key, data in gateway.log if (topic, key) == group]
        assert stored == [data for topic, key, data in expected if (topic, key) == group]


def test_a_batch_is_sealed_when_it_is_full():
    """A batch goes at its number of events, or before its bytes would pass the limit; never larger."""
    outbox = make_outbox(max_batch_events=3)
    for _ in range(7):
        add(outbox)
    assert [len(request.events) for request in drain(outbox)] == [3, 3]
    outbox = make_outbox(max_batch_events=1000, max_batch_bytes=1000)
    for _ in range(50):
        add(outbox, data=b"x" * 90)
    requests = drain(outbox)
    assert requests
    assert all(900 < parsed(request).batches[0].ByteSize() <= 1000 for request in requests)


def test_a_batch_is_sealed_when_its_time_has_come():
    """An event waits for others for max_delay at most, counted from the first of its batch."""
    outbox = make_outbox(max_delay=1.0)
    add(outbox, now=10.0)
    add(outbox, now=10.9)
    assert outbox.seal_due(10.99) == 11.0
    assert not outbox.has_ready
    assert outbox.seal_due(11.0) is None
    assert [len(request.events) for request in drain(outbox)] == [2]


def test_events_of_one_key_keep_their_order_over_types():
    """An event does not overtake one of its key that waits in a batch of another type."""
    outbox = make_outbox(max_batch_events=100)
    add(outbox, key="other", data=b"1", type_="U")
    add(outbox, key="k", data=b"2", type_="T")
    assert not outbox.has_ready
    add(outbox, key="k", data=b"3", type_="U")
    outbox.seal_all()
    assert [[event.data for event in parsed(r).batches[0].events] for r in drain(outbox)] == [
        [b"2"],
        [b"1", b"3"],
    ]


def test_requests_are_what_the_contract_says():
    """A request names its batch, carries its events verbatim, a new id, and asks to stop on errors."""
    outbox = make_outbox(source="urn:test")
    add(outbox, "shop.orders", "k", b"payload", type_="shop.v1.Order")
    outbox.seal_all()
    (request,) = drain(outbox)
    message = parsed(request)
    assert message.stop_on_error
    assert message.request_id == request.request_id
    (batch,) = message.batches
    assert (batch.topic, batch.type, batch.source, batch.schema_version) == (
        "shop.orders",
        "shop.v1.Order",
        "urn:test",
        0,
    )
    assert [(event.key, event.data) for event in batch.events] == [("k", b"payload")]
    assert message.SerializeToString() == request.encode()


def test_an_event_that_waits_too_long_fails():
    """A request that nobody took within the time fails with the reason; younger ones stay."""
    outbox = make_outbox(timeout=60.0, max_batch_events=1)
    old, young = add(outbox, now=0.0), add(outbox, now=1.0)
    outbox.expire(60.0, TidegateError("too late"))
    assert str(old.exception(0)) == "too late"
    assert not young.done()
    drain(outbox)
    assert not outbox.is_overdue(60.9)
    assert outbox.is_overdue(61.0)


def test_an_event_over_a_limit_fails_alone():
    """Halving ends at the event that is too large by itself."""
    outbox = make_outbox(max_batch_events=8)
    futures = [add(outbox, data=b"x" * (50 if i == 5 else 1)) for i in range(8)]
    sequence = 1
    while not outbox.is_empty:
        request = outbox.next_request()
        batch = parsed(request).batches[0]
        if any(len(event.data) > 10 for event in batch.events):
            outbox.reject(LimitExceeded("too large", facts={"limit": "max_batch_bytes"}))
        else:
            result = event_service_pb2.PublishResult(first_sequence=sequence, count=len(batch.events))
            outbox.publish(event_service_pb2.PublishResponse(results=[result]))
            sequence += len(batch.events)
    assert [bool(future.exception(0)) for future in futures] == [i == 5 for i in range(8)]
    assert [f.result(0).sequence for i, f in enumerate(futures) if i != 5] == [1, 2, 3, 4, 5, 6, 7]


def test_other_limits_are_not_halved():
    """A limit that smaller batches can't meet fails the request at once."""
    outbox = make_outbox()
    futures = [add(outbox) for _ in range(4)]
    drain(outbox)
    outbox.reject(LimitExceeded("no", facts={"limit": "max_streams"}))
    assert outbox.is_empty
    assert all(isinstance(future.exception(0), LimitExceeded) for future in futures)


@pytest.mark.parametrize("done", ["cancelled", "settled"])
def test_a_future_that_is_done_is_left_alone(done):
    """A future that its owner gave up does not disturb the others of its batch."""
    outbox = make_outbox(max_batch_events=2)
    given_up, other = add(outbox), add(outbox)
    if done == "cancelled":
        given_up.cancel()
    else:
        given_up.set_result(None)
    drain(outbox)
    result = event_service_pb2.PublishResult(first_sequence=5, count=2)
    outbox.publish(event_service_pb2.PublishResponse(results=[result]))
    assert other.result(0).sequence == 6
