"""The client's administrative half: the same with and without an event loop, and each call over a socket."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from tidegate import AsyncClient, Client, errors
from tidegate.admin import AsyncAdmin
from tidegate.blocking_admin import Admin
from tidegate.v1 import backtest_pb2, group_service_pb2, schema_pb2, schema_service_pb2, topic_service_pb2

from tests.shop import ORDERS, PLACED, SCHEMA, SCHEMA_2, SUBJECT, Shop

METHODS = sorted(name for name, _ in inspect.getmembers(AsyncAdmin, callable) if not name.startswith("_"))


@pytest.mark.parametrize("name", METHODS)
def test_both_faces_take_the_same(name: str) -> None:
    """Each method of the one client is one of the other, with the same parameters and defaults."""
    parameters, blocking = (
        [(p.name, p.kind, p.default, p.annotation) for p in inspect.signature(method).parameters.values()]
        for method in (getattr(AsyncAdmin, name), getattr(Admin, name))
    )
    assert parameters == blocking


def test_every_call_of_the_contract_has_a_method() -> None:
    """There is a method for each RPC of the three services, two wider ones, and one that reads the log."""
    services = [
        schema_service_pb2.DESCRIPTOR.services_by_name["SchemaService"],
        topic_service_pb2.DESCRIPTOR.services_by_name["TopicService"],
        group_service_pb2.DESCRIPTOR.services_by_name["GroupService"],
    ]
    names = {method.name for service in services for method in service.methods}
    words = {"".join(word.capitalize() for word in name.split("_")) for name in METHODS}
    assert words - {"Register", "ReadSchema", "ReadEvents"} == names


async def collect(items: Any) -> list[Any]:
    """All that an asynchronous listing yields."""
    return [item async for item in items]


async def test_schemas_are_administered(shop: Shop) -> None:
    """Every call about schemas and subjects answers the contract's own messages."""
    async with AsyncClient(shop.gateway.address) as client:
        made = await client.register(SUBJECT, files=SCHEMA_2, message="notes")
        assert (made.created, made.schema.version) == (True, 2)
        checked = await client.check_schema(SUBJECT, files=SCHEMA, against=1)
        assert (checked.report.equal_version, checked.backtest) == (1, None)
        held = await client.check_schema(
            SUBJECT, files=SCHEMA, against="all", direction="FULL", surface="SOURCE"
        )
        assert held.report.compatibility == schema_pb2.Compatibility(direction=6, surface=3)
        difference = await client.diff_schemas(SUBJECT)
        assert (difference.old_version, difference.new_version) == (1, 2)
        canonical = await client.read_schema(type=PLACED, view="canonical")
        assert "message OrderPlaced {" in canonical.canonical.files["shop/v1/order.proto"]
        await client.delete_schema(SUBJECT, 2, message="by mistake")
        assert len(await collect(client.list_schemas(SUBJECT))) == 1
        assert len(await collect(client.list_schemas(SUBJECT, show_deleted=True))) == 2
        assert (await client.restore_schema(SUBJECT, 2)).latest_version == 2
        subject = await client.update_subject(SUBJECT, direction="FULL_TRANSITIVE", mode="READ_ONLY")
        assert (subject.compatibility.direction, subject.mode) == (7, 2)
        with pytest.raises(errors.SubjectReadOnly):
            await client.delete_schema(SUBJECT, 2)
        await client.update_subject(SUBJECT, default_compatibility=True, block_on_readers=True)
        changed = await client.update_schema_defaults(surface="WIRE_JSON")
        assert await client.get_schema_defaults() == changed
        assert (await client.get_subject(SUBJECT)).subject.compatibility == changed
        assert (await collect(client.list_schema_changes(SUBJECT)))[-1].subject == SUBJECT
        assert await collect(client.list_readers(SUBJECT)) == []
        assert [each.name for each in await collect(client.list_subjects(show_deleted=True))] == [SUBJECT]


async def test_a_backtest_tells_how_far_it_is(shop: Shop) -> None:
    """A check with a backtest answers both reports; ending it early leaves the client as it was."""
    await shop.place("A1", "A2")
    async with AsyncClient(shop.gateway.address) as client:
        seen: list[backtest_pb2.BacktestProgress] = []
        checked = await client.check_schema(
            SUBJECT,
            files=SCHEMA_2,
            backtest=backtest_pb2.Backtest(topic=ORDERS, last_events=1),
            on_progress=seen.append,
        )
        assert (checked.backtest.examined, checked.backtest.passed) == (1, 1)
        with pytest.raises(errors.TopicNotFound):
            await client.check_schema(SUBJECT, files=SCHEMA, backtest=backtest_pb2.Backtest(topic="no.such"))
        assert (await client.check_schema(SUBJECT, files=SCHEMA)).report.compatible


def test_without_an_event_loop_too(module_gateway: Any) -> None:
    """The blocking client makes the same calls."""
    files = {"admin.proto": 'syntax = "proto3"; package admin.v1; message Done { string id = 1; }'}
    with Client(module_gateway.address) as client:
        assert client.check_schema("admin", files=files).report.compatible
        assert client.register_schema("admin", files=files, message="why").version == 1
        assert client.update_subject("admin", mode="READ_ONLY").mode == schema_pb2.SUBJECT_MODE_READ_ONLY
        assert [each.kind for each in client.list_schema_changes("admin")][-1] == 1
        assert list(client.list_readers("admin")) == []
        client.update_subject("admin", mode="READ_WRITE")
        client.delete_schema("admin")
        assert "admin" not in [subject.name for subject in client.list_subjects()]
