"""What subjects promise: what is held against what, who is told, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from registry.compat.promise import DEFAULT_PROMISE, Direction, Promise, Surface, Verdict
from registry.errors import (
    EventTypeNeeded,
    EventTypeTaken,
    IncompatibleSchema,
    InvalidRequest,
    ReadersAffected,
    SchemaDeleted,
    SchemaVersionNotFound,
    SubjectChanged,
    SubjectNotFound,
    SubjectReadOnly,
)
from registry.schema import Author, Candidate, ChangeKind, SubjectMode
from tests.registries import opened, order
from tests.registry_model import Uses, reader

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from registry.registry import Registry

NONE, BACKWARD, FORWARD, FULL = (
    Promise(direction, Surface.WIRE)
    for direction in (Direction.NONE, Direction.BACKWARD, Direction.FORWARD, Direction.FULL)
)
TRANSITIVE = Promise(Direction.BACKWARD_TRANSITIVE, Surface.WIRE)
ME = Author("me", "because")
pytestmark = pytest.mark.usefixtures("schemas_compiled_once")


@pytest.fixture
def uses() -> Uses:
    return Uses()


@pytest.fixture
async def registry(tmp_path: Path, uses: Uses) -> AsyncIterator[Registry]:
    async with opened(tmp_path / "log.db", uses) as found:
        yield found


async def register(registry: Registry, *candidates: Candidate, promise: Promise = NONE) -> None:
    """Registers versions whatever they are, and then sets what they promise."""
    await registry.update_subject("shop", promise=NONE)
    for candidate in candidates:
        await registry.register("shop", candidate)
    await registry.update_subject("shop", promise=promise)


async def refused(registry: Registry, candidate: Candidate) -> IncompatibleSchema:
    with pytest.raises(IncompatibleSchema) as caught:
        await registry.register("shop", candidate)
    return caught.value


async def test_a_refusal_says_what_changed_for_whom_and_what_to_write(registry: Registry) -> None:
    """Each violation names element, change, effect and way out in a sentence; the findings have the rest."""
    await register(registry, order("int32 a", "int32 b"), promise=BACKWARD)
    error = await refused(registry, order("string a"))
    told = {it.rule_id: it for it in error.violations}
    assert set(told) == {"FIELD_WIRE_COMPATIBLE_TYPE", "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"}
    field = told["FIELD_WIRE_COMPATIBLE_TYPE"]
    assert field.field == "shop.v1.Order.a"
    assert "int32 to string: " in field.description
    assert "keep `int32 a = 1;`; add `string a_string = 3;` beside it" in field.description
    assert "reserved 2;" in told["FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED"].description
    assert "not BACKWARD WIRE compatible with version 1 of subject 'shop'" in str(error)
    shown = next(it for it in error.explained if it.rule_id == "FIELD_WIRE_COMPATIBLE_TYPE")
    assert (shown.old_place and shown.old_place.file, shown.against_version) == ("order.proto", 1)
    assert shown.counter_examples
    assert error.facts() == {
        "subject": "shop", "against_version": "1", "promise": "BACKWARD WIRE", "findings": "2"
    }  # fmt: skip


async def test_only_the_latest_counts_unless_the_promise_is_transitive(registry: Registry) -> None:
    """What breaks an earlier version alone is refused under a transitive promise, naming that version."""
    one, two = order("int32 a"), order("int32 a", "int32 b", more="message New {}")
    await register(registry, order("string a"), one, promise=TRANSITIVE)
    error = await refused(registry, two)
    assert {it.against_version for it in error.explained} == {1}
    report = await registry.check("shop", two, promise=BACKWARD)
    assert (report.against, report.breaking_count) == ((2,), 0)
    await registry.update_subject("shop", promise=BACKWARD)
    assert (await registry.register("shop", two)).schema.version == 3


async def test_what_breaks_several_versions_alike_is_told_once(registry: Registry) -> None:
    """The same change against several versions is one finding, against the latest of them."""
    await register(
        registry, order("int32 a"), order("int32 a", "int32 b"), order("string a"), promise=TRANSITIVE
    )
    report = await registry.check("shop", order("string a", "string b"))
    assert report.against == (1, 2, 3)
    broken = [it for it in report.findings if it.verdict(TRANSITIVE) is Verdict.BREAKS]
    assert [(it.path, it.against_version) for it in broken] == [
        ("shop.v1.Order.a", 2),
        ("shop.v1.Order.b", 2),
    ]
    assert report.breaking_count == 2


async def test_deleted_versions_promise_nothing(registry: Registry) -> None:
    """A version is held against those that are there, and takes the next number all the same."""
    await register(registry, order("int32 a"), order("string a"), promise=TRANSITIVE)
    await registry.delete("shop", 2)
    made = await registry.register("shop", order("int32 a", "int32 b"))
    assert made.schema.version == 3


async def test_findings_are_bounded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much changes, so many findings are kept, breaking ones apart, and all are counted."""
    monkeypatch.setattr("registry.comparing.FINDINGS_KEPT", 10)
    monkeypatch.setattr("registry.dry_run.FINDINGS_EXPLAINED", 15)
    before = [f"int32 f{number}" for number in range(60)]
    await register(registry, order(*before), promise=BACKWARD)
    after = [f"{'string' if number < 30 else 'int64'} f{number}" for number in range(60)]
    report = await registry.check("shop", order(*after))
    assert (report.breaking_count, report.notice_count) == (30, 30)
    assert len(report.findings) == 15
    assert [it.verdict(BACKWARD) for it in report.findings] == [Verdict.BREAKS] * 10 + [Verdict.NOTICE] * 5


async def test_what_breaks_nothing_is_told_as_notices(registry: Registry) -> None:
    """A registration answers what changed against the version before it though it breaks no promise."""
    await register(registry, order("int32 a", "int32 b"), order("int64 a", "int32 b"), promise=TRANSITIVE)
    made = await registry.register("shop", order("int64 a", "int64 b"))
    assert made.created
    assert {(it.path, it.against_version) for it in made.notices} == {("shop.v1.Order.b", 2)}
    assert not (await registry.register("shop", order("int64 a", "int64 b"))).notices


async def test_the_default_holds_for_subjects_that_say_nothing(registry: Registry) -> None:
    """A subject promises what the deployment's default says now, until it says something itself."""
    assert await registry.defaults() == DEFAULT_PROMISE
    await registry.register("shop", order("int32 a"))
    await registry.update_defaults(NONE, ME)
    assert (await registry.promise_of("shop"), await registry.promise_of("new")) == (NONE, NONE)
    await registry.register("shop", order("string a"))
    await registry.update_subject("shop", promise=FULL)
    assert (await registry.promise_of("shop"), await registry.promise_of("new")) == (FULL, NONE)
    await registry.update_subject("shop", promise=None)
    assert await registry.promise_of("shop") == NONE
    assert [(it.kind, it.detail) for it in await registry.changes("", before=99, limit=99)] == [
        (ChangeKind.CONFIGURE, "compatibility: FULL WIRE -> default"),
        (ChangeKind.CONFIGURE, "compatibility: default -> FULL WIRE"),
        (ChangeKind.REGISTER, ""),
        (ChangeKind.CONFIGURE, "compatibility: BACKWARD WIRE -> NONE WIRE"),
        (ChangeKind.REGISTER, "adds shop.v1.Order"),
    ]


async def test_settings_are_changed_under_their_etag(registry: Registry) -> None:
    """An etag names one state of the settings: what was changed since is refused, no etag fits any."""
    made = await registry.update_subject("shop", mode=SubjectMode.READ_ONLY, author=ME)
    assert (made.latest_version, made.mode) == (0, SubjectMode.READ_ONLY)
    same = await registry.update_subject("shop", etag=made.etag, mode=SubjectMode.READ_ONLY)
    assert same == made
    changed = await registry.update_subject(
        "shop", etag=made.etag, mode=SubjectMode.READ_WRITE, block_on_readers=True, promise=FULL
    )
    with pytest.raises(SubjectChanged) as caught:
        await registry.update_subject("shop", etag=made.etag, promise=None)
    assert caught.value.etag == changed.etag
    with pytest.raises(SubjectNotFound):
        await registry.update_subject("other", etag=made.etag, promise=None)
    assert await registry.get_subject("shop") == changed
    assert [(it.author, it.detail) for it in await registry.changes("shop", before=99, limit=9)] == [
        (
            Author(),
            (
                "compatibility: default -> FULL WIRE; mode: READ_ONLY -> READ_WRITE; "
                "block_on_readers: false -> true"
            ),
        ),
        (ME, "mode: READ_WRITE -> READ_ONLY"),
    ]
    await registry.register("shop", order("int32 a"))
    assert (await registry.get_subject("shop")).etag == changed.etag


async def test_a_read_only_subject_takes_nothing_new(registry: Registry) -> None:
    """Nothing is registered, deleted or restored; what is there already is answered."""
    await registry.register("shop", order("int32 a"))
    await registry.update_subject("shop", mode=SubjectMode.READ_ONLY)
    for refusal in (
        registry.register("shop", order("int32 a", "int32 b")),
        registry.delete("shop"),
        registry.restore("shop", 1),
    ):
        with pytest.raises(SubjectReadOnly, match="READ_WRITE"):
            await refusal
    assert not (await registry.register("shop", order("int32 a"))).created
    assert (await registry.check("shop", order("int32 a", "int32 b"))).breaking_count == 0


async def test_migration_gives_the_numbers(registry: Registry) -> None:
    """Mode IMPORT takes rising numbers and holds no promise; it is for subjects without versions."""
    with pytest.raises(InvalidRequest, match=r"version.*mode IMPORT"):
        await registry.register("shop", order("int32 a"), version=7)
    await registry.update_subject("shop", mode=SubjectMode.IMPORT)
    for wrong in (0, 2**32):
        with pytest.raises(InvalidRequest, match="above 0"):
            await registry.register("shop", order("int32 a"), version=wrong)
    for version, candidate in ((3, order("int32 a")), (7, order("string a"))):
        assert (await registry.register("shop", candidate, version=version)).schema.version == version
    with pytest.raises(InvalidRequest, match="above 7"):
        await registry.register("shop", order("bool a"), version=7)
    with pytest.raises(InvalidRequest, match="is version 3 already"):
        await registry.register("shop", order("int32 a"), version=8)
    await registry.update_subject("shop", mode=SubjectMode.READ_WRITE)
    assert (await registry.register("shop", order("string a", "bool b"))).schema.version == 8
    with pytest.raises(InvalidRequest, match="without versions"):
        await registry.update_subject("shop", mode=SubjectMode.IMPORT)


async def test_a_check_says_what_a_registration_would_do(registry: Registry, uses: Uses) -> None:
    """The report names versions, types, topics and findings, and leaves everything as it is."""
    await register(
        registry, order("int32 a", more="message Old {}"), order("string a", more="message Old {}")
    )
    uses.accepted = {"t.one": ("shop", ("shop.v1.Old",)), "t.all": ("shop", ())}
    report = await registry.check("shop", order("bytes a", more="message New {}"))
    assert (report.promise, report.against, report.breaking_count) == (NONE, (2,), 0)
    assert (report.added_types, report.removed_types) == (("shop.v1.New",), ("shop.v1.Old",))
    assert report.topics_in_need == ("t.one",)
    assert report.notice_count == len(report.findings) > 1
    assert "shop.v1.New" in report.compiled.types
    with pytest.raises(EventTypeNeeded, match=r"shop\.v1\.Old.*t\.one"):
        await registry.register("shop", order("bytes a", more="message New {}"))
    assert registry.latest_version("shop") == 2


async def test_a_check_is_held_against_what_is_asked_for(registry: Registry) -> None:
    """Against the latest, a named version, or all; under the subject's promise, or another one."""
    await register(registry, order("int32 a"), order("string a"), promise=BACKWARD)
    candidate = order("int32 a", "int32 b")

    async def against(**asked: Any) -> tuple[tuple[int, ...], bool]:
        report = await registry.check("shop", candidate, **asked)
        return report.against, report.breaking_count == 0

    assert await against() == ((2,), False)
    assert await against(against=0) == ((2,), False)
    assert await against(against=1) == ((1,), True)
    assert await against(all_versions=True) == ((1, 2), False)
    assert await against(promise=NONE) == ((2,), True)
    assert await against(promise=TRANSITIVE) == ((1, 2), False)
    assert await against(against=1, promise=TRANSITIVE) == ((1,), True)
    with pytest.raises(SchemaVersionNotFound):
        await against(against=3)


async def test_a_check_of_what_is_there_names_it(registry: Registry) -> None:
    """A schema that equals a version is taken as that version; compared only if asked to."""
    await register(registry, order("int32 a"), order("string a"), promise=BACKWARD)
    report = await registry.check("shop", order("int32 a"))
    assert (report.equal_version, report.against, report.findings) == (1, (), ())
    report = await registry.check("shop", order("int32 a"), against=2)
    assert (report.equal_version, report.breaking_count) == (1, 1)
    await registry.delete("shop", 1)
    with pytest.raises(SchemaDeleted):
        await registry.check("shop", order("int32 a"))


async def test_a_check_without_a_subject_compares_with_nothing(registry: Registry) -> None:
    """The first schema of a subject breaks nobody; what is another subject's is refused all the same."""
    report = await registry.check("new", order("int32 a"))
    assert (report.against, report.findings, report.added_types) == ((), (), ("shop.v1.Order",))
    with pytest.raises(SubjectNotFound):
        await registry.check("new", order("int32 a"), against=1)
    await registry.register("shop", order("int32 a"))
    with pytest.raises(EventTypeTaken, match="--reference shop"):
        await registry.check("new", order("int32 a"))


async def test_readers_that_a_version_would_break_are_named(registry: Registry, uses: Uses) -> None:
    """A reader is affected if its version can't read what its types may hold; only living ones block."""
    nested = "message Item {{ {} x = 1; }} message Cart {{ Item item = 1; }} message Other {{}}"
    await register(
        registry,
        order("int32 a", more=nested.format("int32")),
        order("string a", more=nested.format("int32")),
        promise=NONE,
    )
    uses.reading = [
        reader("shop", 1, alive=True),
        replace(reader("shop", 2, alive=False), client_name="sleeping"),
        replace(reader("shop", 2, alive=True), client_name="cart", types=("shop.v1.Cart",)),
        replace(reader("shop", 2, alive=True), client_name="other", types=("shop.v1.Other",)),
        replace(reader("shop", 9, alive=True), client_name="purged"),
        reader("elsewhere", 1, alive=True),
    ]
    candidate = order("string a", more=nested.format("string"))
    report = await registry.check("shop", candidate)
    item = "FIELD_WIRE_COMPATIBLE_TYPE shop.v1.Item.x"
    assert [(it.reader.client_name, it.findings) for it in report.readers] == [
        ("cart", (item,)),
        ("reader-1", (item, "FIELD_WIRE_COMPATIBLE_TYPE shop.v1.Order.a")),
        ("sleeping", (item,)),
    ]
    assert not report.blocked_by_readers
    await registry.update_subject("shop", block_on_readers=True)
    assert (await registry.check("shop", candidate)).blocked_by_readers
    with pytest.raises(ReadersAffected, match=r"cart \(version 2\), reader-1 \(version 1\)\."):
        await registry.register("shop", candidate)
    uses.reading = [replace(it, alive=False) for it in uses.reading]
    assert (await registry.register("shop", candidate)).created


async def test_reserved_numbers_are_no_concern_of_readers(registry: Registry, uses: Uses) -> None:
    """Rules about the history of a subject break nobody who reads."""
    await register(registry, order("int32 a", "int32 b", more="message Old {}"))
    uses.reading = [reader("shop", 1, alive=True)]
    assert (await registry.check("shop", order("int32 a"))).readers == ()


async def test_readability_is_judged_once(registry: Registry) -> None:
    """Whether a version reads another one's events is answered for each type, and remembered."""
    await register(
        registry, order("int32 a", more="message Other {}"), order("string a", more="message Other {}")
    )
    order_, other = "shop.v1.Order", "shop.v1.Other"
    assert not await registry.readable("shop", 1, 2, order_)
    assert await registry.readable("shop", 1, 2, other)
    assert await registry.readable("shop", 2, 2, order_)
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("registry.readability.readable")
        assert not await registry.readable("shop", 1, 2, order_)
    with pytest.raises(SchemaVersionNotFound):
        await registry.readable("shop", 1, 3, order_)
