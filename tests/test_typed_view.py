"""GetSchema's typed view: every file that protoc needs, whatever the schema was registered as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.v1 import schema_pb2
from tidegate.v1 import schema_service_pb2 as schemas

from tests.shop import PAID, PLACED, refused
from tests.typed_stubs import compile_files, reflected_stub

if TYPE_CHECKING:
    from pathlib import Path

    from tests.shop import Shop

BASE = """syntax = "proto3"; package base; import "google/type/money.proto";
message Price { google.type.Money of = 1; }
"""
KEPT = """syntax = "proto2"; package kept;
message Kept { required string id = 1; optional group Part = 2 { optional int32 n = 1; } }
"""
SOLD = """syntax = "proto3"; package sold.v1; import "base.proto"; import "buf/validate/validate.proto";
message Sold { base.Price price = 1 [(buf.validate.field).required = true]; repeated Batch batches = 2; }
message Batch { Sold first = 1; message Event { string id = 1; } }
"""


async def typed(shop: Shop, subject: str, **fields: Any) -> schemas.GetSchemaResponse:
    """The typed view of a subject's latest version."""
    request = schemas.GetSchemaRequest(subject=subject, view=schemas.SCHEMA_VIEW_TYPED, **fields)
    return await shop.schemas.GetSchema(request)


async def register_sold(shop: Shop) -> None:
    """Registers ``base``, and a subject that refers to it."""
    await shop.register({"base.proto": BASE}, subject="base")
    references = [schema_pb2.SchemaReference(subject="base", version=1)]
    request = schemas.RegisterSchemaRequest(subject="sold", references=references)
    request.sources.files["sold.proto"] = SOLD
    await shop.schemas.RegisterSchema(request)


async def test_references_are_in_it(shop: Shop, tmp_path: Path) -> None:
    """The files of a schema that refers to others, and to what the gateway supplies, compile."""
    await register_sold(shop)
    view = await typed(shop, "sold")
    assert view.typed.files["base.proto"] == BASE
    assert {"sold.proto", "google/type/money.proto", "buf/validate/validate.proto"} < set(view.typed.files)
    made = compile_files(tmp_path, view.typed.files)
    found = {f"{file.package}.{service.name}" for file in made.file for service in file.service}
    assert set(view.typed_services.values()) == found - {"tidegate.v1.EventService"}
    assert set(view.typed_services) == {"sold.v1.Sold", "sold.v1.Batch", "sold.v1.Batch.Event"}


async def test_descriptors_become_text(shop: Shop, tmp_path: Path) -> None:
    """The own files of a schema that was registered as descriptors are text, which protoc compiles."""
    compiled = compile_files(tmp_path, {"kept.proto": KEPT}).SerializeToString()
    await shop.schemas.RegisterSchema(schemas.RegisterSchemaRequest(subject="kept", descriptor_set=compiled))
    view = await typed(shop, "kept")
    assert "required string id = 1;" in view.typed.files["kept.proto"]
    made = compile_files(tmp_path / "again", view.typed.files)
    assert dict(view.typed_services) == {"kept.Kept": "tidegate.typed.v1.kept.KeptService"}
    assert any(file.package == "tidegate.typed.v1.kept" for file in made.file)


async def test_types_can_be_chosen(shop: Shop) -> None:
    """Only the typed services of the types that are named are answered; a wrong one is refused."""
    view = await typed(shop, "shop", types=[PLACED])
    assert dict(view.typed_services) == {PLACED: "tidegate.typed.v1.shop.v1.OrderPlacedService"}
    assert [name for name in view.typed.files if "typed" in name] == [
        "tidegate/typed/v1/shop/v1/order_placed_service.proto"
    ]
    wrong = await refused(typed(shop, "shop", types=[PAID, "shop.v1.OrderPlace"]))
    assert wrong.reason == "EVENT_TYPE_NOT_FOUND"
    assert f"Close to it: {PLACED}" in wrong.message


async def test_too_many_types_are_refused(shop: Shop) -> None:
    """A schema of very many types answers the typed services of some, and says so when asked for all."""
    source = 'syntax = "proto3"; package many;' + "".join(f"message M{number} {{}}" for number in range(501))
    await shop.register({"many.proto": source}, subject="many")
    over = await refused(typed(shop, "many"))
    assert (over.reason, over.facts["limit"], over.fields) == ("LIMIT_EXCEEDED", "max_types", ["types"])
    assert len((await typed(shop, "many", types=["many.M1", "many.M500"])).typed_services) == 2


async def test_streams_of_schemas_that_refer_to_others(shop: Shop) -> None:
    """Reflection shows what a type of another subject is made of, and its typed service takes it."""
    await register_sold(shop)
    await shop.create_topic("sold", subject="sold")
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.sold.v1.SoldService")
    price = {"of": {"currency_code": "EUR", "units": 5}}
    batches = [{"topic": "sold", "events": [{"data": {"price": price}}]}]
    answer = await stub.call("PublishSold")(stub.message("PublishSoldRequest", batches=batches))
    assert answer.results[0].count == 1
