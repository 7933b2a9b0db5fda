"""What readers of history send and are sent, between the contract's messages and plain values."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tidegate.v1 import event_service_pb2 as pb

from gateway.reading import DEFAULT_EVENTS, Reading
from gateway.subscription_messages import nanoseconds
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.reading import EventPage


def read_reading(raw: bytes) -> Reading:
    """Reads a ``ReadEventsRequest``.

    Raises:
        InvalidRequest: It does not parse, or a field has a value that it can't have.
    """
    try:
        request = pb.ReadEventsRequest.FromString(raw)
    except Exception as error:  # DecodeError, or what protobuf raises for invalid UTF-8
        raise InvalidRequest("request", "the bytes are no ReadEventsRequest") from error
    if request.order not in pb.ReadOrder.values():
        raise InvalidRequest("order", f"{request.order} is no value of ReadOrder")
    return Reading(
        topics=tuple(request.topics),
        types=tuple(request.types),
        key=request.key if request.HasField("key") else None,
        filter=request.filter,
        type_filters=dict(request.type_filters),
        from_sequence=request.from_sequence,
        end_sequence=request.end_sequence,
        from_time=_time(request, "from_time"),
        end_time=_time(request, "end_time"),
        backwards=request.order == pb.READ_ORDER_BACKWARDS,
        page_size=request.page_size or DEFAULT_EVENTS,
        page_token=request.page_token,
        read_mask=tuple(request.read_mask.paths),
        as_json=request.as_json,
        schema_version=request.schema_version,
        digest=_digest(request),
    )


def encode_page(page: EventPage) -> bytes:
    """Answers a page as a ``ReadEventsResponse``: its entries are those of ``batches`` already."""
    rest = pb.ReadEventsResponse(
        next_page_token=page.next_page_token,
        head_sequence=page.head,
        removed_through=page.removed_through,
        filter_failures=page.filter_failures,
    )
    return b"".join((*page.entries, rest.SerializeToString()))


def _time(request: pb.ReadEventsRequest, name: str) -> int | None:
    return nanoseconds(getattr(request, name), name) if request.HasField(name) else None


def _digest(request: pb.ReadEventsRequest) -> bytes:
    """Names what must be alike in all pages of a reading."""
    same = pb.ReadEventsRequest()
    same.CopyFrom(request)
    same.ClearField("page_token")
    same.ClearField("page_size")
    return hashlib.blake2b(same.SerializeToString(deterministic=True), digest_size=12).digest()
