"""Server reflection: it lists and describes typed services, to plain tools and for any symbol."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2
from hypothesis import given
from hypothesis import strategies as st

from gateway import reflection
from gateway.app import SERVICES
from tests.shop import ORDERS, PATIENCE, PAYMENTS, PLACED, SCHEMA_2, batch, order
from tests.typed_stubs import pool_of, reflect, reflected_files, reflected_stub

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pool import DescriptorPool

    from tests.shop import Shop

STATIC = {*SERVICES, *reflection.SERVICES, "grpc.health.v1.Health"}
NOT_FOUND, INVALID = 5, 3
V1, V2 = (f"tidegate.typed.v{version}.shop.v1.OrderPlacedService" for version in (1, 2))
TOOLS = Path(sys.executable).parent


async def services(shop: Shop, version: str = "v1") -> list[str]:
    """The names of the services that reflection lists."""
    (answer,) = await reflect(shop.channel, {"list_services": "*"}, version=version)
    return [service.name for service in answer.list_services_response.service]


async def loaded(shop: Shop, symbol: str) -> DescriptorPool:
    """A pool of what reflection answers for a symbol."""
    return pool_of((await reflected_files(shop.channel, symbol)).values())


def typed(version: int, *names: str) -> set[str]:
    """The typed services of some of the shop's types."""
    return {f"tidegate.typed.v{version}.shop.v1.{name}Service" for name in names}


async def test_typed_services_are_listed(shop: Shop) -> None:
    """Besides its own services the gateway lists those of the types that topics accept, as they are now."""
    every = "OrderPlaced", "OrderPaid", "Stamped"
    assert set(await services(shop)) == STATIC | typed(1, *every)
    assert await services(shop, "v1alpha") == await services(shop)
    await shop.register(SCHEMA_2)
    assert set(await services(shop)) == STATIC | typed(2, *every)
    for name in ("shop.payments", "shop.eu.returns"):
        await shop.delete_topic(name)
    await shop.update_topic(ORDERS, ["types"], types=[PLACED])
    assert set(await services(shop)) == STATIC | typed(2, "OrderPlaced")
    await shop.delete_topic(ORDERS)
    assert set(await services(shop)) == STATIC


async def test_every_listed_service_can_be_loaded(shop: Shop) -> None:
    """The files of each listed service are complete; asked for by name they are the same."""
    for service in await services(shop):
        files = await reflected_files(shop.channel, service)
        assert pool_of(files.values()).FindServiceByName(service).methods
        answers = await reflect(shop.channel, *({"file_by_filename": name} for name in files))
        for answer, file in zip(answers, files.values(), strict=True):
            assert answer.file_descriptor_response.file_descriptor_proto[0] == file.SerializeToString()


async def test_versions_and_subjects_keep_apart(shop: Shop) -> None:
    """Each version has its own types, and files of the same name in two subjects do not mix."""
    await shop.register(SCHEMA_2)
    fields = [
        [field.name for field in (await loaded(shop, service)).FindMessageTypeByName(PLACED).fields]
        for service in (V1, V2)
    ]
    assert fields == [["order_id", "amount_cents"], ["order_id", "amount_cents", "note"]]
    for subject in ("left", "right"):
        common = f'syntax = "proto3"; package {subject}; message Common {{ int32 {subject} = 1; }}'
        main = (
            f'syntax = "proto3"; package {subject}; import "common.proto"; message Main {{ Common c = 1; }}'
        )
        await shop.register({"common.proto": common, "main.proto": main}, subject=subject)
    for subject in ("left", "right"):
        pool = await loaded(shop, f"tidegate.typed.v1.{subject}.MainService")
        main = pool.FindMessageTypeByName(f"{subject}.Main")
        assert main.fields_by_name["c"].message_type.fields[0].name == subject


NESTED = """
syntax = "proto2";
package far;
message Far {
  extensions 100 to 200;
  optional In inner = 1;
  oneof choice { int32 a = 2; }
  map<string, int32> counts = 3;
  message In { enum Kind { KIND_A = 0; } optional Kind kind = 1; }
  extend Far { optional int32 held = 101; }
}
extend Far { optional Far.In beside = 150; }
"""


async def test_symbols_of_any_kind_are_found(shop: Shop) -> None:
    """A symbol leads to the file that declares it, be it a message, a member, a method or a typed message."""
    await shop.register({"far.proto": NESTED}, subject="far")
    own = [
        "far.Far", "far.Far.In", "far.Far.In.kind", "far.Far.In.Kind", "far.Far.In.KIND_A", "far.Far.choice",
        "far.Far.CountsEntry.key", "far.Far.held",
    ]  # fmt: skip
    typed_symbols = [V1, f"{V1}.SubscribeOrderPlaced", *(
        f"tidegate.typed.v1.shop.v1.{name}"
        for name in ("OrderPlacedBatch", "OrderPlacedEvent.data", "PublishOrderPlacedRequest",
                     "SubscribeOrderPlacedResponse", "OrderPlacedEvent.AttributesEntry.key")
    )]  # fmt: skip
    static = [
        "tidegate.v1.EventService.Publish",
        "tidegate.v1.EventBatch.topic",
        "buf.validate.field",
        "google.protobuf.Timestamp",
        ".tidegate.v1.Event",
    ]
    for symbol in (*own, *typed_symbols, *static):
        (answer,) = await reflect(shop.channel, {"file_containing_symbol": symbol})
        assert answer.HasField("file_descriptor_response"), symbol
        pool = pool_of((await reflected_files(shop.channel, symbol)).values())
        scope, name = symbol.removeprefix(".").rsplit(".", 1)
        if scope.endswith("Service"):
            assert name in pool.FindServiceByName(scope).methods_by_name
        else:
            assert pool.FindFileContainingSymbol(f"{scope}.{name}").name


async def test_extensions_are_found(shop: Shop) -> None:
    """Extensions are found by what they extend, in the contract and in users' schemas."""
    await shop.register({"far.proto": NESTED}, subject="far")
    for extended, number in (("far.Far", 101), ("far.Far", 150), ("google.protobuf.EnumValueOptions", 50742)):
        (answer,) = await reflect(
            shop.channel,
            {"file_containing_extension": {"containing_type": extended, "extension_number": number}},
        )
        file = FileDescriptorProto.FromString(answer.file_descriptor_response.file_descriptor_proto[0])
        assert file.package in ("far", "tidegate.v1")
    (answer,) = await reflect(shop.channel, {"all_extension_numbers_of_type": "far.Far"})
    assert list(answer.all_extension_numbers_response.extension_number) == [101, 150]
    (answer,) = await reflect(shop.channel, {"all_extension_numbers_of_type": "google.protobuf.FieldOptions"})
    assert 1159 in answer.all_extension_numbers_response.extension_number


UNKNOWN = [
    {"file_containing_symbol": "shop.v1.Nothing"},
    {"file_containing_symbol": "tidegate.typed.v7.shop.v1.OrderPlacedService"},
    {"file_containing_symbol": "tidegate.typed.v1.shop.v1.NothingBatch"},
    {"file_containing_symbol": ""},
    {"file_by_filename": ""},
    {"file_by_filename": "shop/v1/order.proto"},
    {"file_by_filename": "tidegate/schemas/shop/v1/nothing.proto"},
    {"file_by_filename": "tidegate/schemas/shop/v9/shop/v1/order.proto"},
    {"file_by_filename": "tidegate/schemas/shop/v4294967296/x"},
    {"file_by_filename": "tidegate/schemas/../v1/../../etc/passwd"},
    {"file_containing_extension": {"containing_type": PLACED, "extension_number": 5}},
    {"all_extension_numbers_of_type": "shop.v1.Nothing"},
]


async def test_what_is_unknown_is_answered_in_its_place(shop: Shop) -> None:
    """An unknown name is NOT_FOUND with a sentence, and the stream goes on."""
    answers = await reflect(shop.channel, *UNKNOWN, {"list_services": ""})
    assert [answer.error_response.error_code for answer in answers] == [NOT_FOUND] * len(UNKNOWN) + [0]
    assert all(answer.error_response.error_message for answer in answers[:-1])
    assert [answer.original_request.WhichOneof("message_request") for answer in answers[:-1]] == [
        next(iter(question)) for question in UNKNOWN
    ]


_NAME = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(["tidegate", "typed", "v1", "shop", "_", "OrderPlaced", "Service", ""])).map(
        ".".join
    ),
    st.lists(st.sampled_from(["tidegate", "schemas", "shop", "v1", "..", "", "order.proto"])).map("/".join),
    st.integers(0, 4_000).map(lambda count: "tidegate.typed.v1." + "A_" * count + "Service"),
)
_QUESTION = st.one_of(
    st.tuples(st.just("file_containing_symbol"), _NAME),
    st.tuples(st.just("file_by_filename"), _NAME),
    st.tuples(st.just("all_extension_numbers_of_type"), _NAME),
    st.tuples(
        st.just("file_containing_extension"),
        st.fixed_dictionaries(
            {"containing_type": _NAME, "extension_number": st.integers(-(2**31), 2**31 - 1)}
        ),
    ),
)


def test_hostile_names_are_answered(module_shop: Callable[..., None]) -> None:
    """Whatever is asked for, there is one answer to each question, and nothing fails."""

    @given(st.lists(_QUESTION, max_size=5), st.lists(st.binary(max_size=40), max_size=3))
    def ask(questions: list[tuple[str, Any]], garbage: list[bytes]) -> None:
        async def use(shop: Shop) -> None:
            method = f"/{reflection.SERVICES[0]}/ServerReflectionInfo"
            requests = [
                reflection_pb2.ServerReflectionRequest(**{kind: asked}).SerializeToString()
                for kind, asked in questions
            ]
            call = shop.channel.stream_stream(method)(iter([*requests, *garbage, b"x" * 20_000]))
            async with asyncio.timeout(PATIENCE):
                answers = [reflection_pb2.ServerReflectionResponse.FromString(raw) async for raw in call]
            assert len(answers) == len(requests) + len(garbage) + 1
            assert answers[-1].error_response.error_code == INVALID
            assert await call.code() is grpc.StatusCode.OK

        module_shop(use)

    ask()


async def test_large_answers_come_in_parts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that would be too large lacks imports, which are answered when they are asked for."""
    monkeypatch.setattr(reflection, "ANSWER_BYTES", 2_000)
    (answer,) = await reflect(shop.channel, {"file_containing_symbol": V1})
    assert len(answer.file_descriptor_response.file_descriptor_proto) == 1
    assert (await loaded(shop, V1)).FindServiceByName(V1)


async def test_few_schemas_are_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The schemas at hand are bounded; those that were let go of are answered as before."""
    monkeypatch.setattr(reflection, "KEPT_BYTES", 0)
    await shop.register(SCHEMA_2)
    for service in (V1, V2, V1):
        assert (await reflected_stub(shop.channel, service)).pool.FindServiceByName(service)


async def test_an_open_reflection_stream_holds_nothing_up(start_shop: Any) -> None:
    """A gateway stops at once though a tool keeps its reflection stream open."""
    async with start_shop(drain_seconds=20.0) as shop:
        call = shop.channel.stream_stream(f"/{reflection.SERVICES[0]}/ServerReflectionInfo")()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString())
        assert await call.read()
        async with asyncio.timeout(10):
            await shop.gateway.__aexit__(None, None, None)


async def run(*command: str) -> str:
    """Runs a tool to its end; answers what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return out.decode()


SUBSCRIBE = {"topics": [ORDERS], "startPosition": "START_POSITION_EARLIEST", "endSequence": "2"}


@pytest.mark.skipif(sys.platform != "linux", reason="the packaged grpcurl is built for Linux")
async def test_grpcurl_lists_describes_and_subscribes(shop: Shop) -> None:
    """grpcurl, with nothing but the address, shows typed services and events, and publishes."""
    grpcurl = str(TOOLS / "grpcurl"), "-plaintext"
    data = json.dumps({"batches": [{"topic": ORDERS, "events": [{"data": {"orderId": o}} for o in "AB"]}]})
    await run(*grpcurl, "-d", data, shop.gateway.address, f"{V1}/PublishOrderPlaced")
    assert V1 in (await run(*grpcurl, shop.gateway.address, "list")).split()
    described = await run(*grpcurl, shop.gateway.address, "describe", V1)
    assert "rpc SubscribeOrderPlaced ( .tidegate.v1.SubscribeRequest )" in described
    assert "optional .shop.v1.OrderPlaced data = 3;" in await run(
        *grpcurl, shop.gateway.address, "describe", "tidegate.typed.v1.shop.v1.OrderPlacedEvent"
    )
    read = await run(
        *grpcurl, "-d", json.dumps(SUBSCRIBE), shop.gateway.address, f"{V1}/SubscribeOrderPlaced"
    )
    assert _orders(read) == ["A", "B"]


async def test_buf_curl_lists_and_subscribes(shop: Shop) -> None:
    """`buf curl` does the same."""
    await shop.publish(batch(ORDERS, order("A"), order("B")), batch(PAYMENTS, order("C")))
    buf = str(TOOLS / "buf"), "curl", "--http2-prior-knowledge", "--protocol", "grpc"
    url = f"http://{shop.gateway.address}"
    assert V1 in (await run(*buf, "--list-services", url)).split()
    assert f"{V1}/PublishOrderPlacedStream" in await run(*buf, "--list-methods", url)
    read = await run(*buf, "-d", json.dumps(SUBSCRIBE), f"{url}/{V1}/SubscribeOrderPlaced")
    assert _orders(read) == ["A", "B"]


def _orders(output: str) -> list[str]:
    """The ids of the orders in JSON objects that follow each other."""
    decoder, found = json.JSONDecoder(), []
    while output := output.strip():
        frame, end = decoder.raw_decode(output)
        output = output[end:]
        for found_batch in frame.get("batches", {}).get("batches", []):
            found += [event["data"]["orderId"] for event in found_batch["events"]]
    return found
