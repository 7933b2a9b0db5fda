"""The store of schemas in SQLite: compare-and-set, restarts, earlier formats, and the faults of files."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.compat.promise import Direction, Promise, Surface
from registry.errors import StorageFailed, StorageFull, StorageReadOnly
from registry.schema import (
    Author,
    Change,
    ChangeKind,
    SchemaReference,
    SchemaVersion,
    Subject,
    SubjectMode,
)
from registry.sqlite_store import READ_BYTES, SqliteSchemaStore, UnknownSchemaFormat
from registry.store import Conflict, Edit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TIME = datetime(2026, 1, 2, 3, 4, 5, 678_901, tzinfo=UTC)
LATER = TIME + timedelta(days=1)
ALL = 2**62


def schema(subject: str, version: int, *types: str, content: str = "", **more: Any) -> SchemaVersion:
    return SchemaVersion(
        subject=subject,
        version=version,
        types=types,
        create_time=TIME,
        fingerprint=content or f"fingerprint {version}",
        **{"descriptor_set": b"\x00descriptors", "sources": {"a.proto": "text"}, "own_files": ("a.proto",)}
        | more,
    )


def edit_of(before: Subject | None, after: Subject, kind: ChangeKind, **more: Any) -> Edit:
    return Edit(before, after, Change(kind, after.name, 0, Author("me", "why"), "what", TIME), **more)


async def add(store: SqliteSchemaStore, added: SchemaVersion) -> Subject:
    """Adds a version as the next one, whatever its number."""
    before = await store.subject(added.subject)
    latest = {"latest_version": added.version, "highest_version": added.version}
    after = replace(before or Subject(added.subject, 0, TIME), **latest)
    return await store.apply(edit_of(before, after, ChangeKind.REGISTER, added=added))


async def hide(store: SqliteSchemaStore, name: str, *versions: int, time: datetime | None = TIME) -> Subject:
    subject = await store.subject(name)
    assert subject
    times = dict.fromkeys(versions, time)
    return await store.apply(edit_of(subject, subject, ChangeKind.DELETE, delete_times=times))


async def purge(store: SqliteSchemaStore, name: str, *versions: int) -> Subject:
    subject = await store.subject(name)
    assert subject
    return await store.apply(edit_of(subject, subject, ChangeKind.PURGE, purged=versions))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteSchemaStore]:
    opened = await SqliteSchemaStore.open(tmp_path / "log.db")
    yield opened
    await opened.close()


async def test_a_version_comes_back_whole(store: SqliteSchemaStore) -> None:
    """What was added is found by number and by fingerprint, with every attribute, or with none."""
    await add(store, schema("r", 1))
    await add(store, schema("r", 4, content="4"))
    full = schema(
        "s",
        1,
        "a.A",
        "a.B",
        references=(SchemaReference("r", 1), SchemaReference("r", 4)),
        source_info=b"positions" * 100,
        delete_time=LATER,
    )
    bare = SchemaVersion("s", 2, (), TIME, "2", b"x")
    await add(store, full)
    await add(store, bare)
    assert await store.get("s", 1) == await store.get("s", "fingerprint 1") == full
    assert await store.get("s", 2) == bare
    assert await store.get("s", 3) is await store.get("t", 1) is None


async def test_a_subject_comes_back_whole(store: SqliteSchemaStore) -> None:
    """Every setting is kept, and each change gives the subject the number under which it is recorded."""
    promise = Promise(Direction.FULL_TRANSITIVE, Surface.SOURCE)
    full = Subject("s", 3, TIME, promise, SubjectMode.IMPORT, True, "etag", LATER, 7, purged=True)  # noqa: FBT003
    one = await store.apply(edit_of(None, full, ChangeKind.CONFIGURE))
    assert one == replace(full, revision=1) == await store.subject("s")
    two = await store.apply(edit_of(one, Subject("s", 0, TIME), ChangeKind.CONFIGURE))
    assert two == Subject("s", 0, TIME, revision=2) == await store.subject("s")
    assert await store.subject("t") is None


async def test_listings_leave_out_what_is_large(store: SqliteSchemaStore) -> None:
    """Versions are listed oldest first without descriptors and sources, subjects by name."""
    for subject, version in (("b", 1), ("b", 2), ("a", 1), ("B", 1), ("b", 3)):
        await add(store, schema(subject, version, f"{subject}.A", source_info=b"x"))
    versions = await store.list_versions("b", after=1, limit=10, show_deleted=False)
    assert [it.version for it in versions] == [2, 3]
    assert {(it.descriptor_set, it.sources, it.source_info) for it in versions} == {(b"", None, b"")}
    assert len(await store.list_versions("b", after=0, limit=2, show_deleted=False)) == 2
    subjects = await store.list_subjects(after="", limit=10, show_deleted=False)
    assert [(it.name, it.latest_version) for it in subjects] == [("B", 1), ("a", 1), ("b", 3)]
    assert [it.name for it in await store.list_subjects(after="B", limit=1, show_deleted=False)] == ["a"]


async def test_listings_leave_out_what_is_hidden_unless_asked(store: SqliteSchemaStore) -> None:
    """Deleted versions and subjects are listed on request, purged subjects never."""
    for name in ("a", "b", "c"):
        await add(store, schema(name, 1))
        await add(store, schema(name, 2, content="2"))
    await hide(store, "a", 1)
    for name, gone in (("b", {"delete_time": TIME}), ("c", {"delete_time": TIME, "purged": True})):
        subject = await store.subject(name)
        assert subject
        await store.apply(edit_of(subject, replace(subject, **gone), ChangeKind.DELETE))

    async def listed(*, show_deleted: bool) -> tuple[list[int], list[str]]:
        versions = await store.list_versions("a", after=0, limit=9, show_deleted=show_deleted)
        subjects = await store.list_subjects(after="", limit=9, show_deleted=show_deleted)
        return [it.version for it in versions], [it.name for it in subjects]

    assert await listed(show_deleted=False) == ([2], ["a"])
    assert await listed(show_deleted=True) == ([1, 2], ["a", "b"])
    await hide(store, "a", 1, time=None)
    assert (await listed(show_deleted=False))[0] == [1, 2]


async def test_pages_with_descriptors_are_bounded(store: SqliteSchemaStore) -> None:
    """A page with descriptors ends behind some megabytes, however many versions are left."""
    for version in range(1, 5):
        await add(store, schema("s", version, descriptor_set=bytes(READ_BYTES // 2 + 1)))
    pages, after = [], 0
    while page := await store.list_versions(
        "s", after=after, limit=100, show_deleted=False, descriptors=True
    ):
        pages.append([len(it.descriptor_set) for it in page])
        after = page[-1].version
    assert pages == [[READ_BYTES // 2 + 1] * 2] * 2


async def test_what_conflicts_changes_nothing(store: SqliteSchemaStore) -> None:
    """A change of what has changed meanwhile, or that takes what is taken, is refused as a whole."""
    old = await add(store, schema("s", 1, "a.A"))
    await add(store, schema("r", 1, "r.R"))
    await add(store, schema("r", 2, content="2"))
    await hide(store, "r", 2)
    current = await add(store, schema("s", 2, content="2", references=(SchemaReference("r", 1),)))

    async def fails(edit: Edit) -> None:
        with pytest.raises(Conflict):
            await store.apply(edit)

    after = replace(current, latest_version=3)
    register = ChangeKind.REGISTER
    for before in (old, None):
        await fails(edit_of(before, after, register, added=schema("s", 3, content="3")))
    for wrong in (
        schema("s", 2, content="3"),
        schema("s", 3, content="2"),
        schema("s", 3, "b.B", "r.R", content="3"),
        *(schema("s", 3, "b.B", content="3", references=(SchemaReference("r", each),)) for each in (2, 3)),
    ):
        await fails(edit_of(current, after, register, added=wrong))
    await fails(edit_of(old, Subject("new", 0, TIME), register))
    referenced = await store.subject("r")
    assert referenced
    await fails(edit_of(referenced, referenced, ChangeKind.DELETE, delete_times={2: None, 1: TIME}))
    await fails(edit_of(referenced, referenced, ChangeKind.PURGE, purged=(2, 1)))
    assert [it.name for it in await store.list_subjects(after="", limit=9, show_deleted=True)] == ["r", "s"]
    assert await store.subject("s") == current
    assert await store.owners(["a.A", "b.B", "r.R"]) == {"a.A": "s", "r.R": "r"}
    hidden = await store.get("r", 2)
    assert hidden
    assert hidden.delete_time == TIME
    assert len(await store.changes(None, before=ALL, limit=99)) == 5


async def test_purging_frees_types_and_references(store: SqliteSchemaStore) -> None:
    """Types are free when no version of the subject has them; what was referred to can go as well."""
    await add(store, schema("r", 1, "r.R"))
    await add(store, schema("s", 1, "a.A", "a.B", references=(SchemaReference("r", 1),)))
    await add(store, schema("s", 2, "a.B", content="2"))
    assert await store.referencing("r", 1, limit=9) == await store.referencing("r", 0, limit=9)
    assert await store.referencing("r", 0, limit=9) == [SchemaReference("s", 1)]
    assert await store.referencing("r", 2, limit=9) == []
    await purge(store, "s", 1)
    assert await store.get("s", 1) is None
    assert await store.owners(["a.A", "a.B"]) == {"a.B": "s"}
    await purge(store, "r", 1)
    await purge(store, "s", 2)
    assert await store.owners(["a.A", "a.B", "r.R"]) == {}


async def test_changes_are_listed_latest_first(store: SqliteSchemaStore) -> None:
    """Every change is recorded whole, and listed by page, of a subject or of all."""
    for name in ("a", "b", "a", "a"):
        await add(store, schema(name, len(await store.changes(name, before=ALL, limit=9)) + 1))
    found = await store.changes(None, before=ALL, limit=3)
    assert [(it.number, it.subject) for it in found] == [(4, "a"), (3, "a"), (2, "b")]
    of_one = await store.changes("a", before=4, limit=9)
    assert of_one == [
        Change(ChangeKind.REGISTER, "a", 0, Author("me", "why"), "what", TIME, number) for number in (3, 1)
    ]


async def test_one_of_many_becomes_the_next_version(tmp_path: Path) -> None:
    """Of registrations at once, through several connections, exactly one becomes each version."""
    stores = [await SqliteSchemaStore.open(tmp_path / "log.db") for _ in range(3)]
    for version in range(1, 5):
        candidates = [schema("s", version, content=f"{version} {index}") for index in range(6)]
        before = await stores[0].subject("s")
        after = Subject("s", version, TIME)
        edits = [edit_of(before, after, ChangeKind.REGISTER, added=it) for it in candidates]
        results = await asyncio.gather(
            *(stores[index % 3].apply(it) for index, it in enumerate(edits)), return_exceptions=True
        )
        assert sorted(type(it).__name__ for it in results) == [*["Conflict"] * 5, "Subject"]
        assert (await stores[0].get("s", version)) in candidates
    for store in stores:
        await store.close()


async def test_types_belong_to_one_subject_of_two_that_want_them(tmp_path: Path) -> None:
    """Of two subjects that claim one type at the same time, one gets it and the other is told."""
    stores = [await SqliteSchemaStore.open(tmp_path / "log.db") for _ in range(2)]
    results = await asyncio.gather(
        add(stores[0], schema("a", 1, "x.X")), add(stores[1], schema("b", 1, "x.X")), return_exceptions=True
    )
    assert sorted(type(it).__name__ for it in results) == ["Conflict", "Subject"]
    assert len(await stores[0].list_subjects(after="", limit=9, show_deleted=True)) == 1
    for store in stores:
        await store.close()


async def test_thousands_of_types_are_looked_up(store: SqliteSchemaStore) -> None:
    """A schema may have more types than a statement has parameters."""
    types = [f"p.T{index:05}" for index in range(5_000)]
    await add(store, schema("s", 1, *types))
    assert await store.owners([*types, "p.Other"]) == dict.fromkeys(types, "s")


async def test_similar_types_share_a_name_or_a_package(store: SqliteSchemaStore) -> None:
    """Types of the same last name, its first letters or the same package come into question."""
    await add(
        store, schema("s", 1, "shop.v1.Order", "shop.v1.Item", "shop.v2.Thing", "other.ORDER", "x.Ordering")
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
    subject = await add(first, schema("s", 1, "a.A"))
    await first.close()
    second = await SqliteSchemaStore.open(tmp_path / "log.db")
    assert await second.get("s", 1) == schema("s", 1, "a.A")
    assert await second.subject("s") == subject
    await second.close()


FORMAT_1 = (
    'CREATE TABLE "schema_format" ("version" INTEGER PRIMARY KEY)',
    (
        'CREATE TABLE "schema_subjects" ("name" TEXT PRIMARY KEY, "latest_version" INTEGER NOT NULL, '
        '"create_time" INTEGER NOT NULL)'
    ),
    (
        'CREATE TABLE "schema_versions" ("subject" TEXT, "version" INTEGER, "types" TEXT NOT NULL, '
        '"create_time" INTEGER NOT NULL, "fingerprint" TEXT NOT NULL, "descriptor_set" BLOB NOT NULL, '
        '"sources" TEXT, PRIMARY KEY ("subject", "version"))'
    ),
    (
        'CREATE UNIQUE INDEX "idx_schema_versions_subject_fingerprint" '
        'ON "schema_versions" ("subject", "fingerprint")'
    ),
    'CREATE TABLE "schema_types" ("name" TEXT PRIMARY KEY, "subject" TEXT NOT NULL, "last_name" TEXT)',
    'CREATE INDEX "idx_schema_types_last_name" ON "schema_types" ("last_name")',
    "INSERT INTO schema_format VALUES (1)",
    "INSERT INTO schema_subjects VALUES ('s', 2, 1000000)",
    "INSERT INTO schema_types VALUES ('a.A', 's', 'a')",
)


def of_format_1(path: Path) -> bytes:
    """Writes a file as the first release did, and answers the descriptor set of its versions."""
    names = ("google/protobuf/timestamp.proto", "b.proto", "a.proto")
    data = FileDescriptorSet(file=[FileDescriptorProto(name=it) for it in names]).SerializeToString()
    with sqlite3.connect(path) as connection:
        for statement in FORMAT_1:
            connection.execute(statement)
        for version in (1, 2):
            row = ("s", version, '["a.A"]', version, str(version), data, None)
            connection.execute("INSERT INTO schema_versions VALUES (?, ?, ?, ?, ?, ?, ?)", row)
    connection.close()
    return data


async def test_a_file_of_the_first_format_is_extended(tmp_path: Path) -> None:
    """Subjects and versions of an earlier release are all there, with their own files, and can be changed."""
    data = of_format_1(tmp_path / "log.db")
    for _ in range(2):
        store = await SqliteSchemaStore.open(tmp_path / "log.db")
        subject = await store.subject("s")
        assert subject
        assert len(subject.etag) == 16
        epoch = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
        assert replace(subject, etag="") == Subject("s", 2, epoch, highest_version=2)
        version = await store.get("s", 2)
        assert version
        assert (version.descriptor_set, version.types) == (data, ("a.A",))
        assert (version.own_files, version.references) == (("a.proto", "b.proto"), ())
        await store.close()
    store = await SqliteSchemaStore.open(tmp_path / "log.db")
    assert (await add(store, schema("s", 3, "a.B"))).revision == 1
    await store.close()


async def test_a_file_is_extended_whole_or_not_at_all(tmp_path: Path) -> None:
    """If a version's descriptors can't be read, the file stays as it was."""
    of_format_1(tmp_path / "log.db")
    with sqlite3.connect(tmp_path / "log.db") as connection:
        before = connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
        connection.execute("UPDATE schema_versions SET descriptor_set = x'ff' WHERE version = 2")
    with pytest.raises(Exception, match="Error parsing"):
        await SqliteSchemaStore.open(tmp_path / "log.db")
    assert connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall() == before
    connection.close()


async def test_a_later_format_is_refused(tmp_path: Path) -> None:
    """A file that a later release wrote is not touched, and the error names it and both formats."""
    await (await SqliteSchemaStore.open(tmp_path / "log.db")).close()
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("UPDATE schema_format SET version = 7")
    connection.close()
    with pytest.raises(UnknownSchemaFormat, match=r"log\.db holds schemas in format 7.*up to 2"):
        await SqliteSchemaStore.open(tmp_path / "log.db")


async def test_a_full_disk_loses_nothing(store: SqliteSchemaStore) -> None:
    """Where the file can't grow, the version is refused as a whole and goes in once there is space."""
    await add(store, schema("s", 1, "a.A"))
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    large = schema("s", 2, "a.B", descriptor_set=bytes(1_000_000))
    with pytest.raises(StorageFull):
        await add(store, large)
    assert (await store.get("s", 2), await store.owners(["a.B"])) == (None, {})
    assert len(await store.changes(None, before=ALL, limit=9)) == 1
    store._db.execute(f"PRAGMA max_page_count = {pages + 1_000}")
    await add(store, large)
    assert await store.get("s", 2) == large


async def test_a_file_that_cannot_be_written_is_still_read(store: SqliteSchemaStore) -> None:
    """A read-only file says so, and reading goes on."""
    await add(store, schema("s", 1, "a.A"))
    store._db.execute("PRAGMA query_only = ON")
    with pytest.raises(StorageReadOnly):
        await add(store, schema("s", 2))
    assert await store.get("s", 1) == schema("s", 1, "a.A")


async def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    """A file of another kind is refused by name."""
    (tmp_path / "log.db").write_bytes(b"something else" * 100)
    with pytest.raises(StorageFailed, match=r"log\.db"):
        await SqliteSchemaStore.open(tmp_path / "log.db")


SUBJECTS, TYPES = st.sampled_from("ab"), st.sets(st.sampled_from(("p.A", "p.B", "q.A")))
ADDING = st.tuples(st.just("add"), SUBJECTS, st.integers(1, 4), TYPES, st.sampled_from("1234"))
OTHER = st.tuples(st.sampled_from(("hide", "purge", "restart")), SUBJECTS, st.integers(1, 4))
STEPS = st.lists(st.one_of(ADDING, ADDING, OTHER), max_size=16)


@settings(max_examples=max(settings().max_examples // 3, 1))
@given(steps=STEPS)
def test_the_store_is_its_model(steps: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any run of additions, deletions, purges and restarts leaves what a dictionary would hold."""
    asyncio.run(follow(steps, tmp_path_factory.mktemp("model") / "log.db"))


async def follow(steps: list[Any], path: Path) -> None:
    versions: dict[tuple[str, int], SchemaVersion] = {}
    store = await SqliteSchemaStore.open(path)
    for kind, subject, number, *more in steps:
        known = versions.get((subject, number))
        if kind == "restart":
            await store.close()
            store = await SqliteSchemaStore.open(path)
        elif kind == "add":
            added = schema(subject, number, *sorted(more[0]), content=more[1])
            fits = not known and not any(
                more[0] & set(it.types) if it.subject != subject else it.fingerprint == more[1]
                for it in versions.values()
            )
            try:
                await add(store, added)
            except Conflict:
                assert not fits
            else:
                assert fits
                versions[subject, number] = added
        elif known and kind == "hide":
            await hide(store, subject, number, time=LATER)
            versions[subject, number] = replace(known, delete_time=LATER)
        elif known:
            await purge(store, subject, number)
            del versions[subject, number]
    for subject in "ab":
        for number in range(1, 5):
            assert await store.get(subject, number) == versions.get((subject, number))
    owners = {name: it.subject for it in versions.values() for name in it.types}
    assert await store.owners(["p.A", "p.B", "q.A"]) == owners
    await store.close()
