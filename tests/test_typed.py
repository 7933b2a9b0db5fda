"""The files of typed services: equal to the contract, free of collisions, and good for protoc."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2, event_service_pb2, subscription_pb2

from gateway.typed_view import contract_files
from registry.descriptors import message_types
from registry.schema import SchemaVersion
from registry.typed import ServiceName, parse_service_name, possible_services, typed_services
from registry.typed_files import service_files, typed_files
from registry.typed_messages import MESSAGES, METHODS
from tests.generated_schemas import schemas
from tests.typed_stubs import compile_files

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.descriptor import FieldDescriptor

CONTRACT = (event_pb2, event_service_pb2, subscription_pb2)
WORDS = (
    "Order",
    "Order_Line",
    "Line",
    "OrderBatch",
    "PublishOrderRequest",
    "Event",
    "Batches",
    "_x",
    "Order_2",
    "order",
)
PACKAGES = ("", "a", "a.b", "a.OrderService", "a.PublishOrderRequest", "Order")


def version_of(*files: pb.FileDescriptorProto, version: int = 3) -> SchemaVersion:
    """A schema version with these files of its own."""
    return SchemaVersion(
        "shop",
        version,
        tuple(message_types(files)),
        datetime.now(UTC),
        "",
        pb.FileDescriptorSet(file=files).SerializeToString(),
    )


def a_file(package: str, *names: str) -> pb.FileDescriptorProto:
    """A file with messages; ``Outer.Inner`` is a nested one."""
    file = pb.FileDescriptorProto(name=f"{package or 'none'}.proto", package=package, syntax="proto3")
    for name in names:
        scope: Any = file.message_type
        for word in name.split("."):
            found = [message for message in scope if message.name == word]
            message = found[0] if found else scope.add(name=word)
            scope = message.nested_type
    return file


def twin(name: str) -> Any:
    """The message of the contract with that name."""
    return next(
        module.DESCRIPTOR.message_types_by_name[name]
        for module in CONTRACT
        if name in module.DESCRIPTOR.message_types_by_name
    )


def pool_with(*files: pb.FileDescriptorProto) -> DescriptorPool:
    """A pool of files, over the contract."""
    pool = DescriptorPool()
    added: set[str] = set()

    def add(descriptor: Any) -> None:
        for dependency in descriptor.dependencies:
            add(dependency)
        if descriptor.name not in added:
            added.add(descriptor.name)
            pool.AddSerializedFile(descriptor.serialized_pb)

    for module in CONTRACT:
        add(module.DESCRIPTOR)
    for file in files:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def shape(field: FieldDescriptor, twins: dict[str, str]) -> tuple[Any, ...]:
    """What of a field is the same in both, with the typed messages under the names of their twins."""
    kind: Any = field.type
    if field.message_type is not None:
        kind = twins.get(field.message_type.full_name, field.message_type.full_name)
        if field.message_type.GetOptions().map_entry:
            kind = [shape(part, twins) for part in field.message_type.fields]
    oneof = field.containing_oneof.name if field.containing_oneof else ""
    return field.name, field.number, kind, field.is_repeated, field.has_presence, oneof


def test_typed_messages_are_those_of_the_contract() -> None:
    """Field by field a typed message is its twin of the contract, but for the type of ``data``."""
    file = a_file("shop.v1", "OrderPlaced")
    (made,) = service_files(version_of(file))
    pool = pool_with(file, made.descriptor())
    twins = dict(zip(made.messages, (twin(message.twin).full_name for message in MESSAGES), strict=True))
    for message, name in zip(MESSAGES, made.messages, strict=True):
        typed = {field.name: shape(field, twins) for field in pool.FindMessageTypeByName(name).fields}
        plain = {field.name: shape(field, {}) for field in twin(message.twin).fields}
        if message.role == "event":
            kind = typed["data"][2], plain["data"][2]
            assert kind == ("shop.v1.OrderPlaced", pb.FieldDescriptorProto.TYPE_BYTES)
            typed["data"], plain["data"] = ((*it["data"][:2], *it["data"][3:]) for it in (typed, plain))
        assert typed == plain


def test_typed_methods_are_those_of_the_contract() -> None:
    """A typed method takes and answers the twins of what its own twin does, streaming alike."""
    file = a_file("shop.v1", "OrderPlaced")
    (made,) = service_files(version_of(file))
    service = pool_with(file, made.descriptor()).FindServiceByName(made.service.name.full)
    twins = dict(zip(made.messages, (twin(message.twin).full_name for message in MESSAGES), strict=True))
    generic = event_service_pb2.DESCRIPTOR.services_by_name["EventService"]
    assert [method.name for method in service.methods] == list(made.service.name.methods)
    untyped = {"Acknowledge", "ReadEvents"}  # the first is about no data; the second is for any type
    assert {method.twin for method in METHODS} == set(generic.methods_by_name) - untyped
    for method, form in zip(service.methods, METHODS, strict=True):
        plain = generic.methods_by_name[form.twin]
        assert (
            twins.get(method.input_type.full_name, method.input_type.full_name) == plain.input_type.full_name
        )
        assert (
            twins.get(method.output_type.full_name, method.output_type.full_name)
            == plain.output_type.full_name
        )
        assert (method.client_streaming, method.server_streaming) == (
            plain.client_streaming,
            plain.server_streaming,
        )


@st.composite
def colliding(draw: st.DrawFn) -> SchemaVersion:
    """A version whose packages and messages have names that would collide, if any would."""
    packages = draw(st.sets(st.sampled_from(PACKAGES), min_size=1, max_size=4))
    name = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(".".join)
    files = [a_file(package, *draw(st.sets(name, min_size=1, max_size=8))) for package in sorted(packages)]
    names = message_types(files)
    scopes = {".".join(package.split(".")[:end]) for package in packages for end in range(1, 4)} - {""}
    assume(scopes.isdisjoint(names) and len(set(names)) == len(names))
    return version_of(*files, version=draw(st.sampled_from((1, 12, 2**32 - 1))))


@given(colliding())
@settings(max_examples=200)
def test_no_names_collide(schema: SchemaVersion) -> None:
    """Whatever the types are called, their typed services load into one pool, each with its own names."""
    files = service_files(schema)
    own = pb.FileDescriptorSet.FromString(schema.descriptor_set).file
    pool = pool_with(*own, *(file.descriptor() for file in files))
    assert [file.service.type for file in files] == list(schema.types)
    for file in files:
        data = pool.FindMessageTypeByName(file.messages[-1]).fields_by_name["data"]
        assert data.message_type.full_name == file.service.type
    assert len({file.name.lower() for file in files}) == len(files)


@given(colliding())
@settings(max_examples=200)
def test_names_lead_back_to_their_types(schema: SchemaVersion) -> None:
    """From the name of a service, and of anything that its file declares, the service is found again."""
    for file in service_files(schema):
        name = file.service.name
        assert parse_service_name(name.full) == name
        assert any(
            file.service.type == outer or file.service.type.startswith(f"{outer}.")
            for outer in name.outer_types()
        )
        for symbol in (
            name.full,
            f"{name.full}.{name.methods[1]}",
            *file.messages,
            f"{file.messages[0]}.batches",
        ):
            assert name in possible_services(symbol)
        assert name in possible_services(f"{file.messages[-1]}.AttributesEntry.key")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tidegate.typed",
        "tidegate.typed.v0.shop.OrderService",
        "tidegate.typed.v1.Service",
        "tidegate.typed.v01.shop.OrderService",
        "tidegate.typed.v1.shop.Order",
        "tidegate.typed.v1..OrderService",
        "tidegate.typed.v1.sh\nop.OrderService",
        "tidegate.typed.v1.shop.OrderService\n",
        "tidegate.typed.v99999999999.OrderService",
        "tidegate.v1.EventService",
        f"tidegate.typed.v1.{'a.' * 500}OrderService",
    ],
)
def test_other_names_are_of_no_typed_service(name: str) -> None:
    """What is not exactly the name of a typed service is known as none."""
    assert parse_service_name(name) is None


def test_the_plain_case_reads_well() -> None:
    """Names and files of usual types are what people would have written."""
    schema = version_of(a_file("shop.v1", "OrderPlaced", "OrderPlaced.Line", "HTTPRequestSeen"))
    services = {service.type: service.name for service in typed_services(schema)}
    assert services["shop.v1.OrderPlaced"] == ServiceName(3, "shop.v1", "OrderPlaced")
    assert services["shop.v1.OrderPlaced.Line"].full == "tidegate.typed.v3.shop.v1.OrderPlaced_LineService"
    (odd,) = service_files(version_of(a_file("shop.import.v1", "Landed")))
    assert odd.name == "tidegate/typed/v3/shop/import_/v1/landed_service.proto"
    assert [file.name for file in service_files(schema)] == [
        "tidegate/typed/v3/shop/v1/http_request_seen_service.proto",
        "tidegate/typed/v3/shop/v1/order_placed_service.proto",
        "tidegate/typed/v3/shop/v1/order_placed_line_service.proto",
    ]


def test_protoc_takes_the_text_and_means_the_descriptors(tmp_path: Path) -> None:
    """For schemas of any syntax and name, protoc compiles the texts to just the descriptors."""
    versions: list[SchemaVersion] = []

    @given(st.one_of(schemas().map(lambda schema: version_of(*schema.files)), colliding()))
    @settings(max_examples=25, database=None)
    def collect(schema: SchemaVersion) -> None:
        versions.append(schema)

    collect()
    wanted: dict[str, pb.FileDescriptorProto] = {}
    own = pb.FileDescriptorSet()
    texts: dict[str, str] = {}
    for index, schema in enumerate(versions):
        moved = _moved(schema, f"p{index}")
        own.MergeFromString(moved.descriptor_set)
        wanted |= {file.name: file.descriptor() for file in service_files(moved)}
        texts |= typed_files(moved)
    (tmp_path / "own.binpb").write_bytes(own.SerializeToString())
    assert wanted.keys() == texts.keys()
    made = compile_files(tmp_path, texts | contract_files(), f"--descriptor_set_in={tmp_path}/own.binpb")
    found = {file.name: file for file in made.file}
    for name, file in wanted.items():
        assert found[name] == file


def _moved(schema: SchemaVersion, package: str) -> SchemaVersion:
    """The same schema within a package and a folder of its own, so that many fit one call of protoc."""
    text = schema.descriptor_set
    files = pb.FileDescriptorSet.FromString(text)
    for file in files.file:
        file.name = f"{package}/{file.name}"
        file.dependency[:] = [f"{package}/{name}" for name in file.dependency]
        file.package = f"{package}.{file.package}".rstrip(".")
        _move_types(file, package)
    return version_of(*files.file, version=schema.version)


def _move_types(scope: Any, package: str) -> None:
    for name in ("field", "extension"):
        for field in getattr(scope, name, ()):
            for reference in ("type_name", "extendee"):
                if getattr(field, reference):
                    setattr(field, reference, f".{package}{getattr(field, reference)}")
    for message in (*getattr(scope, "message_type", ()), *getattr(scope, "nested_type", ())):
        message.field.sort(key=lambda field: field.HasField("oneof_index"))  # protoc wants them side by side
        _move_types(message, package)
