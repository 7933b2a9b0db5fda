"""The catalogue of errors: every class has its reason, every reason its class and status."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import error_pb2

import gateway.errors
import gateway.interceptors
import registry.errors
from gateway.status import DETAILS_BYTES, DOMAIN, status_code, status_details, stream_error
from registry.errors import InvalidEvents, TidegateError, Violation

if TYPE_CHECKING:
    from collections.abc import Iterator

_REASONS = {
    value.name.removeprefix("ERROR_REASON_")
    for value in error_pb2.ErrorReason.DESCRIPTOR.values
    if value.number
}


def error_classes() -> Iterator[type[TidegateError]]:
    for module in (registry.errors, gateway.errors, gateway.interceptors):
        for _, found in inspect.getmembers(module, inspect.isclass):
            if issubclass(found, TidegateError) and found is not TidegateError:
                yield found


def test_classes_and_catalogue_are_equal() -> None:
    """Each reason of the contract belongs to exactly one exception, and the other way round."""
    reasons = [found.reason for found in set(error_classes())]
    assert sorted(reasons) == sorted(_REASONS)


@pytest.mark.parametrize("reason", sorted(_REASONS))
def test_each_reason_has_a_status_of_grpc(reason: str) -> None:
    """Each reason carries the number of a gRPC status that is not OK."""
    assert status_code(reason) in set(grpc.StatusCode) - {grpc.StatusCode.OK}


def test_status_codes_have_the_numbers_and_names_of_grpc() -> None:
    """The contract's status codes are gRPC's, name by name."""
    for value in error_pb2.StatusCode.DESCRIPTOR.values:
        if value.number:
            code = getattr(grpc.StatusCode, value.name.removeprefix("STATUS_CODE_"))
            assert code.value[0] == value.number


_VIOLATIONS = st.lists(
    st.builds(Violation, st.text(max_size=600), st.text(max_size=2_000), st.text(max_size=100)),
    min_size=1,
    max_size=150,
)


@given(_VIOLATIONS, st.integers(1, 10**6))
def test_details_fit_into_trailers_and_count_what_they_leave_out(
    violations: list[Violation], count: int
) -> None:
    """However many violations there are, the details stay small, list at least one and count them all."""
    error = InvalidEvents(violations, count, at_least=True)
    raw = status_details(error)
    assert len(raw) <= DETAILS_BYTES + 1_200
    status = status_pb2.Status.FromString(raw)
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(request)
    assert (info.reason, info.domain) == ("INVALID_EVENT", DOMAIN)
    assert info.metadata["events_at_fault"] == str(count)
    assert 1 <= len(request.field_violations) <= 100


@given(_VIOLATIONS)
def test_an_error_in_a_stream_lists_a_hundred(violations: list[Violation]) -> None:
    """Inside of a stream an error lists the first hundred violations whole."""
    error = stream_error(InvalidEvents(violations, len(violations)))
    listed = [(v.field, v.description, v.rule_id) for v in error.field_violations]
    assert listed == [(v.field, v.description, v.rule_id) for v in violations[:100]]
    assert error.code == error_pb2.STATUS_CODE_INVALID_ARGUMENT
