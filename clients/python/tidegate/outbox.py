"""What a publisher holds between the hand-in of an event and its acknowledgement: a pure object.

No clock, no I/O, no event loop: time is passed in, futures are settled. ``publisher`` drives it. Its rules:

1. Events of one lane (topic, event type, schema version) travel in the order in which they were added.
2. An event whose key waits in an open batch of another lane of its topic sends that batch on first:
   events of one topic and key keep their order whatever their types.
3. A batch is sealed when it is full, when its first event has waited ``max_delay``, or on demand.
4. Sealed batches are requests; they are sent in the order of sealing, and answered in the order of sending.
5. When a stream is lost, what was sent and not answered goes back to the front, in order, under the same
   request ids: the gateway knows those that it has.
6. When a request is rejected, the gateway tries nothing that was sent behind it (stop_on_error). The events
   named at fault fail; the others of that request go to the front under a new id, then what was sent behind
   it. Nothing overtakes.
7. A request over a limit of size is halved; an event that is too large by itself fails.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tidegate.errors import InvalidEvent, LimitExceeded, TidegateError, Violation
from tidegate.outgoing import Lane, batch_header, new_id, stream_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tidegate.v1 import event_service_pb2

_EVENT_PATH = re.compile(r"batches\[0\]\.events\[(\d+)\]\.?(.*)", re.DOTALL)
_SIZE_LIMITS = frozenset({"max_batch_bytes", "max_batch_events", "max_request_bytes"})


@dataclass(frozen=True, slots=True)
class Published:
    """Where an event stands: its topic, its sequence, and the schema version that it was checked against."""

    topic: str
    sequence: int
    schema_version: int


class Settlement(Protocol):
    """What is told of an event's fate: a future of asyncio or of concurrent.futures."""

    def done(self) -> bool:
        """Tells whether nobody waits any more."""
        ...

    def set_result(self, result: Published, /) -> None:
        """Says where the event stands."""
        ...

    def set_exception(self, exception: BaseException, /) -> None:
        """Says why it stands nowhere."""
        ...


@dataclass(frozen=True, slots=True)
class Waiting:
    """One event that waits: its entry of a batch, its key, its number in the order of adding, its future."""

    entry: bytes
    key: str
    number: int
    future: Settlement


@dataclass(frozen=True, slots=True)
class Request:
    """A sealed batch: one request of the stream."""

    lane: Lane
    events: tuple[Waiting, ...]
    request_id: str
    expires: float
    header: bytes

    def encode(self) -> bytes:
        """Answers its bytes: the same ones each time."""
        return stream_request(
            self.request_id, b"".join((self.header, *(event.entry for event in self.events)))
        )


class _OpenBatch:
    """A batch that still takes events."""

    __slots__ = ("due", "events", "expires", "header", "keys", "size")

    def __init__(self, header: bytes, due: float, expires: float) -> None:
        self.header = header
        self.due = due
        self.expires = expires
        self.events: list[Waiting] = []
        self.keys: set[str] = set()
        self.size = len(header)


class Outbox:
    """Holds events, makes requests of them, and settles their futures. See the module's rules."""

    def __init__(
        self, *, source: str, max_batch_events: int, max_batch_bytes: int, max_delay: float, timeout: float
    ) -> None:
        self.pending_bytes = 0
        self._source = source
        self._max_events = max_batch_events
        self._max_bytes = max_batch_bytes
        self._max_delay = max_delay
        self._timeout = timeout
        self._open: dict[str, dict[Lane, _OpenBatch]] = {}
        self._ready: deque[Request] = deque()
        self._sent: deque[Request] = deque()
        self._headers: dict[Lane, bytes] = {}
        self.accepted = 0

    @property
    def is_empty(self) -> bool:
        """Whether every event is settled."""
        return not (self._sent or self._ready or self._open)

    @property
    def has_ready(self) -> bool:
        """Whether a request waits to be sent."""
        return bool(self._ready)

    @property
    def has_sent(self) -> bool:
        """Whether a request waits for its answer."""
        return bool(self._sent)

    def add(self, lane: Lane, entry: bytes, key: str, future: Settlement, now: float) -> None:
        """Takes one event, whose ``entry`` is as ``batch_entry`` makes it (rules 1 to 3)."""
        batches = self._open.setdefault(lane.topic, {})
        if key and len(batches) > (lane in batches):
            self._send_on_key(batches, lane, key)
        batch = batches.get(lane)
        if batch is not None and batch.size + len(entry) > self._max_bytes:
            self._seal(batches, lane)
            batch = None
        if batch is None:
            batch = batches[lane] = _OpenBatch(self._header(lane), now + self._max_delay, now + self._timeout)
        batch.events.append(Waiting(entry, key, self.accepted, future))
        batch.size += len(entry)
        self.accepted += 1
        self.pending_bytes += len(entry)
        if key:
            batch.keys.add(key)
        if len(batch.events) >= self._max_events or batch.size >= self._max_bytes:
            self._seal(batches, lane)
        if not batches:
            del self._open[lane.topic]

    def seal_due(self, now: float) -> float | None:
        """Seals the batches whose time has come; answers when the next one's comes (rule 3)."""
        next_due: float | None = None
        for topic, batches in list(self._open.items()):
            for lane, batch in list(batches.items()):
                if batch.due <= now:
                    self._seal(batches, lane)
                elif next_due is None or batch.due < next_due:
                    next_due = batch.due
            if not batches:
                del self._open[topic]
        return next_due

    def seal_all(self) -> None:
        """Seals every open batch, whatever its age."""
        self.seal_due(float("inf"))

    def next_request(self) -> Request | None:
        """Moves the next request to those that were sent, and answers it (rule 4)."""
        if not self._ready:
            return None
        request = self._ready.popleft()
        self._sent.append(request)
        return request

    def publish(self, response: event_service_pb2.PublishResponse) -> None:
        """Settles the oldest request that was sent: the gateway has it."""
        request = self._sent.popleft()
        result = response.results[0]
        for index, event in enumerate(request.events):
            self._settle(
                event, Published(request.lane.topic, result.first_sequence + index, result.schema_version)
            )

    def reject(self, error: TidegateError) -> None:
        """Settles what the rejection of the oldest request decides; the rest is ready again (rules 6 and 7).

        The stream must be given up: the gateway tries nothing more on it.
        """
        request = self._sent.popleft()
        self.take_back()
        at_fault = self._events_at_fault(error)
        if any(index < len(request.events) for index in at_fault):
            self._resend([[event for i, event in enumerate(request.events) if i not in at_fault]], request)
            for index in sorted(at_fault):
                if index < len(request.events):
                    self._settle(request.events[index], _own_error(error, at_fault[index]))
        elif isinstance(error, LimitExceeded) and len(request.events) > 1 and _is_about_size(error):
            middle = len(request.events) // 2
            self._resend([request.events[:middle], request.events[middle:]], request)
        else:
            self._fail(request, error)

    def take_back(self) -> None:
        """Makes everything that was sent and not answered ready again, in order (rule 5)."""
        self._ready.extendleft(reversed(self._sent))
        self._sent.clear()

    def expire(self, now: float, error: TidegateError) -> None:
        """Fails the requests that are ready and have waited for ``timeout``."""
        for request in [request for request in self._ready if request.expires <= now]:
            self._ready.remove(request)
            self._fail(request, error)

    def is_overdue(self, now: float) -> bool:
        """Tells whether the oldest request that was sent has waited for ``timeout``."""
        return bool(self._sent) and self._sent[0].expires <= now

    def fail_all(self, error: BaseException) -> None:
        """Fails everything that is held."""
        self.seal_all()
        self.take_back()
        while self._ready:
            self._fail(self._ready.popleft(), error)

    def settled_before(self) -> int:
        """Answers a number such that every event added before that many others is settled."""
        waiting = [request.events[0].number for request in (*self._sent, *self._ready)]
        waiting += [batch.events[0].number for lanes in self._open.values() for batch in lanes.values()]
        return min(waiting, default=self.accepted)

    def _send_on_key(self, batches: dict[Lane, _OpenBatch], lane: Lane, key: str) -> None:
        for other in [other for other, batch in batches.items() if other != lane and key in batch.keys]:
            self._seal(batches, other)

    def _header(self, lane: Lane) -> bytes:
        header = self._headers.get(lane)
        if header is None:
            if len(self._headers) >= 1000:  # topics made from data must not grow the process
                self._headers.clear()
            header = self._headers[lane] = batch_header(lane, self._source)
        return header

    def _seal(self, batches: dict[Lane, _OpenBatch], lane: Lane) -> None:
        batch = batches.pop(lane)
        self._ready.append(Request(lane, tuple(batch.events), new_id(), batch.expires, batch.header))

    def _resend(self, parts: Iterable[Sequence[Waiting]], of: Request) -> None:
        for events in reversed([part for part in parts if part]):
            self._ready.appendleft(Request(of.lane, tuple(events), new_id(), of.expires, of.header))

    def _events_at_fault(self, error: TidegateError) -> dict[int, list[Violation]]:
        at_fault: dict[int, list[Violation]] = {}
        for violation in error.violations:
            match = _EVENT_PATH.fullmatch(violation.field)
            if match:
                own = Violation(match[2], violation.description, violation.rule_id)
                at_fault.setdefault(int(match[1]), []).append(own)
        return at_fault

    def _fail(self, request: Request, error: BaseException) -> None:
        for event in request.events:
            self._settle(event, error)

    def _settle(self, event: Waiting, outcome: Published | BaseException) -> None:
        self.pending_bytes -= len(event.entry)
        if event.future.done():
            return
        if isinstance(outcome, BaseException):
            event.future.set_exception(outcome)
        else:
            event.future.set_result(outcome)


def _is_about_size(error: LimitExceeded) -> bool:
    return error.facts.get("limit") in _SIZE_LIMITS


def _own_error(error: TidegateError, violations: Sequence[Violation]) -> TidegateError:
    """Makes the error of one event out of that of its request."""
    cls = type(error) if isinstance(error, (InvalidEvent, LimitExceeded)) else TidegateError
    message = "; ".join(map(str, violations))
    return cls(message, reason=error.reason, code=error.code, facts=error.facts, violations=violations)
