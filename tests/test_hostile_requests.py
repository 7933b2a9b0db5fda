"""Requests that cost their sender little: none may cost the gateway, or the clients beside it, much."""

from __future__ import annotations

import asyncio
import errno
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import schema_pb2, topic_service_pb2_grpc
from tidegate.v1 import schema_service_pb2 as schemas
from tidegate.v1 import topic_service_pb2 as topics

from gateway.config import MIB
from gateway.telemetry import SteadyStream
from tests.shop import ORDERS, PAID, PATIENCE, PLACED, Shop, batch, order, refusal, refused

if TYPE_CHECKING:
    from tests.shop import Refusal

EVENTS, SCHEMAS, TOPICS = (f"/tidegate.v1.{noun}Service/" for noun in ("Event", "Schema", "Topic"))
LARGE = 40 * MIB
SWARMS = {  # a two-byte field, as often as it fits: each becomes an object of its own once it is decoded
    f"{EVENTS}Publish": (b"\x12\x00", "max_request_bytes"),
    f"{EVENTS}Subscribe": (b"\x0a\x00", "max_call_bytes"),
    f"{TOPICS}CreateTopic": (b"\x0a\x00", "max_call_bytes"),
    f"{TOPICS}UpdateTopic": (b"\x12\x00", "max_call_bytes"),
    f"{SCHEMAS}GetSchema": (b"\x0a\x00", "max_call_bytes"),
    f"{SCHEMAS}RegisterSchema": (b"\x12\x00", "max_bytes"),
    f"{SCHEMAS}CheckSchema": (b"\x12\x00", "max_bytes"),
    f"{SCHEMAS}UpdateSubject": (b"\x0a\x00", "max_call_bytes"),
    "/grpc.health.v1.Health/Check": (b"\x0a\x00", "max_call_bytes"),
}
BRIEF = 1.0
"""Seconds of both sides' time, most of it gRPC's; decoding the swarms takes two to twenty."""


async def _call(shop: Shop, method: str, raw: bytes) -> Refusal:
    if method.endswith(("Subscribe", "CheckSchema")):
        return await refused(shop.channel.unary_stream(method)(raw).read())
    return await refused(shop.channel.unary_unary(method)(raw))


@pytest.mark.parametrize("method", SWARMS)
async def test_a_swarm_of_fields_is_not_decoded(shop: Shop, method: str) -> None:
    """A request of millions of fields is refused by its size, at once, and names the limit."""
    field, limit = SWARMS[method]
    raw = field * (LARGE // len(field))
    begun = time.process_time()
    found = await _call(shop, method, raw)
    assert time.process_time() - begun < BRIEF
    assert limit in found.message
    assert found.code == ("INVALID_ARGUMENT" if limit == "max_bytes" else "RESOURCE_EXHAUSTED")


async def test_a_swarm_of_files_is_counted_before_it_is_read(shop: Shop) -> None:
    """Sources of very many files are refused by their number."""
    files = {f"{number}.proto": "" for number in range(50_000)}
    request = schemas.RegisterSchemaRequest(subject="x", sources=schema_pb2.ProtoSources(files=files))
    found = await refused(shop.schemas.RegisterSchema(request))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_SCHEMA")
    assert "50,000 files; at most 1,000" in found.message


@pytest.mark.parametrize("field", ["batches", "expected_positions"])
async def test_a_swarm_within_a_request_is_refused_by_its_number(shop: Shop, field: str) -> None:
    """Batches and expected positions of a request are counted before each is looked at."""
    request = pb.PublishRequest(expected_positions=[pb.ExpectedPosition(topic="x")] * 100_000)
    raw = b"\x12\x00" * 500_000 if field == "batches" else request.SerializeToString()
    found = await _call(shop, f"{EVENTS}Publish", raw)
    assert (found.reason, found.facts["limit"], found.fields) == ("LIMIT_EXCEEDED", "max_batches", [field])


@pytest.mark.parametrize(
    "method",
    [
        f"{EVENTS}Publish",
        f"{EVENTS}Subscribe",
        *(
            f"{SCHEMAS}{method.name}"
            for method in schemas.DESCRIPTOR.services_by_name["SchemaService"].methods
        ),
        *(f"{TOPICS}{verb}Topic" for verb in ("Create", "Get", "Update", "Delete")),
        f"{TOPICS}ListTopics",
    ],
)
async def test_bytes_that_are_no_message_are_an_invalid_request(shop: Shop, method: str) -> None:
    """Every RPC answers bytes that are no Protobuf message as its caller's mistake, with the same reason."""
    for raw in (b"\xff\xff", b"\x0a\x05abc", b"\x0b"):
        found = await _call(shop, method, raw)
        assert (found.code, found.reason, found.fields) == (
            "INVALID_ARGUMENT",
            "INVALID_REQUEST",
            ["request"],
        )


async def test_a_topic_made_anew_gets_nothing_that_was_checked_for_the_old_one(shop: Shop) -> None:
    """A request is refused if one of its topics was deleted and made anew, of another subject, meanwhile."""
    schema = {"tea.proto": 'syntax = "proto3"; package tea.v1; message Brewed { bool hot = 1; }'}
    await shop.register(schema, "tea")
    slow = batch(ORDERS, *[order("slow", 7)] * 5_000)
    for number in range(5):
        name, held = f"anew.t{number}", asyncio.Event()
        await shop.create_topic(name)

        async def make_anew(name: str = name, held: asyncio.Event = held) -> None:
            await held.wait()
            await shop.topics.DeleteTopic(topics.DeleteTopicRequest(name=name, force=True))
            request = topics.CreateTopicRequest(topic={"name": name, "subject": "tea"})
            await shop.topics.CreateTopic(request)

        making = asyncio.create_task(make_anew())
        publishing = asyncio.create_task(shop.publish(batch(name, order("old")), *[slow] * 40))
        held.set()
        await making
        assert (await refused(publishing)).reason == "TOPIC_NOT_FOUND"
        stats = (await shop.topics.GetTopic(topics.GetTopicRequest(name=name))).topic.stats
        assert stats.event_count == 0


async def test_an_event_is_acknowledged_or_its_topic_deleted(shop: Shop) -> None:
    """Of a publish and a delete without force at the same moment one is refused: no event is lost."""
    for number in range(30):
        name = f"either.t{number}"
        await shop.create_topic(name)

        async def publish(name: str = name, turns: int = number % 10) -> None:
            for _ in range(turns * 20):
                await asyncio.sleep(0)
            await shop.publish(batch(name, order("kept")))

        delete = shop.topics.DeleteTopic(topics.DeleteTopicRequest(name=name))
        results = await asyncio.gather(delete, publish(), return_exceptions=True)
        reasons = [refusal(it).reason for it in results if isinstance(it, grpc.aio.AioRpcError)]
        assert reasons in (["TOPIC_NOT_EMPTY"], ["TOPIC_NOT_FOUND"])


async def test_the_types_of_a_topic_count_once(shop: Shop) -> None:
    """A type that is named again and again stands in a topic once, also after a change."""
    many = [PLACED] * 20_000 + [PAID] * 20_000
    begun = time.process_time()
    topic = await shop.create_topic("typed", types=many)
    assert list(topic.types) == [PLACED, PAID]
    request = topics.UpdateTopicRequest(topic={"name": "typed", "types": [PAID, *many]})
    request.update_mask.paths.append("types")
    assert list((await shop.topics.UpdateTopic(request)).topic.types) == [PAID, PLACED]
    assert time.process_time() - begun < BRIEF


async def test_every_page_fits_a_default_client(shop: Shop) -> None:
    """Versions and topics with thousands of types come in pages that a client with default limits takes."""
    types = [f"Wide{number:04d}{'x' * 200}" for number in range(4_000)]
    source = 'syntax = "proto3"; package wide.v1;' + "".join(f"message {name} {{}}" for name in types)
    for version in range(5):
        text = f"{source} message Version{version} {{}}".replace("Version0", "Version")
        text += "".join(f"message Version{older} {{}}" for older in range(1, version))
        text += "message Version {}" if version else ""
        await shop.register({"wide.proto": text}, "wide")
    for number in range(5):
        names = [f"wide.v1.{name}" for name in types]
        request = topics.CreateTopicRequest(
            topic={"name": f"wide.t{number}", "subject": "wide", "types": names}
        )
        await shop.topics.CreateTopic(request)
    versions, names_, token = [], [], ""
    while True:
        page = await shop.schemas.ListSchemas(schemas.ListSchemasRequest(subject="wide", page_token=token))
        versions += [schema.version for schema in page.schemas]
        if not (token := page.next_page_token):
            break
    while True:
        found = await shop.topics.ListTopics(topics.ListTopicsRequest(pattern="wide.*", page_token=token))
        names_ += [topic.name for topic in found.topics]
        if not (token := found.next_page_token):
            break
    assert versions == [1, 2, 3, 4, 5]
    assert names_ == [f"wide.t{number}" for number in range(5)]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_log_that_cannot_be_written_fails_no_call(tmp_path: Path) -> None:
    """A gateway whose stderr is on a full disk answers as ever, refusals included."""
    command = [sys.executable, "-m", "tidegate.cli", "serve", "--listen", "127.0.0.1:0"]
    engine = ["--engine", f"sqlite://{tmp_path}/log.db"]
    with (
        Path("/dev/full").open("w") as full,
        subprocess.Popen([*command, *engine], stdout=subprocess.PIPE, stderr=full, text=True) as serving,
    ):
        try:
            assert serving.stdout is not None
            address = serving.stdout.readline().split()[4].rstrip(",")
            with grpc.insecure_channel(address) as channel:
                stub = topic_service_pb2_grpc.TopicServiceStub(channel)
                for _ in range(3):
                    with pytest.raises(grpc.RpcError) as caught:
                        stub.GetTopic(topics.GetTopicRequest(name="none"), timeout=PATIENCE)
                    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        finally:
            serving.terminate()
        assert serving.wait(PATIENCE) == 0


def test_lost_log_lines_are_counted() -> None:
    """What could not be logged is said, by number, as soon as logging works again."""

    class Flaky(io.StringIO):
        full = True

        def flush(self) -> None:
            if self.full:
                self.seek(0)
                self.truncate()
                raise OSError(errno.ENOSPC, "full")

    behind = Flaky()
    stream = SteadyStream(behind)
    stream.write("one\n")
    stream.write("two\n")
    behind.full = False
    stream.write("three\n")
    stream.write("four\n")
    assert behind.getvalue() == "2 lines of this log could not be written\nthree\nfour\n"
    behind.close()
    stream.write("five\n")
