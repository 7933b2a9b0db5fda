"""The store of schemas in SQLite: compare-and-set, restarts, and the faults of files."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.errors import StorageFailed, StorageFull, StorageReadOnly
from registry.schema import SchemaVersion, Subject
from registry.sqlite_store import SqliteSchemaStore, UnknownSchemaFormat
from registry.store import VersionConflict

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)


def schema(subject: str, version: int, *types: str, content: str = "") -> SchemaVersion:
    return SchemaVersion(
        subject=subject,
        version=version,
        types=types,
        create_time=TIME,
        fingerprint=content or f"fingerprint {version}",
        descriptor_set=b"\x00descriptors",
        sources={"a.proto": "text"},
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteSchemaStore]:
    opened = await SqliteSchemaStore.open(tmp_path / "log.db")
    yield opened
    await opened.close()


async def test_a_version_comes_back_whole(store: SqliteSchemaStore) -> None:
    """What was added is found by number and by fingerprint, with every attribute, and without sources too."""
    with_sources, without = schema("s", 1, "a.A", "a.B"), SchemaVersion("s", 2, (), TIME, "2", b"x", None)
    await store.add(with_sources)
    await store.add(without)
    assert await store.get("s", 1) == with_sources
    assert await store.get("s", "fingerprint 1") == with_sources
    assert await store.get("s", 2) == without
    assert await store.get("s", 3) is None
    assert await store.get("t", 1) is None


async def test_listings_leave_out_what_is_large(store: SqliteSchemaStore) -> None:
    """Versions are listed oldest first without descriptors and sources, subjects by name."""
    for subject, version in (("b", 1), ("b", 2), ("a", 1), ("B", 1), ("b", 3)):
        await store.add(schema(subject, version, f"{subject}.A"))
    versions = await store.list_versions("b", after=1, limit=10)
    assert [it.version for it in versions] == [2, 3]
    assert {(it.descriptor_set, it.sources) for it in versions} == {(b"", None)}
    assert len(await store.list_versions("b", after=0, limit=2)) == 2
    subjects = await store.list_subjects(after="", limit=10)
    assert subjects == [Subject("B", 1, TIME), Subject("a", 1, TIME), Subject("b", 3, TIME)]
    assert [it.name for it in await store.list_subjects(after="B", limit=1)] == ["a"]


async def test_what_conflicts_changes_nothing(store: SqliteSchemaStore) -> None:
    """A version out of turn, a type of somebody else's or a fingerprint twice is refused as a whole."""
    await store.add(schema("s", 1, "a.A"))
    for wrong in (
        schema("s", 1, content="other"),
        schema("s", 3, content="other"),
        schema("new", 2),
        schema("new", 1, "b.B", "a.A"),
        schema("s", 2, content="fingerprint 1"),
    ):
        with pytest.raises(VersionConflict):
            await store.add(wrong)
    assert await store.list_subjects(after="", limit=10) == [Subject("s", 1, TIME)]
    assert await store.owners(["a.A", "b.B"]) == {"a.A": "s"}


async def test_one_of_many_becomes_the_next_version(tmp_path: Path) -> None:
    """Of registrations at once, through several connections, exactly one becomes each version."""
    stores = [await SqliteSchemaStore.open(tmp_path / "log.db") for _ in range(3)]
    for version in range(1, 5):
        candidates = [schema("s", version, content=f"{version} {index}") for index in range(6)]
        results = await asyncio.gather(
            *(stores[index % 3].add(it) for index, it in enumerate(candidates)), return_exceptions=True
        )
        assert sorted(map(repr, results)) == sorted(["None", *["VersionConflict()"] * 5])
        assert (await stores[0].get("s", version)) in candidates
    for store in stores:
        await store.close()


async def test_types_belong_to_one_subject_of_two_that_want_them(tmp_path: Path) -> None:
    """Of two subjects that claim one type at the same time, one gets it and the other is told."""
    stores = [await SqliteSchemaStore.open(tmp_path / "log.db") for _ in range(2)]
    results = await asyncio.gather(
        stores[0].add(schema("a", 1, "x.X")), stores[1].add(schema("b", 1, "x.X")), return_exceptions=True
    )
    assert sorted(map(repr, results)) == ["None", "VersionConflict()"]
    assert len(await stores[0].list_subjects(after="", limit=9)) == 1
    for store in stores:
        await store.close()


async def test_thousands_of_types_are_looked_up(store: SqliteSchemaStore) -> None:
    """A schema may have more types than a statement has parameters."""
    types = [f"p.T{index:05}" for index in range(5_000)]
    await store.add(schema("s", 1, *types))
    assert await store.owners([*types, "p.Other"]) == dict.fromkeys(types, "s")


async def test_similar_types_share_a_name_or_a_package(store: SqliteSchemaStore) -> None:
    """Types of the same last name, its first letters or the same package come into question."""
    await store.add(
        schema("s", 1, "shop.v1.Order", "shop.v1.Item", "shop.v2.Thing", "other.ORDER", "x.Ordering")
    )
    assert set(await store.similar_types("shop.v1.Order")) == {
        "shop.v1.Order",
        "shop.v1.Item",
        "other.ORDER",
        "x.Ordering",
    }
    assert await store.similar_types("") == await store.similar_types("%") == []


async def test_a_store_is_read_again_after_a_restart(tmp_path: Path) -> None:
    """Everything is there when the file is opened again."""
    first = await SqliteSchemaStore.open(tmp_path / "log.db")
    await first.add(schema("s", 1, "a.A"))
    await first.close()
    second = await SqliteSchemaStore.open(tmp_path / "log.db")
    assert await second.get("s", 1) == schema("s", 1, "a.A")
    await second.close()


async def test_another_format_is_refused(tmp_path: Path) -> None:
    """A file that a later release wrote is not touched, and the error names it and both formats."""
    await (await SqliteSchemaStore.open(tmp_path / "log.db")).close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("UPDATE schema_format SET version = 7")
    connection.close()
    with pytest.raises(UnknownSchemaFormat, match=r"log\.db holds schemas in format 7.*format 1"):
        await SqliteSchemaStore.open(tmp_path / "log.db")


async def test_a_full_disk_loses_nothing(store: SqliteSchemaStore) -> None:
    """Where the file can't grow, the version is refused as a whole and goes in once there is space."""
    await store.add(schema("s", 1, "a.A"))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    large = SchemaVersion("s", 2, ("a.B",), TIME, "large", bytes(1_000_000))
    with pytest.raises(StorageFull):
        await store.add(large)
    assert (await store.get("s", 2), await store.owners(["a.B"])) == (None, {})
    store._db.execute(f"PRAGMA max_page_count = {pages + 1_000}")
    await store.add(large)
    assert await store.get("s", 2) == large


async def test_a_file_that_cannot_be_written_is_still_read(store: SqliteSchemaStore) -> None:
    """A read-only file says so, and reading goes on."""
    await store.add(schema("s", 1, "a.A"))
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageReadOnly):
        await store.add(schema("s", 2))
    assert await store.get("s", 1) == schema("s", 1, "a.A")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file of another kind is refused by name."""
    (tmp_path / "log.db").write_bytes(b"something else" * 100)
    with pytest.raises(StorageFailed, match=r"log\.db"):
        await SqliteSchemaStore.open(tmp_path / "log.db")


SUBJECTS, TYPES = st.sampled_from("ab"), st.sets(st.sampled_from(("p.A", "p.B", "q.A")))
STEPS = st.lists(
    st.tuples(SUBJECTS, st.integers(1, 4), TYPES, st.sampled_from("1234"), st.booleans()), max_size=12
)


@settings(max_examples=max(settings().max_examples // 3, 1))
@given(steps=STEPS)
def test_the_store_is_its_model(
    steps: list[tuple[str, int, set[str], str, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any run of additions and restarts leaves what a few dictionaries would hold."""
    asyncio.run(follow(steps, tmp_path_factory.mktemp("model") / "log.db"))


async def follow(steps: list[tuple[str, int, set[str], str, bool]], path: Path) -> None:
    versions: dict[str, list[SchemaVersion]] = {"a": [], "b": []}
    owners: dict[str, str] = {}
    store = await SqliteSchemaStore.open(path)
    for subject, version, types, content, restart in steps:
        added = schema(subject, version, *sorted(types), content=content)
        fits = (
            version == len(versions[subject]) + 1
            and all(owners.get(it, subject) == subject for it in types)
            and content not in {it.fingerprint for it in versions[subject]}
        )
        try:
            await store.add(added)
        except VersionConflict:
            assert not fits
        else:
            assert fits
            versions[subject].append(added)
            owners |= dict.fromkeys(types, subject)
        if restart:
            await store.close()
            store = await SqliteSchemaStore.open(path)
    for subject, expected in versions.items():
        assert [await store.get(subject, number) for number in range(1, len(expected) + 2)] == [
            *expected,
            None,
        ]
    assert await store.owners(["p.A", "p.B", "q.A"]) == owners
    listed = {it.name: it.latest_version for it in await store.list_subjects(after="", limit=9)}
    assert listed == {name: len(them) for name, them in versions.items() if them}
    await store.close()
