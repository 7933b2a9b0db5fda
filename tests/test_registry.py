"""The registry: who may register what, what is one version, and what is kept ready to check events."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given
from hypothesis import strategies as st

from registry.compiling.compiler import compile_sources
from registry.errors import (
    EventTypeNotFound,
    EventTypeTaken,
    IncompatibleSchema,
    InvalidRequest,
    InvalidSchema,
    SchemaVersionNotFound,
    SubjectNotFound,
)
from registry.names import close_names, shown
from registry.ready import ReadySchemas, ReadyVersion
from registry.registry import Registry
from registry.report import Registered
from registry.schema import Author, Candidate, Change, ChangeKind, SchemaVersion, Subject
from registry.sqlite_store import SqliteSchemaStore
from registry.store import Edit
from tests.registries import opened, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path


NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def open_registry(tmp_path: Path) -> Callable[[], AbstractAsyncContextManager[Registry]]:
    """Opens registries over one file."""
    return lambda: opened(tmp_path / "log.db")


@pytest.fixture
async def registry(
    open_registry: Callable[[], AbstractAsyncContextManager[Registry]],
) -> AsyncIterator[Registry]:
    async with open_registry() as opened_:
        yield opened_


async def test_versions_follow_each_other(registry: Registry) -> None:
    """A changed schema is the next version; one that is there already answers the version it is."""
    first = await registry.register("shop", order("string id"))
    second = await registry.register("shop", order("string id", "int32 count"))
    one, two = first.schema, second.schema
    again = await registry.register("shop", Candidate(descriptor_set=one.descriptor_set))
    assert (one.version, two.version, again.schema) == (1, 2, one)
    assert (first.created, second.created, again.created) == (True, True, False)
    assert registry.latest_version("shop") == 2
    assert await registry.get("shop") == two
    assert await registry.get("shop", 1) == one
    assert await registry.get_by_type("shop.v1.Order", 1) == one
    assert [it.version for it in await registry.list_versions("shop", after=0, limit=9)] == [1, 2]
    assert [it.name for it in await registry.list_subjects(after="", limit=9)] == ["shop"]


async def test_everything_is_there_after_a_restart(
    open_registry: Callable[[], AbstractAsyncContextManager[Registry]],
) -> None:
    """Versions, types and validators are read from the store by a registry that has just been opened."""
    async with open_registry() as first:
        made = (await first.register("shop", order("string id"))).schema
    async with open_registry() as second:
        assert second.latest_version("shop") == 1
        assert await second.get_by_type("shop.v1.Order") == made
        validator = await second.validator("shop", 1, "shop.v1.Order")
        assert second.cached_validator("shop", 1, "shop.v1.Order") is validator
        assert await second.register("shop", order("string id")) == Registered(made, created=False)


async def test_an_incompatible_schema_is_refused_with_each_finding(registry: Registry) -> None:
    """A schema that breaks the promise is refused against the latest version, and nothing is stored."""
    await registry.register("shop", order("string id", "int32 a", "int32 b"))
    with pytest.raises(IncompatibleSchema) as caught:
        await registry.register("shop", order("string id", "string a", "fixed32 b"))
    rules = {(it.field, it.rule_id) for it in caught.value.violations}
    assert rules == {
        ("shop.v1.Order.a", "FIELD_WIRE_COMPATIBLE_TYPE"),
        ("shop.v1.Order.b", "FIELD_WIRE_COMPATIBLE_TYPE"),
    }
    assert caught.value.facts() | {"x": ""} == {
        "subject": "shop", "against_version": "1", "promise": "BACKWARD WIRE", "findings": "2", "x": ""
    }  # fmt: skip
    assert registry.latest_version("shop") == 1


async def test_a_type_belongs_to_one_subject(registry: Registry) -> None:
    """A message of another subject's can't be registered, and the error names its owner."""
    await registry.register("shop", order("string id"))
    with pytest.raises(EventTypeTaken, match=r"shop\.v1\.Order.*'other'.*'shop'"):
        await registry.register("other", order("string id"))
    await registry.register("other", order("string id", package="other.v1"))


@pytest.mark.parametrize("name", ["", ".a", "-a", "a b", "a/b", "ä", "a\n", "x" * 256])
async def test_malformed_subject_names_are_refused(registry: Registry, name: str) -> None:
    """A subject's name is letters, digits, `_`, `-` and `.`, a letter or digit first."""
    with pytest.raises(InvalidRequest, match="subject"):
        await registry.register(name, order("string id"))


async def test_exactly_one_form_of_schema_is_taken(registry: Registry) -> None:
    """Neither nothing nor sources and a descriptor set together."""
    for candidate in (Candidate(), Candidate(sources={}, descriptor_set=b"")):
        with pytest.raises(InvalidRequest, match="exactly one"):
            await registry.register("shop", candidate)


async def test_what_is_unknown_names_what_is_close(registry: Registry) -> None:
    """Unknown subjects, versions and types are not found, and the error names what exists that is close."""
    await registry.register("shop", order("string id", more="message Item {}"))
    with pytest.raises(SubjectNotFound) as subject:
        await registry.get("shops")
    with pytest.raises(SchemaVersionNotFound, match="latest version is 1"):
        await registry.get("shop", 2)
    with pytest.raises(EventTypeNotFound) as of_all:
        await registry.get_by_type("shop.v1.Ordr")
    with pytest.raises(EventTypeNotFound) as of_version:
        await registry.validator("shop", 1, "shop.v1.Itme")
    near = [caught.value.near[0] for caught in (subject, of_all, of_version)]
    assert near == ["shop", "shop.v1.Order", "shop.v1.Item"]


@pytest.mark.parametrize("version", [-1, 0, 2, 2**32, 2**63, 2**70])
async def test_no_version_is_too_odd_to_be_unknown(registry: Registry, version: int) -> None:
    """Numbers that no version has are not found, however large."""
    await registry.register("shop", order("string id"))
    with pytest.raises(SchemaVersionNotFound):
        await registry.validator("shop", version, "shop.v1.Order")
    assert await registry.list_versions("shop", after=2**70, limit=1) == []


async def test_long_unknown_names_are_cut(registry: Registry) -> None:
    """A name of a megabyte costs neither time nor a long answer."""
    long = "x" * 1_000_000
    with pytest.raises(SubjectNotFound) as subject:
        await registry.get(long)
    with pytest.raises(EventTypeNotFound) as of_type:
        await registry.get_by_type(long)
    assert len(str(subject.value)) + len(str(of_type.value)) < 5_000


async def test_registering_the_same_at_once_makes_one_version(registry: Registry) -> None:
    """Of many equal registrations at once, one makes the version and all answer it."""
    results = await asyncio.gather(*(registry.register("shop", order("string id")) for _ in range(6)))
    assert [it.schema.version for it in results] == [1] * 6
    assert sum(it.created for it in results) == 1


async def test_registering_others_at_once_makes_a_line_of_compatible_versions(
    open_registry: Callable[[], AbstractAsyncContextManager[Registry]],
) -> None:
    """Registrations at once, through two registries, never make two versions of one number or a bad line."""
    fields = ["string id", "int32 a", "int32 b", "int32 c"]
    async with open_registry() as one, open_registry() as other:
        results = await asyncio.gather(
            *((one, other)[count % 2].register("shop", order(*fields[:count])) for count in range(1, 5)),
            return_exceptions=True,
        )
        made = [it.schema.version for it in results if isinstance(it, Registered)]
        assert all(isinstance(it, (Registered, IncompatibleSchema)) for it in results)
        assert sorted(made) == list(range(1, len(made) + 1))
        latest = await other.get("shop")
        assert (latest.version, (await one.get("shop")).version) == (len(made), len(made))


async def test_one_registry_sees_what_another_registered(
    open_registry: Callable[[], AbstractAsyncContextManager[Registry]],
) -> None:
    """A registry over the same store finds subjects and versions that came after it was opened."""
    async with open_registry() as one, open_registry() as other:
        await one.register("shop", order("string id"))
        assert (await other.get("shop")).version == 1
        await one.register("shop", order("string id", "int32 a"))
        assert (await other.get("shop")).version == 2
        assert other.latest_version("shop") == 2


async def test_a_thousand_subjects_are_opened_without_their_schemas(tmp_path: Path) -> None:
    """Opening reads names and numbers; schemas are loaded for the first event, one by one."""
    store = await SqliteSchemaStore.open(tmp_path / "log.db")
    store._db.execute("PRAGMA synchronous = OFF")
    made = compile_sources({"a.proto": 'syntax = "proto3"; package a; message A {}'})
    for number in range(1_000):
        name = f"subject{number}"
        schema = SchemaVersion(name, 1, (), NOW, made.fingerprint, made.descriptor_set)
        change = Change(ChangeKind.REGISTER, name, 1, Author(), "", NOW)
        await store.apply(Edit(None, Subject(name, 1, NOW), change, added=schema))
    store._db.execute("ALTER TABLE schema_versions RENAME TO not_to_be_read")
    started = time.monotonic()
    registry = Registry(store)
    await registry.open()
    assert time.monotonic() - started < 2
    assert registry.latest_version("subject999") == 1
    await store.close()


async def test_a_validator_is_built_once(registry: Registry) -> None:
    """Callers at once share one validator, and it is ready for the next."""
    await registry.register("shop", order("string id"))
    assert registry.cached_validator("shop", 1, "shop.v1.Order") is None
    built = await asyncio.gather(*(registry.validator("shop", 1, "shop.v1.Order") for _ in range(5)))
    assert len(set(map(id, built))) == 1
    assert registry.cached_validator("shop", 1, "shop.v1.Order") is built[0]


async def test_rules_that_do_not_hold_together_are_refused_at_registration(registry: Registry) -> None:
    """A rule that does not type-check is found here, not at the first event, and nothing is stored."""
    rule = """
        syntax = "proto3"; package shop.v1; import "buf/validate/validate.proto";
        message Order {
          int32 x = 1 [(buf.validate.field).cel = {id: "x.big" message: "m" expression: "this > 'a'"}];
        }
    """
    with pytest.raises(InvalidSchema) as caught:
        await registry.register("shop", Candidate({"order.proto": rule}))
    assert "shop.v1.Order.x" in caught.value.violations[0].field
    assert await registry.list_subjects(after="", limit=9) == []


async def test_a_caller_that_leaves_starts_no_more_work(registry: Registry) -> None:
    """Registrations whose callers went away leave the registry usable."""
    tasks = [asyncio.create_task(registry.register("shop", order("string id"))) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (await registry.register("shop", order("string id"))).schema.version == 1


STEPS = st.lists(st.tuples(st.integers(1, 6), st.sampled_from("ABC"), st.integers(1, 40_000)), max_size=60)


@given(STEPS)
def test_what_is_kept_ready_is_bounded_and_consistent(steps: list[tuple[int, str, int]]) -> None:
    """No more is kept than fits, the last one asked for always is, and a version goes with its validators."""
    ready = ReadySchemas(validators_kept=4, loaded_bytes_kept=200_000)
    pool: Any = DescriptorPool()
    sizes: dict[int, int] = {}
    for version, type_name, size in steps:
        kept = ready.version("s", version)
        if kept is None:
            kept = ReadyVersion("s", version, frozenset("ABC"), sizes.setdefault(version, size), pool)
            ready.keep_version(kept)
        validator: Any = object()
        ready.keep_validator(kept, type_name, validator)
        assert ready.validator("s", version, type_name) is validator
        assert ready.version("s", version) is kept
        held = [it for it in (ready.version("s", number) for number in range(1, 7)) if it is not None]
        assert sum(it.weight for it in held) <= 200_000 or len(held) == 1
        names = [
            (number, name) for number in range(1, 7) for name in "ABC" if ready.validator("s", number, name)
        ]
        assert len(names) <= 4
        assert {number for number, _ in names} <= {it.version for it in held}
        assert ready.validator("s", version, type_name) is validator


@given(st.text(max_size=600), st.lists(st.text(max_size=20), max_size=30))
def test_close_names_exist(name: str, existing: list[str]) -> None:
    """What is named as close exists, and an exact name is the closest."""
    assert set(close_names(name, existing)) <= set(existing)
    assert len(shown(name)) <= 513
    if 0 < len(name) <= 512:
        assert close_names(name, [*existing[:10], name])[0] == name
