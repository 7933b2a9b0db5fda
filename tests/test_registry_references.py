"""Schemas that import files of other subjects, at the versions that they name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.compat.promise import Direction, Promise, Surface
from registry.descriptors import build_pool
from registry.errors import (
    EventTypeTaken,
    InvalidRequest,
    InvalidSchema,
    LimitExceeded,
    SchemaVersionNotFound,
    SubjectNotFound,
)
from registry.schema import Candidate, SchemaReference
from tests.registries import message, opened, referring

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from registry.registry import Registry

MONEY = message("money.proto", "message Money { int64 units = 1; }", "money")
TAX = message("tax.proto", "message Tax { money.Money amount = 1; }", "tax", "money.proto")
ORDER = message(
    "order.proto",
    "message Order { tax.Tax tax = 1; money.Money total = 2; }",
    "shop",
    "tax.proto",
    "money.proto",
)

NONE = Promise(Direction.NONE, Surface.WIRE)
pytestmark = pytest.mark.usefixtures("schemas_compiled_once")


@pytest.fixture
async def registry(tmp_path: Path) -> AsyncIterator[Registry]:
    async with opened(tmp_path / "log.db") as found:
        await found.register("money", MONEY)
        yield found


def names_in(descriptor_set: bytes) -> list[str]:
    return [file.name for file in FileDescriptorSet.FromString(descriptor_set).file]


async def test_what_is_referred_to_is_imported_but_not_owned(registry: Registry) -> None:
    """Files of other subjects stand in the descriptors, but add neither types nor files of its own."""
    tax = (await registry.register("tax", referring(TAX, ("money", 1)))).schema
    order = (await registry.register("shop", referring(ORDER, ("tax", 1)))).schema
    assert (tax.types, tax.own_files) == (("tax.Tax",), ("tax.proto",))
    assert tax.references == (SchemaReference("money", 1),)
    assert (order.types, order.own_files) == (("shop.Order",), ("order.proto",))
    assert names_in(order.descriptor_set) == ["money.proto", "tax.proto", "order.proto"]
    build_pool(order.descriptor_set).FindMessageTypeByName("shop.Order")
    assert [(it.subject, it.version) for it in await registry.closure(order)] == [("money", 1), ("tax", 1)]
    assert await registry.referencing("money") == [SchemaReference("tax", 1)]
    assert (await registry.check("money", MONEY)).referenced_by == (SchemaReference("tax", 1),)
    assert (await registry.get("shop")).references == order.references


async def test_the_latest_version_is_named_by_its_number(registry: Registry) -> None:
    """A reference to version 0 means the latest one now, and stays with it."""
    await registry.register(
        "money", message("money.proto", "message Money { int64 units = 1; int32 nanos = 2; }", "money")
    )
    await registry.update_subject("tax", promise=NONE)
    made = await registry.register("tax", referring(TAX, ("money", 0), ("money", 2)))
    assert made.schema.references == (SchemaReference("money", 2),)
    other = await registry.register("tax", referring(TAX, ("money", 1)))
    assert (other.schema.version, other.created) == (2, True)
    assert not (await registry.register("tax", referring(TAX, ("money", 0)))).created


async def test_copies_of_what_is_referred_to_are_ignored(registry: Registry) -> None:
    """A file that is sent under the name of a referenced one gives way to it, as source and in a set."""
    assert MONEY.sources
    assert TAX.sources
    fake = {"money.proto": 'syntax = "proto3"; package money; message Money { string fake = 1; }'}
    tax = (await registry.register("tax", referring(TAX, ("money", 1)))).schema
    sent = Candidate({**TAX.sources, **fake})
    assert (await registry.register("tax", referring(sent, ("money", 1)))).schema == tax
    for data in (
        tax.descriptor_set,
        FileDescriptorSet(file=own_file(tax.descriptor_set)).SerializeToString(),
    ):
        sent = Candidate(descriptor_set=data)
        assert (await registry.register("tax", referring(sent, ("money", 1)))).schema == tax


def own_file(descriptor_set: bytes) -> list[object]:
    return [it for it in FileDescriptorSet.FromString(descriptor_set).file if it.name == "tax.proto"]


async def test_sources_are_kept_of_own_files_alone(registry: Registry) -> None:
    """What was sent under the name of a supplied or referenced file is no part of the schema."""
    assert MONEY.sources
    assert TAX.sources
    sent = Candidate({**TAX.sources, **MONEY.sources, "google/protobuf/any.proto": "nothing"})
    made = await registry.register("tax", referring(sent, ("money", 1)))
    assert made.schema.sources == TAX.sources


async def test_a_copy_of_its_own_is_another_schema(registry: Registry) -> None:
    """Files that are sent are own, and their types belong to somebody already: the error says to refer."""
    assert MONEY.sources
    assert TAX.sources
    with pytest.raises(EventTypeTaken, match=r"--reference money\[@VERSION\]"):
        await registry.register("tax", Candidate({**TAX.sources, **MONEY.sources}))


async def test_a_missing_import_says_how_to_refer(registry: Registry) -> None:
    """An import that is neither sent nor referred to names the ways out, at its position."""
    with pytest.raises(InvalidSchema, match=r"tax\.proto:2:1: .*--reference SUBJECT\[@VERSION\]"):
        await registry.register("tax", TAX)


async def test_references_lead_to_what_is_there(registry: Registry) -> None:
    """Unknown and deleted subjects and versions can't be referred to, nor can the subject itself."""
    for reference, error in (
        (("nobody", 0), SubjectNotFound),
        (("money", 7), SchemaVersionNotFound),
        (("tax", 1), InvalidRequest),
    ):
        await registry.register("tax", referring(TAX, ("money", 1)))
        with pytest.raises(error):
            await registry.register("tax", referring(TAX, ("money", 1), reference))
    await registry.delete("tax")
    await registry.delete("tax", purge=True)
    await registry.delete("money")
    with pytest.raises(SubjectNotFound, match=r"deleted.*RestoreSchema"):
        await registry.register("bill", referring(ORDER, ("money", 1)))


async def test_references_never_lead_back(registry: Registry) -> None:
    """A schema can't refer to what refers to its own subject."""
    await registry.register("tax", referring(TAX, ("money", 1)))
    with pytest.raises(InvalidRequest, match="lead back to subject 'money' itself"):
        await registry.register("money", referring(MONEY, ("tax", 1)))


async def test_two_contents_of_one_file_are_refused(registry: Registry) -> None:
    """Versions that bring different files of one name name each other; equal files are no problem."""
    await registry.register("tax", referring(TAX, ("money", 1)))
    await registry.register(
        "money", message("money.proto", "message Money { int64 units = 1; int32 nanos = 2; }", "money")
    )
    with pytest.raises(InvalidSchema, match=r"money\.proto: .*version 1 of.*version 2 of subject 'money'"):
        await registry.register("shop", referring(ORDER, ("tax", 1), ("money", 2)))
    assert (await registry.register("shop", referring(ORDER, ("tax", 1), ("money", 1)))).created


async def test_what_is_referred_to_is_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions that are referred to, directly and further on, are limited in number and size."""
    await registry.register("tax", referring(TAX, ("money", 1)))
    monkeypatch.setattr("registry.lineages.CLOSURE_VERSIONS", 1)
    with pytest.raises(LimitExceeded, match="closure_versions = 1"):
        await registry.register("shop", referring(ORDER, ("tax", 1)))
    monkeypatch.setattr("registry.lineages.CLOSURE_VERSIONS", 2)
    monkeypatch.setattr("registry.lineages.CLOSURE_BYTES", 100)
    with pytest.raises(LimitExceeded, match="closure_bytes = 100"):
        await registry.register("shop", referring(ORDER, ("tax", 1)))


async def test_a_change_of_what_is_referred_to_counts(registry: Registry) -> None:
    """A schema that names a version with other messages in it is held to its promise all the same."""
    await registry.register("tax", referring(TAX, ("money", 1)))
    await registry.update_subject("money", promise=NONE)
    await registry.register("money", message("money.proto", "message Money { string units = 1; }", "money"))
    report = await registry.check("tax", referring(TAX, ("money", 2)))
    assert [it.path for it in report.findings if "TYPE" in it.rule_id] == ["money.Money.units"]
