"""Schemas that nobody means well with: each ends in a clear answer, soon, and the gateway serves on."""

from __future__ import annotations

import asyncio
import json
import time
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import settings
from tidegate.v1 import error_pb2, schema_pb2
from tidegate.v1 import schema_service_pb2 as pb

from tests.hostile_schemas import SOURCES, hostile_schemas
from tests.schema_mutants import mutated, mutated_sources
from tests.schema_trials import MIB, Outcome, tried
from tests.shop import ORDERS, Shop, batch, order, refusal
from tests.typed_stubs import reflect

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable

LARGE = frozenset({
    "300 files that import all before them", "a default of megabytes", "options that nobody knows",
    "50,000 comments on one place", "comments of megabytes", "a comment of one line of megabytes",
    "40,000 fields", "49,000 values", "20,000 reserved ranges", "60,000 messages", *SOURCES,
}) - {"names that hide each other", "rules without sense", "a rule that doubles", "controls"}  # fmt: skip
"""They take seconds, with all that is done with them; the short form leaves them out."""
SECONDS, MEMORY = 30, 1024 * MIB
FUZZED = settings().max_examples
SENT = {
    "a message twice", "a map of itself", "a group of its own message", "a message called tidegate",
    "comments that end comments", "5,000 levels", "a circle of 900 files", "an option that is deeper",
}  # fmt: skip
"""What the short form sends to a gateway: every kind of answer is among it."""


def check(name: str, outcome: Outcome) -> None:
    assert outcome.verdict in {"accepted", "refused"}, f"{name}: {outcome.words}"
    assert outcome.seconds < SECONDS, name
    assert outcome.memory < MEMORY, name
    if outcome.verdict == "refused":
        assert len(outcome.words) < 4_000, name
        assert "WARNING" not in outcome.words, outcome.words


def held(schemas: Iterable[tuple[str, bool, bytes]]) -> dict[str, str]:
    """Tries schemas, and answers what became of them."""
    verdicts = {}
    for name, outcome in tried(schemas):
        check(name, outcome)
        verdicts[name] = outcome.verdict
    return verdicts


def test_hostile_schemas_end_in_an_answer() -> None:
    """Each is refused in words, or is no harm to whatever is done with schemas that were taken."""
    verdicts = held(it for it in hostile_schemas() if it[0] not in LARGE)
    assert len(verdicts) > 100
    assert set(verdicts.values()) == {"accepted", "refused"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_large_hostile_schemas_end_in_an_answer() -> None:
    """Nor are those that are as large as a schema may be, or larger."""
    assert held(it for it in hostile_schemas() if it[0] in LARGE).keys() == LARGE


@pytest.mark.timeout(3600)
def test_mutated_schemas_end_in_an_answer() -> None:
    """Descriptors and sources with anything changed are refused in words, or do no harm."""
    seeds = range(FUZZED)
    sets = ((f"set {seed}", True, mutated(Random(seed))) for seed in seeds)
    sources = ((f"sources {seed}", False, mutated_sources(Random(seed))) for seed in range(FUZZED // 2))
    verdicts = held([*sets, *sources])
    assert list(verdicts.values()).count("accepted") > len(verdicts) // 20


async def test_a_gateway_serves_on(shop: Shop) -> None:
    """Sent to a gateway, each has a reason of the catalogue, and publishing goes on beside it."""
    sent = [it for it in hostile_schemas() if it[0] in SENT]
    assert len(sent) == len(SENT)
    await _send_all(shop, sent)


@pytest.mark.slow
@pytest.mark.timeout(3600)
async def test_a_gateway_serves_on_at_length(shop: Shop) -> None:
    """So do all of them, and a hundred that are mutated."""
    mutants = [(f"set {seed}", True, mutated(Random(seed))) for seed in range(100)]
    await _send_all(shop, [*hostile_schemas(), *mutants])


async def _send_all(shop: Shop, schemas: Iterable[tuple[str, bool, bytes]]) -> None:
    """Sends all to a subject that keeps whatever compiles, and looks at what it kept."""
    options = [("grpc.max_receive_message_length", 64 * MIB)]
    async with grpc.aio.insecure_channel(shop.gateway.address, options=options) as channel:
        client = Shop(channel)
        compatibility = {"direction": schema_pb2.COMPATIBILITY_DIRECTION_NONE}
        await client.schemas.UpdateSubject(
            pb.UpdateSubjectRequest(
                subject={"name": "hostile", "compatibility": compatibility},
                update_mask={"paths": ["compatibility"]},
            )
        )
        version = 0
        for name, is_set, data in schemas:
            schema = {"descriptor_set": data} if is_set else {"sources": {"files": json.loads(data)}}
            version = await _send(client, name, version, **schema)
        assert version > 2
        (services,) = await reflect(channel, {"list_services": "*"})
        assert services.HasField("list_services_response")


async def _send(client: Shop, name: str, version: int, **schema: Any) -> int:
    """Checks, registers, and asks for all that is computed; answers the latest version."""
    beside = asyncio.create_task(client.publish(batch(ORDERS, order("beside"))))
    call = client.schemas.CheckSchema(pb.CheckSchemaRequest(subject="hostile", **schema))
    checked = await _answered(name, _read(call))
    taken = await _answered(
        name, client.schemas.RegisterSchema(pb.RegisterSchemaRequest(subject="hostile", **schema))
    )
    assert (taken is None) == (checked is None), name
    await beside
    if taken is None or not taken.created:
        return version
    for view in pb.SchemaView.values():
        request = pb.GetSchemaRequest(subject="hostile", version=taken.schema.version, view=view)
        await _answered(name, client.schemas.GetSchema(request))
    if version:
        await _answered(name, client.schemas.DiffSchemas(pb.DiffSchemasRequest(subject="hostile")))
    return int(taken.schema.version)


async def _read(call: Any) -> list[Any]:
    return [part async for part in call]


async def _answered(name: str, call: Awaitable[Any]) -> Any:
    """Awaits an answer; None for a refusal that the catalogue knows and that is not the gateway's fault."""
    begun = time.monotonic()
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        found = refusal(error)
        assert f"ERROR_REASON_{found.reason}" in error_pb2.ErrorReason.DESCRIPTOR.values_by_name, name
        assert found.code in {"INVALID_ARGUMENT", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"}, (name, found)
        return None
    finally:
        assert time.monotonic() - begun < SECONDS, name
