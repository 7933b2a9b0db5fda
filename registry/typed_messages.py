"""The messages and methods of typed services, as a table.

Field by field the messages are those of ``proto/tidegate/v1``, but for ``data``, which is declared as the
event type; messages without data are the contract's own. Texts are formats: ``{name}`` is the event type
within its package, ``{type}`` its full name, ``{data}`` the same as a type, ``{version}`` and ``{subject}``
what the service is of, and a message's role stands for its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Field:
    """A field: its type with its label, as they are declared; its name, number and comment."""

    type: str
    name: str
    number: int
    comment: str


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its role and name, its twin in the contract, its comment and fields.

    With ``oneof``, all of its fields are members of a oneof of that name.
    """

    role: str
    name: str
    twin: str
    comment: str
    fields: tuple[Field, ...]
    oneof: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """A method: its name, its twin in EventService, its comment, what it takes and what it answers."""

    name: str
    twin: str
    comment: str
    takes: str
    answers: str
    client_streaming: bool = False
    server_streaming: bool = False


_REQUEST: Final = (
    Field("string", "request_id", 1, "Makes a retry safe; see tidegate.v1.PublishRequest."),
    Field("repeated {batch}", "batches", 2, "What to append, in order: all of it or nothing."),
    Field(
        "repeated .tidegate.v1.ExpectedPosition",
        "expected_positions",
        3,
        "What must hold of topics for the request to be taken.",
    ),
)
_STOP: Final = Field(
    "bool", "stop_on_error", 4, "On the first request: whether none is tried any more after a rejected one."
)
_FRAMES: Final = (
    Field(".tidegate.v1.Opened", "opened", 1, "The first frame of every stream."),
    Field("{batches}", "batches", 2, "Events."),
    Field(".tidegate.v1.Heartbeat", "heartbeat", 3, "The stream is alive."),
    Field(".tidegate.v1.CaughtUp", "caught_up", 4, "The reader has reached the head."),
    Field(".tidegate.v1.Gap", "gap", 5, "Events are missing; the cause says why."),
    Field(
        ".tidegate.v1.Draining", "draining", 6, "The gateway is stopping; the stream ends after this frame."
    ),
    Field(".tidegate.v1.FellBehind", "fell_behind", 7, "The reader was at the head and is behind now."),
    Field(".tidegate.v1.Warning", "warning", 8, "Something that the reader should know; the stream goes on."),
)
_BATCH: Final = (
    Field("string", "topic", 1, "The topic's name. Required."),
    Field("string", "type", 2, "The event type: {type}. A request may leave it out."),
    Field(
        "uint32",
        "schema_version",
        3,
        "The version that the events were checked against. A request may leave it out: it means {version}.",
    ),
    Field("string", "source", 4, "Who produced the events, as a URI reference. May be empty."),
    Field("uint64", "first_sequence", 5, "The sequence of the first event. Only the gateway sets it."),
    Field(
        ".google.protobuf.Timestamp",
        "append_time",
        6,
        "When the batch was appended, by the gateway's clock. Only the gateway sets it.",
    ),
    Field(
        "repeated uint32",
        "offsets",
        7,
        "If present, the sequence of events[i] is first_sequence + offsets[i]; otherwise it is "
        "first_sequence + i. Only the gateway sets it.",
    ),
    Field("repeated {event}", "events", 16, "The events, in order. At least one."),
)
_EVENT: Final = (
    Field("string", "id", 1, "Identifies the event to its readers. Empty means: the event's sequence."),
    Field("string", "key", 2, "What the event is about: events of one key stay in order. May be empty."),
    Field("optional {data}", "data", 3, "The event itself. Must be present."),
    Field(
        ".google.protobuf.Timestamp",
        "time",
        4,
        "When the event occurred, by the producer's clock. Absent means: the append_time of its batch.",
    ),
    Field("map<string, string>", "attributes", 5, "Free-form facts beside the data, such as trace context."),
)
MESSAGES: Final = (
    Message("request", "Publish{name}Request", "PublishRequest", "What Publish{name} takes.", _REQUEST),
    Message(
        "stream_request",
        "Publish{name}StreamRequest",
        "PublishStreamRequest",
        "What Publish{name}Stream takes.",
        (*_REQUEST, _STOP),
    ),
    Message(
        "response",
        "Subscribe{name}Response",
        "SubscribeResponse",
        "One frame of a subscription. Readers ignore frames that they don't know.",
        _FRAMES,
        oneof="frame",
    ),
    Message(
        "batches",
        "{name}Batches",
        "Batches",
        "Events, in sequence order.",
        (
            Field("repeated {batch}", "batches", 1, "At least one."),
            Field(
                "uint64",
                "lease_epoch",
                2,
                "Under which lease a member of a group has these events: to be named to Acknowledge.",
            ),
            Field("uint32", "attempt", 3, "In a group: which attempt this is at all events of the frame."),
        ),
    ),
    Message(
        "batch", "{name}Batch", "EventBatch", "A run of events of one topic and one schema version.", _BATCH
    ),
    Message("event", "{name}Event", "Event", "One event; its limits are those of tidegate.v1.Event.", _EVENT),
)
METHODS: Final = (
    Method(
        "Publish{name}",
        "Publish",
        "Checks the events against version {version}, appends them in order, and answers once they are on "
        "disk: all of them or none. Errors: those of tidegate.v1.EventService.Publish.",
        "{request}",
        ".tidegate.v1.PublishResponse",
    ),
    Method(
        "Publish{name}Stream",
        "PublishStream",
        "Publish{name}, pipelined: requests need not wait for answers, which come in the order of the "
        "requests; one response may carry several. See tidegate.v1.EventService.PublishStream.",
        "{stream_request}",
        ".tidegate.v1.PublishStreamResponse",
        client_streaming=True,
        server_streaming=True,
    ),
    Method(
        "Subscribe{name}",
        "Subscribe",
        "Reads the events of this type from a position, and goes on with what is appended. `topics` may be "
        "empty, which means all topics; `types` may be left out. Errors: those of "
        "tidegate.v1.EventService.Subscribe, and INCOMPATIBLE_VERSION.",
        ".tidegate.v1.SubscribeRequest",
        "{response}",
        server_streaming=True,
    ),
)
IMPORTS: Final = (
    "google/protobuf/timestamp.proto",
    "tidegate/v1/event_service.proto",
    "tidegate/v1/subscription.proto",
)
"""What each file imports besides the file that declares its event type."""
HEAD: Final = (
    "Typed streams of {type}, as version {version} of subject {subject} declares it. Made by Tidegate.",
    (
        "The bytes on the wire are those of tidegate.v1.EventService; only `data` is declared as the event "
        "type instead of as bytes."
    ),
    (
        "A topic of several types has one typed stream a type. To read several types in one stream, in their "
        "order, use tidegate.v1.EventService.Subscribe: there each batch names its type."
    ),
    (
        "This service is for version {version} and stays as it is: newer versions get services of their own. "
        "Events of versions that version {version} can't read, which there are only where the subject "
        "promises no compatibility, are not sent: the stream ends with INCOMPATIBLE_VERSION, whose facts "
        "name the position; with ON_GAP_SKIP it tells of them with a Gap and goes on."
    ),
)
"""The paragraphs at the head of each file."""
