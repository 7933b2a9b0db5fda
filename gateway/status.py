"""How a refusal reaches the caller: the domain's exceptions as gRPC statuses and as in-stream errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
from google.rpc import error_details_pb2, status_pb2
from tidegate.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.message import Message

    from registry.errors import TidegateError, Violation

DOMAIN = "tidegate"
"""``ErrorInfo.domain`` of every error."""
MESSAGE_BYTES = 1024
"""How much of an error's sentence a status carries."""
DETAILS_BYTES = 4600
"""How large a status's details become. They travel in HTTP/2 trailers, of which many clients take 8 KiB
in all, encoded in base64. An error inside of a stream has no such limit."""
STREAM_TEXT_BYTES = 8 * 1024
"""How much of each text an error inside of a stream carries: with a hundred violations it stays below the
4 MiB that default clients take."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_REASONS = error_pb2.ErrorReason.DESCRIPTOR.values_by_name


def reason_number(reason: str) -> int:
    """Answers the number of a reason in ``tidegate.v1.ErrorReason``."""
    number: int = _REASONS[f"ERROR_REASON_{reason}"].number
    return number


def status_number(reason: str) -> int:
    """Answers the gRPC status code that the catalogue gives a reason."""
    options = _REASONS[f"ERROR_REASON_{reason}"].GetOptions()
    number: int = options.Extensions[error_pb2.status_code]  # type: ignore[index]
    return number


def status_code(reason: str) -> grpc.StatusCode:
    """Answers the gRPC status code that the catalogue gives a reason."""
    return _CODES[status_number(reason)]


def status_details(error: TidegateError) -> bytes:
    """Answers the serialized ``google.rpc.Status`` of an error.

    It holds an ErrorInfo, and a BadRequest with as many field violations as fit ``DETAILS_BYTES``; the
    message and the facts count them all.
    """
    status = status_pb2.Status(code=status_number(error.reason), message=_shorten(str(error), MESSAGE_BYTES))
    facts = {name: _shorten(value, 256) for name, value in error.facts().items()}
    _add(status, error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts))
    violations = _fitting(error.violations, DETAILS_BYTES - status.ByteSize())
    if violations:
        _add(status, error_details_pb2.BadRequest(field_violations=violations))
    serialized: bytes = status.SerializeToString()
    return serialized


def stream_error(error: TidegateError) -> error_pb2.Error:
    """Answers an error as it stands inside of a stream."""
    return error_pb2.Error(
        code=status_number(error.reason),  # type: ignore[arg-type]
        reason=reason_number(error.reason),  # type: ignore[arg-type]
        message=_shorten(str(error), STREAM_TEXT_BYTES),
        metadata={name: _shorten(value, STREAM_TEXT_BYTES) for name, value in error.facts().items()},
        field_violations=[
            error_pb2.FieldViolation(
                field=_shorten(v.field, STREAM_TEXT_BYTES),
                description=_shorten(v.description, STREAM_TEXT_BYTES),
                rule_id=_shorten(v.rule_id, STREAM_TEXT_BYTES),
            )
            for v in error.violations
        ],
    )


def _add(status: status_pb2.Status, detail: Message) -> None:
    status.details.add().Pack(detail)


def _fitting(violations: Iterable[Violation], room: int) -> list[error_details_pb2.BadRequest.FieldViolation]:
    fitting: list[error_details_pb2.BadRequest.FieldViolation] = []
    for violation in violations:
        made = error_details_pb2.BadRequest.FieldViolation(
            field=_shorten(violation.field, 256),
            description=_shorten(violation.description, 512),
            reason=_reason(violation.rule_id),
        )
        room -= made.ByteSize() + 3
        if room < 64 and fitting:
            break
        fitting.append(made)
    return fitting


def _reason(rule_id: str) -> str:
    """Answers a rule's id as ``FieldViolation.reason``, where it is short enough to stand whole."""
    return rule_id if len(rule_id) <= 63 else ""


def _shorten(text: str, size: int) -> str:
    data = text.encode()
    return text if len(data) <= size else data[: size - 3].decode(errors="ignore") + "…"
