"""The client's exceptions: one a reason of the catalogue, made from calls and from in-stream errors."""

import pickle

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from tidegate import errors
from tidegate.connection import is_worth_reconnecting
from tidegate.v1 import error_pb2

REASONS = [value for value in error_pb2.ErrorReason.DESCRIPTOR.values if value.number]


def rpc_error(code, message, *details):
    """A failed call as gRPC reports it, with these details in its trailers."""
    status = status_pb2.Status(code=code.value[0], message=message)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, message)


@pytest.mark.parametrize("value", REASONS, ids=lambda value: value.name)
def test_each_reason_has_its_class(value):
    """Each reason of the catalogue has one exception, with its name, its status code and a docstring."""
    reason = value.name.removeprefix("ERROR_REASON_")
    cls = errors.BY_REASON[reason]
    assert cls.__name__.lower() == reason.replace("_", "").lower()
    assert cls("x").reason == reason
    assert cls("x").code.value[0] == value.GetOptions().Extensions[error_pb2.status_code]
    assert cls.__doc__


def test_there_is_no_class_beside_the_catalogue():
    """Every exception is a reason's, but for the one that stands for no answer at all."""
    classes = set(errors.TidegateError.__subclasses__())
    assert classes - set(errors.BY_REASON.values()) == {errors.Unreachable}
    assert len(errors.BY_REASON) == len(REASONS)


def test_a_failed_call_becomes_its_class():
    """Reason, code, message, facts and violations of a refused call arrive as attributes."""
    info = error_details_pb2.ErrorInfo(
        reason="INVALID_EVENT", domain="tidegate", metadata={"events_at_fault": "1"}
    )
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="batches[0].events[3].data.n", description="too small", reason="int64.gt")
    error = errors.error_of_call(
        rpc_error(grpc.StatusCode.INVALID_ARGUMENT, "1 event fails its schema", info, bad), "host:1"
    )
    assert type(error) is errors.InvalidEvent
    assert (error.code, error.message) == (grpc.StatusCode.INVALID_ARGUMENT, "1 event fails its schema")
    assert error.facts == {"events_at_fault": "1"}
    assert error.violations == (errors.Violation("batches[0].events[3].data.n", "too small", "int64.gt"),)
    assert str(error.violations[0]) == "batches[0].events[3].data.n: too small [int64.gt]"


def test_an_error_inside_of_a_stream_becomes_its_class():
    """An in-stream error carries the same as a failed call."""
    message = error_pb2.Error(
        code=error_pb2.STATUS_CODE_NOT_FOUND,
        reason=error_pb2.ERROR_REASON_TOPIC_NOT_FOUND,
        message="no such topic",
        metadata={"topic": "a.b"},
    )
    error = errors.error_of_message(message)
    assert type(error) is errors.TopicNotFound
    assert (error.code, error.message, error.facts) == (
        grpc.StatusCode.NOT_FOUND,
        "no such topic",
        {"topic": "a.b"},
    )


def test_a_reason_of_a_newer_gateway_is_still_an_error():
    """A reason or code that the client does not know arrives as the base class, nothing lost."""
    info = error_details_pb2.ErrorInfo(reason="FROM_THE_FUTURE", domain="tidegate")
    error = errors.error_of_call(rpc_error(grpc.StatusCode.ABORTED, "later", info), "host:1")
    assert (type(error), error.reason, error.code) == (
        errors.TidegateError,
        "FROM_THE_FUTURE",
        grpc.StatusCode.ABORTED,
    )
    newer = error_pb2.Error()
    newer.ParseFromString(b"\x08\x63\x10\x8f\x4e\x1a\x05later")
    assert errors.error_of_message(newer).reason == "9999"


def test_details_of_others_are_not_taken_for_ours():
    """An ErrorInfo of another domain, as a proxy adds it, does not become a reason."""
    info = error_details_pb2.ErrorInfo(reason="INVALID_EVENT", domain="proxy.example")
    error = errors.error_of_call(rpc_error(grpc.StatusCode.PERMISSION_DENIED, "no", info), "host:1")
    assert (type(error), error.reason) == (errors.TidegateError, "")


def test_an_unreachable_gateway_is_named():
    """No answer names the address and how to start a gateway there."""
    error = errors.error_of_call(
        rpc_error(grpc.StatusCode.UNAVAILABLE, "Connection refused"), "10.0.0.1:7420"
    )
    assert type(error) is errors.Unreachable
    assert "10.0.0.1:7420" in str(error)
    assert "tidegate serve" in str(error)


@pytest.mark.parametrize(
    "cls", [*errors.BY_REASON.values(), errors.Unreachable], ids=lambda cls: cls.__name__
)
def test_errors_survive_pickling(cls):
    """An exception crosses to another process with everything it says."""
    error = cls("message", facts={"a": "b"}, violations=[errors.Violation("f", "d", "r")])
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - bytes of our own
    assert (type(again), vars(again), str(again)) == (cls, vars(error), "message")


def test_what_reconnecting_can_heal():
    """Streams are opened anew after faults of the transport and of a stopping gateway, and no others."""
    codes = grpc.StatusCode
    assert is_worth_reconnecting(errors.Unreachable("x"))
    assert is_worth_reconnecting(errors.Draining("x"))
    assert is_worth_reconnecting(errors.StorageFailed("x"))
    assert is_worth_reconnecting(errors.StreamStopped("x"))
    assert is_worth_reconnecting(errors.TidegateError("RST_STREAM", code=codes.INTERNAL))
    assert not is_worth_reconnecting(errors.Internal("x"))
    assert not is_worth_reconnecting(errors.TopicNotFound("x"))
    assert not is_worth_reconnecting(errors.TidegateError("too large", code=codes.RESOURCE_EXHAUSTED))
    assert not is_worth_reconnecting(errors.TidegateError("x", code=codes.UNIMPLEMENTED))
