"""Deleting, restoring and purging: what is hidden, what still works, who is asked, and what is recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from registry.compat.promise import Direction, Promise, Surface
from registry.errors import (
    EventTypeNotFound,
    InvalidRequest,
    SchemaDeleted,
    SchemaNeeded,
    SchemaVersionNotFound,
    SubjectNotFound,
)
from registry.schema import Author, ChangeKind
from registry.sqlite_store import SqliteSchemaStore
from tests.registries import message, opened, order, referring
from tests.registry_model import Uses

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from registry.registry import Registry
    from registry.store import Edit

ORDER = "shop.v1.Order"
ME = Author("10.0.0.1:99", "tidying up")
pytestmark = pytest.mark.usefixtures("schemas_compiled_once")


@pytest.fixture
def uses() -> Uses:
    return Uses()


@pytest.fixture
async def registry(tmp_path: Path, uses: Uses) -> AsyncIterator[Registry]:
    """A registry with three versions of one subject; each adds an event type."""
    async with opened(tmp_path / "log.db", uses) as found:
        for count in (1, 2, 3):
            await found.register("shop", order("int32 a", more=types(count)))
        yield found


def types(count: int) -> str:
    return " ".join(f"message T{number} {{}}" for number in range(1, count + 1))


async def listed(registry: Registry, **asked: bool) -> list[int]:
    return [it.version for it in await registry.list_versions("shop", after=0, limit=9, **asked)]


async def test_a_deleted_version_is_hidden_and_still_decodes(registry: Registry) -> None:
    """It is neither listed nor published with, the one before is the latest; its number still answers it."""
    validator = await registry.validator("shop", 3, ORDER)
    assert registry.cached_validator("shop", 3, ORDER) is validator
    whole = await registry.get("shop")
    await registry.delete("shop", 3)
    assert registry.latest_version("shop") == (await registry.get("shop")).version == 2
    assert (await listed(registry), await listed(registry, show_deleted=True)) == ([1, 2], [1, 2, 3])
    hidden = await registry.get("shop", 3)
    assert hidden.delete_time
    assert (hidden.descriptor_set, hidden.sources) == (whole.descriptor_set, whole.sources)
    assert registry.cached_validator("shop", 3, ORDER) is None
    with pytest.raises(SchemaVersionNotFound, match="version 3 of subject 'shop' was deleted"):
        await registry.validator("shop", 3, ORDER)
    with pytest.raises(SchemaDeleted, match="version 3"):
        await registry.register("shop", order("int32 a", more=types(3)))
    await registry.restore("shop", 3)
    assert (registry.latest_version("shop"), await listed(registry)) == (3, [1, 2, 3])
    await registry.validator("shop", 3, ORDER)


async def test_a_deleted_subject_is_hidden_whole(registry: Registry) -> None:
    """Nothing of it is found but by number; restored, it is as before, with what was deleted before it."""
    await registry.delete("shop", 2)
    await registry.delete("shop")
    for wrong in (
        registry.get("shop"),
        registry.list_versions("shop", after=0, limit=9),
        registry.validator("shop", 1, ORDER),
        registry.get_by_type(ORDER),
        registry.update_subject("shop", block_on_readers=True),
    ):
        with pytest.raises(SubjectNotFound, match="was deleted"):
            await wrong
    with pytest.raises(SubjectNotFound):
        registry.latest_version("shop")
    with pytest.raises(SchemaDeleted, match="subject 'shop'"):
        await registry.register("shop", order("int32 a", "int32 b"))
    assert (await registry.get_by_type(ORDER, 1)).version == (await registry.get("shop", 1)).version == 1
    assert await registry.list_subjects(after="", limit=9) == []
    (subject,) = await registry.list_subjects(after="", limit=9, show_deleted=True)
    assert subject == await registry.get_subject("shop")
    assert subject.delete_time
    restored = await registry.restore("shop")
    assert (restored.latest_version, restored.delete_time) == (3, None)
    assert await listed(registry) == [1, 3]


async def test_what_is_done_already_is_done(registry: Registry) -> None:
    """Deleting and restoring again change nothing and are not recorded; what is not there is not found."""
    for act, versions in ((registry.delete, (2, 0)), (registry.restore, (0, 2))):
        for version in versions:
            await act("shop", version)
            before = await registry.changes(before=99, limit=99)
            await act("shop", version)
            assert await registry.changes(before=99, limit=99) == before
        with pytest.raises(SchemaVersionNotFound):
            await act("shop", 4)
        with pytest.raises(SubjectNotFound):
            await act("nobody")


async def test_a_version_of_a_deleted_subject_is_not_restored_alone(registry: Registry) -> None:
    """The subject must come back first: the error says so."""
    await registry.delete("shop")
    with pytest.raises(InvalidRequest, match="deleted as a whole"):
        await registry.restore("shop", 1)


async def test_only_what_is_deleted_is_purged(registry: Registry) -> None:
    """Purging asks for a deletion before it; then nothing is left, and its number is never given again."""
    with pytest.raises(InvalidRequest, match="delete it first"):
        await registry.delete("shop", 3, purge=True)
    with pytest.raises(InvalidRequest, match="delete it first"):
        await registry.delete("shop", purge=True)
    await registry.delete("shop", 3)
    await registry.delete("shop", 3, purge=True)
    with pytest.raises(SchemaVersionNotFound):
        await registry.get("shop", 3)
    with pytest.raises(EventTypeNotFound):
        await registry.get_by_type("shop.v1.T3")
    assert (await registry.register("shop", order("int32 a", more=types(3)))).schema.version == 4
    await registry.delete("shop")
    await registry.delete("shop", purge=True)
    with pytest.raises(SubjectNotFound, match="does not exist"):
        await registry.get("shop", 1)
    assert await registry.list_subjects(after="", limit=9, show_deleted=True) == []
    made = await registry.register("other", order("int32 a"))
    assert made.schema.types == (ORDER,)
    assert (await registry.register("shop", order("int32 a", package="new"))).schema.version == 5


async def test_topics_keep_what_they_need(registry: Registry, uses: Uses) -> None:
    """The last version, or one whose types a topic accepts, stays while there are topics, which are named."""
    uses.accepted = {"t.all": ("shop", ()), "t.two": ("shop", ("shop.v1.T2",))}
    with pytest.raises(SchemaNeeded, match=r"subject 'shop'.*topic t\.all; topic t\.two\."):
        await registry.delete("shop")
    await registry.delete("shop", 3)
    with pytest.raises(SchemaNeeded, match=r"version 2 of.*topic t\.two\."):
        await registry.delete("shop", 2)
    del uses.accepted["t.two"]
    await registry.delete("shop", 2)
    with pytest.raises(SchemaNeeded, match=r"topic t\.all"):
        await registry.delete("shop", 1)
    uses.accepted = {}
    await registry.delete("shop", 1)
    with pytest.raises(SchemaVersionNotFound, match="'shop' has no version; it has none"):
        registry.latest_version("shop")
    assert (await registry.register("shop", order("int32 a", "int32 b"))).schema.version == 4


async def test_stored_events_keep_what_they_need(registry: Registry, uses: Uses) -> None:
    """Nothing is removed for good while an event of it is stored: the topics are named."""
    uses.events = {("shop", 3)}
    await registry.delete("shop", 3)
    for version in (3, 0):
        if not version:
            await registry.delete("shop")
        with pytest.raises(SchemaNeeded, match=r"events stored in topic t\.shop"):
            await registry.delete("shop", version, purge=True)
    uses.events = set()
    await registry.delete("shop", purge=True)


async def test_references_keep_what_they_need(registry: Registry) -> None:
    """A version that another one refers to stays, even while that one is hidden; the error names it."""
    candidate = message("bill.proto", "message Bill { shop.v1.Order order = 1; }", "bill", "order.proto")
    await registry.register("bill", referring(candidate, ("shop", 2)))
    for version in (2, 0):
        with pytest.raises(SchemaNeeded, match="needed by version 1 of subject 'bill'"):
            await registry.delete("shop", version)
    await registry.delete("shop", 3)
    await registry.delete("bill")
    with pytest.raises(SchemaNeeded, match=r"'bill' \(deleted, but not purged\)\."):
        await registry.delete("shop", 2)
    await registry.delete("bill", purge=True)
    await registry.delete("shop")


async def test_every_change_is_recorded_with_who_and_why(registry: Registry) -> None:
    """Each registration, deletion, purge and restoration is listed, the latest first, with what it did."""
    await registry.delete("shop", 1, author=ME)
    await registry.delete("shop", 1, purge=True, author=ME)
    await registry.delete("shop", author=ME)
    await registry.restore("shop", author=ME)
    await registry.delete("shop", 2)
    await registry.restore("shop", 2)
    bill = message("bill.proto", "message Bill { shop.v1.Order order = 1; }", "bill", "order.proto")
    await registry.register("bill", referring(bill, ("shop", 2)), author=ME)
    await registry.update_subject("shop", promise=Promise(Direction.NONE, Surface.WIRE))
    many = " ".join(f"message N{number} {{}}" for number in range(1, 8))
    await registry.register("shop", order("int32 a", more=f"message T1 {{}} {many}"))
    found = await registry.changes(before=99, limit=99)
    assert [(it.kind.value, it.subject, it.version, it.author == ME, it.detail) for it in found] == [
        ("REGISTER", "shop", 4, False, ADDED),
        ("CONFIGURE", "shop", 0, False, "compatibility: default -> NONE WIRE"),
        ("REGISTER", "bill", 1, True, "adds bill.Bill; refers to shop@2"),
        ("RESTORE", "shop", 2, False, ""),
        ("DELETE", "shop", 2, False, ""),
        ("RESTORE", "shop", 0, True, "versions 2, 3"),
        ("DELETE", "shop", 0, True, "versions 2, 3"),
        ("PURGE", "shop", 1, True, ""),
        ("DELETE", "shop", 1, True, ""),
        ("REGISTER", "shop", 3, False, "adds shop.v1.T3"),
        ("REGISTER", "shop", 2, False, "adds shop.v1.T2"),
        ("REGISTER", "shop", 1, False, "adds shop.v1.Order, shop.v1.T1"),
    ]
    assert [it.number for it in found] == list(range(12, 0, -1))
    page = await registry.changes("bill", before=99, limit=1)
    assert [(it.kind, it.number) for it in page] == [(ChangeKind.REGISTER, 10)]


ADDED = (
    "adds shop.v1.N1, shop.v1.N2, shop.v1.N3, shop.v1.N4, shop.v1.N5 and 2 more; "
    "removes shop.v1.T2, shop.v1.T3"
)


async def test_a_change_that_has_begun_is_done_though_nobody_waits(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that goes away while the store writes leaves the registry knowing what was written."""
    began, may_end = asyncio.Event(), asyncio.Event()
    apply = SqliteSchemaStore.apply

    async def slow(store: SqliteSchemaStore, edit: Edit) -> Any:
        began.set()
        await may_end.wait()
        return await apply(store, edit)

    await registry.validator("shop", 3, ORDER)
    monkeypatch.setattr(SqliteSchemaStore, "apply", slow)
    deleting = asyncio.create_task(registry.delete("shop", 3))
    await began.wait()
    deleting.cancel()
    await asyncio.gather(deleting, return_exceptions=True)
    may_end.set()
    with pytest.raises(SchemaVersionNotFound):
        await registry.validator("shop", 3, ORDER[:-1] + "r")
    assert registry.latest_version("shop") == 2
    assert registry.cached_validator("shop", 3, ORDER) is None


async def test_validators_of_what_is_being_deleted_are_not_kept(registry: Registry) -> None:
    """However builds and deletions meet, none is ready behind the deletion."""
    for _ in range(5):
        building = [registry.validator("shop", 3, it) for it in (ORDER, "shop.v1.T1", "shop.v1.T2")]
        await asyncio.gather(*building, registry.delete("shop", 3), return_exceptions=True)
        assert registry.cached_validator("shop", 3, ORDER) is None
        assert registry.cached_validator("shop", 3, "shop.v1.T2") is None
        await registry.restore("shop", 3)
