"""The gateway as a user of a synchronous stub holds it, by the fixtures of pytest-grpc.

Its server fixtures are replaced: the stub talks to a real gateway on a thread of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1.event_service_pb2_grpc import EventServiceStub
from tidegate.v1.schema_service_pb2 import RegisterSchemaRequest
from tidegate.v1.schema_service_pb2_grpc import SchemaServiceStub
from tidegate.v1.topic_service_pb2 import CreateTopicRequest
from tidegate.v1.topic_service_pb2_grpc import TopicServiceStub

from tests.shop import PLACED, SCHEMA, SUBJECT, order, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.app import Gateway

TOPIC = "sync.orders"


@pytest.fixture(scope="module")
def grpc_addr(module_gateway: Gateway) -> str:
    """Where the gateway listens."""
    return module_gateway.address


@pytest.fixture(scope="module")
def grpc_server(module_gateway: Gateway) -> Gateway:
    """The gateway itself, in place of a server made for the test."""
    return module_gateway


@pytest.fixture(scope="module")
def grpc_stub_cls(grpc_channel: grpc.Channel) -> type[EventServiceStub]:
    """The stub of EventService, once there is a topic to use it on."""
    schema = RegisterSchemaRequest(subject=SUBJECT)
    schema.sources.files.update(SCHEMA)
    SchemaServiceStub(grpc_channel).RegisterSchema(schema, timeout=20)
    TopicServiceStub(grpc_channel).CreateTopic(
        CreateTopicRequest(topic={"name": TOPIC, "subject": SUBJECT}), timeout=20
    )
    return EventServiceStub


def request(*data: bytes, **fields: Any) -> dict[str, Any]:
    batch = {"topic": TOPIC, "type": PLACED, "events": [{"data": each} for each in data]}
    return {"batches": [batch], **fields}


def test_publish_and_read_back(grpc_stub: EventServiceStub) -> None:
    """What a synchronous stub publishes it reads back, in order, up to the end that it asked for."""
    published = grpc_stub.Publish(pb.PublishRequest(**request(order("a"), order("b"))), timeout=20)
    first = published.results[0].first_sequence
    wanted = pb.SubscribeRequest(topics=[TOPIC], from_sequence=first, end_sequence=first + 1)
    frames = list(grpc_stub.Subscribe(wanted, timeout=20))
    assert frames[0].WhichOneof("frame") == "opened"
    events = [event.data for frame in frames for batch in frame.batches.batches for event in batch.events]
    assert events == [order("a"), order("b")]


def test_a_stream_of_requests(grpc_stub: EventServiceStub) -> None:
    """A synchronous stream gets one result a request, in order, with rejections in their place."""
    data = [order("a"), b"\xff", order("b")]
    requests = (pb.PublishStreamRequest(**request(each)) for each in data)
    answers: Iterator[pb.PublishStreamResponse] = grpc_stub.PublishStream(requests, timeout=20)
    outcomes = [result.WhichOneof("outcome") for response in answers for result in response.results]
    assert outcomes == ["published", "error", "published"]


def test_a_refusal_reaches_the_caller_whole(grpc_stub: EventServiceStub) -> None:
    """A refused call raises an RpcError with status, reason and the field at fault."""
    with pytest.raises(grpc.RpcError) as caught:
        grpc_stub.Publish(pb.PublishRequest(**request(order("a"), b"\xff")), timeout=20)
    found = refusal(caught.value)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_EVENT")
    assert found.fields == ["batches[0].events[1].data"]


def test_a_subscription_ends_when_its_caller_cancels(grpc_stub: EventServiceStub) -> None:
    """A caller that cancels its stream is done with it, and the gateway serves on."""
    stream = grpc_stub.Subscribe(pb.SubscribeRequest(topics=[TOPIC]), timeout=20)
    assert next(stream).WhichOneof("frame") == "opened"
    stream.cancel()
    with pytest.raises(grpc.RpcError) as caught:
        list(stream)
    assert caught.value.code() is grpc.StatusCode.CANCELLED
    assert grpc_stub.Publish(pb.PublishRequest(**request(order("c"))), timeout=20).results[0].count == 1
