"""SchemaService over a real socket: each call as a caller sees it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import backtest_pb2, finding_pb2, schema_diff_pb2, schema_pb2
from tidegate.v1 import schema_service_pb2 as pb

from registry.compat.finding import Audience, Encoding
from registry.compat.promise import Direction, Surface
from registry.schema import ChangeKind, SubjectMode
from tests.shop import ORDERS, PAID, PLACED, SCHEMA, SUBJECT, Shop, batch, order, refusal, refused

if TYPE_CHECKING:
    from pathlib import Path

FILE = "notes/v1/note.proto"
NOTE = """
syntax = "proto3";
package notes.v1;
import "buf/validate/validate.proto";
// A note.
message Note {
  string id = 1;
  int64 size = 2;%s
}
"""
COMPATIBLE = NOTE % "\n  string text = 3;"
BREAKING = (NOTE % "").replace("int64 size = 2;", "string size = 2;")
TYPE = "notes.v1.Note"


def candidate(text: str, **fields: Any) -> dict[str, Any]:
    """The fields of a request that carries one file."""
    return {"subject": "notes", "sources": {"files": {FILE: text}}, **fields}


async def register(shop: Shop, text: str, **fields: Any) -> pb.RegisterSchemaResponse:
    """Registers one file."""
    return await shop.schemas.RegisterSchema(pb.RegisterSchemaRequest(**candidate(text, **fields)))


async def parts(shop: Shop, text: str, **fields: Any) -> list[pb.CheckSchemaResponse]:
    """All that a check answers."""
    return [
        part async for part in shop.schemas.CheckSchema(pb.CheckSchemaRequest(**candidate(text, **fields)))
    ]


async def check(shop: Shop, text: str, **fields: Any) -> pb.CheckReport:
    """The report of a check without a backtest."""
    (part,) = await parts(shop, text, **fields)
    return part.report


async def settle(shop: Shop, *paths: str, name: str = "notes", **settings: Any) -> schema_pb2.Subject:
    """Changes settings of a subject."""
    request = pb.UpdateSubjectRequest(subject={"name": name, **settings}, update_mask={"paths": paths})
    return (await shop.schemas.UpdateSubject(request)).subject


ENUMS = [
    (Direction, schema_pb2.CompatibilityDirection),
    (Surface, schema_pb2.CompatibilitySurface),
    (SubjectMode, schema_pb2.SubjectMode),
    (ChangeKind, schema_pb2.SchemaChangeKind),
    (Audience, finding_pb2.FindingAudience),
    (Encoding, finding_pb2.EventEncoding),
]


@pytest.mark.parametrize(("ours", "contract"), ENUMS, ids=[ours.__name__ for ours, _ in ENUMS])
def test_the_contract_names_what_the_registry_names(ours: Any, contract: Any) -> None:
    """Each value of an enum of the registry has its value in the contract, and the other way round."""
    prefix = contract.Name(0).removesuffix("UNSPECIFIED")
    assert {prefix + value.name for value in ours} == set(contract.keys()) - {contract.Name(0)}


@pytest.mark.parametrize(
    "method", [each.name for each in pb.DESCRIPTOR.services_by_name["SchemaService"].methods]
)
async def test_every_call_is_answered(shop: Shop, method: str) -> None:
    """Each RPC of the contract exists, and an empty request gets an answer or a reason of the catalogue."""
    call = getattr(shop.schemas, method)(getattr(pb, f"{method}Request")())
    (outcome,) = await asyncio.gather(
        call.read() if method == "CheckSchema" else call, return_exceptions=True
    )
    if isinstance(outcome, grpc.aio.AioRpcError):
        assert refusal(outcome).reason in {"INVALID_REQUEST", "SUBJECT_NOT_FOUND"}
    else:
        assert isinstance(outcome, getattr(pb, f"{method}Response"))


async def test_a_check_says_what_a_registration_would_do(shop: Shop) -> None:
    """A check registers nothing, and finds against a schema what refuses its registration."""
    assert (await check(shop, NOTE % "")).against_versions == []
    assert (
        await refused(shop.schemas.GetSubject(pb.GetSubjectRequest(name="notes")))
    ).reason == "SUBJECT_NOT_FOUND"
    await register(shop, NOTE % "")
    fine, broken = await check(shop, COMPATIBLE), await check(shop, BREAKING)
    assert (fine.compatible, fine.breaking_count, list(fine.against_versions)) == (True, 0, [1])
    assert not broken.compatible
    found = broken.findings[0]
    assert (found.path, found.severity, found.against_version) == (
        f"{TYPE}.size", finding_pb2.FINDING_SEVERITY_BREAKS, 1,
    )  # fmt: skip
    assert (found.old_position.line, found.new_position.line) == (8, 8)
    assert found.new_position.text == "string size = 2;"
    assert found.effect
    assert found.suggestion
    assert found.counter_examples
    assert (await check(shop, NOTE % "")).equal_version == 1
    refusal = await refused(register(shop, BREAKING))
    assert (refusal.reason, refusal.fields[0], refusal.rules[0]) == (
        "INCOMPATIBLE_SCHEMA", f"{TYPE}.size", found.rule_id,
    )  # fmt: skip
    made = await register(shop, COMPATIBLE)
    assert (made.schema.version, made.created) == (2, True)


async def test_a_check_compares_with_what_it_is_told_to(shop: Shop) -> None:
    """A named version, the latest one and all of them can be compared with; a missing one is not found."""
    for text in (NOTE % "", COMPATIBLE):
        await register(shop, text)
    changed = COMPATIBLE.replace("string text = 3;", "int32 text = 3;")
    assert list((await check(shop, changed)).against_versions) == [2]
    assert list((await check(shop, changed, version=0)).against_versions) == [2]
    against_first = await check(shop, changed, version=1)
    assert (list(against_first.against_versions), against_first.compatible) == ([1], True)
    against_all = await check(shop, changed, all_versions=True)
    assert (list(against_all.against_versions), against_all.compatible) == ([1, 2], False)
    assert {each.against_version for each in against_all.findings if each.severity == 2} == {2}
    missing = await refused(check(shop, changed, version=7))
    assert missing.reason == "SCHEMA_VERSION_NOT_FOUND"


async def test_a_check_holds_to_the_promise_it_is_told(shop: Shop) -> None:
    """A promise of the request goes before the subject's; the half that it leaves out is the subject's."""
    await register(shop, NOTE % "")
    await settle(shop, "compatibility.surface", compatibility={"surface": "COMPATIBILITY_SURFACE_WIRE_JSON"})
    renamed = (NOTE % "").replace("size = 2", "bytes = 2")
    report = await check(shop, renamed, compatibility={"direction": "COMPATIBILITY_DIRECTION_FULL"})
    assert report.compatibility == schema_pb2.Compatibility(direction=6, surface=2)
    assert not report.compatible
    wire = await check(shop, renamed, compatibility={"surface": "COMPATIBILITY_SURFACE_WIRE"})
    assert (wire.compatible, wire.compatibility.direction) == (
        True,
        schema_pb2.COMPATIBILITY_DIRECTION_BACKWARD,
    )
    anything = await check(shop, BREAKING, compatibility={"direction": "COMPATIBILITY_DIRECTION_NONE"})
    assert (anything.compatible, anything.breaking_count) == (True, 0)
    assert anything.notice_count
    wrong = await refused(check(shop, renamed, compatibility={"direction": 99}))
    assert (wrong.reason, wrong.fields) == ("INVALID_REQUEST", ["compatibility.direction"])


async def test_a_backtest_follows_the_report(shop: Shop) -> None:
    """Asked to, a check tells first what changed and last what stored events make of it."""
    await shop.place("A1", "A2", "")
    stricter = SCHEMA["shop/v1/order.proto"].replace(
        "string order_id = 1;", "string order_id = 1 [(buf.validate.field).string.min_len = 1];"
    )
    files = SCHEMA | {"shop/v1/order.proto": stricter}
    backtest = backtest_pb2.Backtest(topic=ORDERS)
    request = pb.CheckSchemaRequest(subject=SUBJECT, sources={"files": files}, backtest=backtest)
    first, *progress, last = [part async for part in shop.schemas.CheckSchema(request)]
    assert first.WhichOneof("part") == "report"
    assert {part.WhichOneof("part") for part in progress} <= {"progress"}
    found = last.backtest
    assert (found.examined, found.passed, found.breaking_rules) == (3, 2, 1)
    assert (found.rules[0].rule_id, found.rules[0].field) == ("string.min_len", "data.order_id")
    assert found.samples[0].sequence == found.last_sequence
    for wrong, reason in (({"topic": "no.such"}, "TOPIC_NOT_FOUND"), ({}, "INVALID_REQUEST")):
        request.backtest.CopyFrom(backtest_pb2.Backtest(**wrong))
        assert (await refused(shop.schemas.CheckSchema(request).read())).reason in {reason, "TOPIC_NOT_FOUND"}


async def read_rest(call: Any) -> str:
    """Reads a check to its end, and answers what came last."""
    last = ""
    while (part := await call.read()) is not grpc.aio.EOF:
        last = part.WhichOneof("part")
    return last


async def test_a_check_that_is_ended_ends_its_backtest(shop: Shop) -> None:
    """A caller that goes away, or a gateway that stops, leaves no backtest behind."""
    for _ in range(20):
        await shop.publish(batch(ORDERS, *[order("A", 1)] * 10_000))
    request = pb.CheckSchemaRequest(subject=SUBJECT, sources={"files": SCHEMA}, backtest={"topic": ORDERS})
    left = shop.schemas.CheckSchema(request)
    assert (await left.read()).WhichOneof("part") == "report"
    left.cancel()
    following = shop.schemas.CheckSchema(request)
    assert (await following.read()).WhichOneof("part") == "report"
    stopping = asyncio.ensure_future(shop.gateway.__aexit__(None, None, None))
    (ended,) = await asyncio.gather(read_rest(following), return_exceptions=True)
    assert ended == "backtest" or refusal(ended).reason == "DRAINING"
    await asyncio.wait_for(stopping, 5)


async def test_views_make_the_same_schema_again(shop: Shop, tmp_path: Path) -> None:
    """Canonical text is the same version when it is registered; typed files are all that protoc needs."""
    registered = (await register(shop, NOTE % "")).schema
    request = pb.GetSchemaRequest(subject="notes", view=pb.SCHEMA_VIEW_CANONICAL)
    answer = await shop.schemas.GetSchema(request)
    (text,) = answer.canonical.files.values()
    assert "// A note." in text
    again = await register(shop, text)
    assert (again.created, again.schema.fingerprint) == (False, registered.fingerprint)
    typed = await shop.schemas.GetSchema(pb.GetSchemaRequest(type=TYPE, view=pb.SCHEMA_VIEW_TYPED))
    assert typed.typed_services[TYPE] == "tidegate.typed.v1.notes.v1.NoteService"
    compile_all(typed.typed.files, answer.schema.descriptor_set, tmp_path)


def compile_all(files: Any, supplied: bytes, folder: Path) -> None:
    """Runs protoc over files, with what it brings along and what the schema imports of others."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "supplied.binpb").write_bytes(supplied)
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", f"--python_out={folder}"]
    command += [f"--descriptor_set_in={folder}/supplied.binpb", *files]
    subprocess.run(command, check=True, timeout=60)


async def test_a_difference_is_told_by_structure_and_as_text(shop: Shop) -> None:
    """Two versions are compared by their parts, as text, and by what it means for readers."""
    await register(shop, NOTE % "")
    alone = await refused(shop.schemas.DiffSchemas(pb.DiffSchemasRequest(subject="notes")))
    assert (alone.reason, alone.fields) == ("INVALID_REQUEST", ["old_version"])
    await register(shop, COMPATIBLE)
    found = await shop.schemas.DiffSchemas(pb.DiffSchemasRequest(subject="notes"))
    assert (found.old_version, found.new_version, found.difference_count) == (1, 2, 1)
    assert found.differences[0].kind == schema_diff_pb2.SCHEMA_DIFFERENCE_KIND_ADDED
    assert found.differences[0].path == f"{TYPE}.text"
    assert "+  string text = 3;" in found.text.splitlines()
    back = await shop.schemas.DiffSchemas(
        pb.DiffSchemasRequest(subject="notes", old_version=2, new_version=1)
    )
    assert back.differences[0].kind == schema_diff_pb2.SCHEMA_DIFFERENCE_KIND_REMOVED
    assert (f"{TYPE}.text", 2) in {(each.path, each.against_version) for each in back.findings}


async def test_the_life_of_a_version(shop: Shop) -> None:
    """A deleted version is hidden, decodes, and comes back; purged, it is gone, and its number with it."""
    for text in (NOTE % "", COMPATIBLE):
        await register(shop, text)
    await shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes", version=2))
    listed = await shop.schemas.ListSchemas(pb.ListSchemasRequest(subject="notes"))
    assert [each.version for each in listed.schemas] == [1]
    request = pb.ListSchemasRequest(subject="notes", show_deleted=True)
    hidden = (await shop.schemas.ListSchemas(request)).schemas[1]
    assert (hidden.version, hidden.HasField("delete_time")) == (2, True)
    whole = await shop.schemas.GetSchema(pb.GetSchemaRequest(subject="notes", version=2))
    assert whole.schema.descriptor_set
    assert (await refused(register(shop, COMPATIBLE))).reason == "SCHEMA_DELETED"
    restored = await shop.schemas.RestoreSchema(pb.RestoreSchemaRequest(subject="notes", version=2))
    assert restored.subject.latest_version == 2
    for purge in (False, True):
        await shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes", version=2, purge=purge))
    missing = pb.GetSchemaRequest(subject="notes", version=2)
    assert (await refused(shop.schemas.GetSchema(missing))).reason == "SCHEMA_VERSION_NOT_FOUND"
    assert (await register(shop, COMPATIBLE)).schema.version == 3


async def test_what_is_needed_stays(shop: Shop) -> None:
    """Stored events keep their version, topics their subject and types, whoever wants to remove them."""
    await shop.place("A1")
    delete = pb.DeleteSchemaRequest
    last = await refused(shop.schemas.DeleteSchema(delete(subject=SUBJECT)))
    assert (last.reason, ORDERS in last.message) == ("SCHEMA_NEEDED", True)
    await shop.register(
        SCHEMA | {"shop/v1/more.proto": 'syntax = "proto3"; package shop.v1; message More {}'}
    )
    await shop.schemas.DeleteSchema(delete(subject=SUBJECT, version=1))
    stored = await refused(shop.schemas.DeleteSchema(delete(subject=SUBJECT, version=1, purge=True)))
    assert (stored.reason, ORDERS in stored.message) == ("SCHEMA_NEEDED", True)
    (read,) = await shop.everything(ORDERS)
    assert read.data == order("A1")
    await shop.update_topic(ORDERS, ["types"], types=[PLACED])
    await settle(
        shop, "compatibility", name=SUBJECT, compatibility={"direction": "COMPATIBILITY_DIRECTION_NONE"}
    )
    without = {"shop/v1/stamp.proto": SCHEMA["shop/v1/stamp.proto"]}
    needed = await refused(shop.register(without))
    assert (needed.reason, needed.facts["topics"]) == ("EVENT_TYPE_NEEDED", ORDERS)
    request = pb.CheckSchemaRequest(subject=SUBJECT, sources={"files": without})
    report = (await shop.schemas.CheckSchema(request).read()).report
    assert (list(report.topics_in_need), PLACED in report.removed_types) == ([ORDERS], True)


async def test_a_topic_needs_a_subject_that_is_there(shop: Shop) -> None:
    """A topic is made of a subject that has versions and is not deleted, and of types that it has."""
    await register(shop, NOTE % "")
    await shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes"))
    deleted = await refused(shop.create_topic("notes.all", subject="notes"))
    assert deleted.reason in {"SUBJECT_NOT_FOUND", "SCHEMA_DELETED"}
    await settle(shop, "mode", name="empty", mode="SUBJECT_MODE_READ_ONLY")
    assert (await refused(shop.create_topic("empty.all", subject="empty"))).reason in {
        "SCHEMA_VERSION_NOT_FOUND",
        "SUBJECT_NOT_FOUND",
    }
    unknown = await refused(shop.create_topic("shop.more", types=["shop.v1.OrderPlacd"]))
    assert (unknown.reason, PLACED in unknown.facts["near"]) == ("EVENT_TYPE_NOT_FOUND", True)


async def test_topics_and_deletions_never_pass_each_other(shop: Shop) -> None:
    """However a topic's making and its subject's deletion meet, no topic is left without its subject."""
    await register(shop, NOTE % "")
    for _ in range(20):
        made, deleted = await asyncio.gather(
            shop.create_topic("notes.all", subject="notes"),
            shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes")),
            return_exceptions=True,
        )
        failed = [isinstance(each, grpc.aio.AioRpcError) for each in (made, deleted)]
        assert failed.count(True) == 1, (made, deleted)
        if failed[0]:
            await shop.schemas.RestoreSchema(pb.RestoreSchemaRequest(subject="notes"))
        else:
            await shop.delete_topic("notes.all")


async def test_settings_change_what_they_name(shop: Shop) -> None:
    """A mask says what changes; the default comes back with an absent promise; an old etag is refused."""
    fresh = await settle(shop, "block_on_readers", block_on_readers=True)
    assert (fresh.latest_version, fresh.default_compatibility, fresh.block_on_readers) == (0, True, True)
    assert fresh.compatibility == schema_pb2.Compatibility(direction=2, surface=1)
    full = await settle(
        shop, "compatibility.direction", compatibility={"direction": "COMPATIBILITY_DIRECTION_FULL"}
    )
    assert (full.compatibility.direction, full.compatibility.surface) == (6, 1)
    assert (full.default_compatibility, full.block_on_readers) == (False, True)
    assert full.etag != fresh.etag
    late = await refused(settle(shop, "mode", mode="SUBJECT_MODE_READ_ONLY", etag=fresh.etag))
    assert (late.reason, late.facts["etag"]) == ("SUBJECT_CHANGED", full.etag)
    again = await settle(shop, "compatibility", etag=full.etag)
    assert again.default_compatibility
    defaults = pb.UpdateSchemaDefaultsRequest(compatibility={"surface": "COMPATIBILITY_SURFACE_SOURCE"})
    changed = (await shop.schemas.UpdateSchemaDefaults(defaults)).compatibility
    assert (changed.direction, changed.surface) == (2, 3)
    defaults = pb.UpdateSchemaDefaultsRequest(compatibility={"direction": "COMPATIBILITY_DIRECTION_FULL"})
    changed = (await shop.schemas.UpdateSchemaDefaults(defaults)).compatibility
    assert (changed.direction, changed.surface) == (6, 3)
    shown = await shop.schemas.GetSubject(pb.GetSubjectRequest(name="notes"))
    assert shown.subject.compatibility == changed
    for paths in ([], ["name"], ["mode", "etag"]):
        wrong = await refused(settle(shop, *paths))
        assert (wrong.reason, wrong.fields) == ("INVALID_REQUEST", ["update_mask"])
    await settle(shop, "mode", mode="SUBJECT_MODE_READ_ONLY")
    assert (await refused(register(shop, NOTE % ""))).reason == "SUBJECT_READ_ONLY"


@pytest.mark.parametrize("turns", [0, 4])
async def test_nothing_is_stored_of_a_version_that_is_removed(shop: Shop, turns: int) -> None:
    """A publish that meets the deletion and the purge of its version is refused, or keeps the version."""
    await shop.register(SCHEMA | {"more.proto": 'syntax = "proto3"; package shop.v1; message More {}'})
    slow = [batch(ORDERS, *[order("slow", 7)] * 10_000, type=PAID, version=1) for _ in range(20)]
    publishing = asyncio.ensure_future(shop.publish(*slow))
    for _ in range(turns):
        await shop.topic(ORDERS)
    for purge in (False, True):
        request = pb.DeleteSchemaRequest(subject=SUBJECT, version=1, purge=purge)
        (purged,) = await asyncio.gather(shop.schemas.DeleteSchema(request), return_exceptions=True)
    (published,) = await asyncio.gather(publishing, return_exceptions=True)
    if isinstance(published, grpc.aio.AioRpcError):
        assert refusal(published).reason == "SCHEMA_VERSION_NOT_FOUND"
        assert await shop.everything(ORDERS) == []
    else:
        assert refusal(purged).reason == "SCHEMA_NEEDED"


async def test_halves_of_a_promise_are_set_at_once(shop: Shop) -> None:
    """Who sets the direction and who sets the surface at the same time both have their way."""
    for direction in (6, 4, 7):
        await asyncio.gather(
            settle(shop, "compatibility.direction", compatibility={"direction": direction}),
            settle(shop, "compatibility.surface", compatibility={"surface": direction % 3 + 1}),
        )
        shown = await shop.schemas.GetSubject(pb.GetSubjectRequest(name="notes"))
        assert shown.subject.compatibility.direction == direction
        assert shown.subject.compatibility.surface == direction % 3 + 1


async def test_changes_say_who_and_why(shop: Shop) -> None:
    """Every change is listed, the latest first, with the caller and the caller's words, in pages."""
    await register(shop, NOTE % "", message="the first")
    await settle(shop, "mode", mode="SUBJECT_MODE_READ_ONLY")
    await settle(shop, "mode", mode="SUBJECT_MODE_READ_WRITE")
    await shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes", message="by mistake"))
    request = pb.ListSchemaChangesRequest(subject="notes", page_size=1)
    found: list[schema_pb2.SchemaChange] = []
    while True:
        page = await shop.schemas.ListSchemaChanges(request)
        found += page.changes
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    kinds = [schema_pb2.SchemaChangeKind.Name(each.kind).rpartition("_")[2] for each in found]
    assert kinds == ["DELETE", "CONFIGURE", "CONFIGURE", "REGISTER"]
    assert (found[0].message, found[-1].message) == ("by mistake", "the first")
    assert all(each.caller.startswith("127.0.0.1:") for each in found)
    assert [each.number for each in found] == sorted((each.number for each in found), reverse=True)
    long = await refused(register(shop, COMPATIBLE, message="x" * 1_025))
    assert (long.reason, long.fields) == ("INVALID_REQUEST", ["message"])


async def test_references_are_followed(shop: Shop) -> None:
    """A schema imports files of another subject at a version; both sides are told of each other."""
    await register(shop, NOTE % "")
    text = f'syntax = "proto3"; package book.v1; import "{FILE}"; message Book {{ notes.v1.Note n = 1; }}'
    request = pb.RegisterSchemaRequest(
        subject="books", sources={"files": {"book.proto": text}}, references=[{"subject": "notes"}]
    )
    made = (await shop.schemas.RegisterSchema(request)).schema
    assert list(made.types) == ["book.v1.Book"]
    assert [(each.subject, each.version) for each in made.references] == [("notes", 1)]
    answer = await shop.schemas.GetSchema(pb.GetSchemaRequest(subject="books", view=pb.SCHEMA_VIEW_TYPED))
    assert [(each.subject, dict(each.sources.files)) for each in answer.closure] == [
        ("notes", {FILE: NOTE % ""})
    ]
    assert answer.typed.files[FILE] == NOTE % ""
    noted = await shop.schemas.GetSubject(pb.GetSubjectRequest(name="notes"))
    assert [(each.subject, each.version) for each in noted.referenced_by] == [("books", 1)]
    report = await check(shop, COMPATIBLE)
    assert [(each.subject, each.version) for each in report.referenced_by] == [("books", 1)]
    gone = await refused(shop.schemas.DeleteSchema(pb.DeleteSchemaRequest(subject="notes")))
    assert (gone.reason, "books" in gone.message) == ("SCHEMA_NEEDED", True)
    many = await refused(register(shop, COMPATIBLE, references=[{"subject": "notes"}] * 101))
    assert (many.reason, many.fields) == ("INVALID_REQUEST", ["references"])


async def test_readers_are_listed_and_weighed(shop: Shop) -> None:
    """A change that the promise allows still names the readers that it breaks; a subject may refuse it."""
    narrow, wider = (NOTE % "").replace("int64 size", "int32 size"), NOTE % ""
    await register(shop, narrow)
    await shop.create_topic("notes.all", subject="notes")
    readers = [
        shop.subscribe(
            "notes.all", reader={"client_name": name, "built_with": [{"subject": "notes", "version": 1}]}
        )
        for name in ("billing", "audit")
    ]
    for reader in readers:
        await reader.next("opened")
    request = pb.ListReadersRequest(subject="notes", page_size=1)
    first = await shop.schemas.ListReaders(request)
    request.page_token = first.next_page_token
    second = await shop.schemas.ListReaders(request)
    found = [*first.readers, *second.readers]
    assert [(each.client_name, each.version, each.alive) for each in found] == [
        ("audit", 1, True),
        ("billing", 1, True),
    ]
    assert (list(found[0].topics), second.next_page_token) == (["notes.all"], "")
    report = await check(shop, wider)
    assert (report.compatible, report.blocked_by_readers) == (True, False)
    assert [each.reader.client_name for each in report.readers] == ["audit", "billing"]
    assert any(f"{TYPE}.size" in finding for finding in report.readers[0].findings)
    await settle(shop, "block_on_readers", block_on_readers=True)
    assert (await check(shop, wider)).blocked_by_readers
    blocked = await refused(register(shop, wider))
    assert (blocked.reason, "billing" in blocked.message) == ("READERS_AFFECTED", True)
    await settle(shop, "block_on_readers", block_on_readers=False)
    assert (await register(shop, wider)).schema.version == 2


def wide(count: int, kind: str) -> str:
    """A schema of many messages with long names."""
    messages = (f"message {'M' * 450}{number} {{ {kind} value = 1; }}" for number in range(count))
    return 'syntax = "proto3"; package notes.v1; ' + "\n".join(messages)


async def test_answers_fit_default_clients(shop: Shop) -> None:
    """Thousands of findings with long names are counted, and as many listed as a default client takes."""
    await register(shop, wide(1_200, "int64"))
    report = await check(shop, wide(1_200, "string"))
    assert report.breaking_count >= 1_200
    assert 100 <= len(report.findings) <= 1_000
    await settle(shop, "compatibility", compatibility={"direction": "COMPATIBILITY_DIRECTION_NONE"})
    await register(shop, wide(1_200, "string"))
    found = await shop.schemas.DiffSchemas(pb.DiffSchemasRequest(subject="notes"))
    assert found.difference_count >= 1_200
    assert len(found.differences) <= 5_000
    assert found.ByteSize() < 4 * 1024 * 1024
