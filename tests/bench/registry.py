"""How fast the registry is: large schemas, long histories, and a start with many subjects."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING

import grpc
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tidegate.v1 import (
    event_pb2,
    event_service_pb2,
    event_service_pb2_grpc,
    schema_service_pb2,
    schema_service_pb2_grpc,
    topic_pb2,
    topic_service_pb2,
    topic_service_pb2_grpc,
)

from registry.compat.engine import compare
from registry.compat.promise import Direction, Promise, Surface
from tests.bench.processes import PATIENCE
from tests.bench.report import Row
from tests.bench.servers import new_log, open_gateway
from tests.bench.stored_schemas import grow, make_file, make_version, store_versions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from registry.schema import SchemaVersion
    from tests.bench.servers import Place

PART = "Registry"
LARGE = 1_000
"""Messages of the schemas that are compared."""
VERSIONS, FILES, MESSAGES = 200, 100, 10
"""The long history: its versions, their files, the messages of each."""
SUBJECTS = 1_000


def measure(place: Place, rounds: int) -> Iterator[Row]:
    """Measures all cases; those that are short ``rounds`` times."""
    yield _compare(rounds)
    yield _long_history(place)
    yield _many_subjects(place, rounds)


def _compare(rounds: int) -> Row:
    """Compares schemas that no round before has seen: shapes are kept by the bytes of their files."""
    took = []
    for turn in range(rounds):
        file = make_file(f"bench.large{turn}", LARGE)
        old = make_version("bench", 1, [file])
        grow(file, 100)
        new = make_version("bench", 2, [file])
        started = time.perf_counter()
        compare(old.side(), new.side())
        took.append((time.perf_counter() - started) * 1e3)
    return _row(f"compare two schemas of {LARGE:,} messages", "ms", took, 200)


def _long_history(place: Place) -> Row:
    """Registers behind many versions that all count; to register the same once more only compiles it."""
    files = [make_file(f"bench.f{index}", MESSAGES) for index in range(FILES)]
    with new_log(place) as log:
        promise = Promise(Direction.FULL_TRANSITIVE, Surface.WIRE)
        asyncio.run(store_versions(log, _history(files), promise))
        with open_gateway(place, log) as server, grpc.insecure_channel(server.address) as channel:
            registry = schema_service_pb2_grpc.SchemaServiceStub(channel)
            whole, compiling = [], []
            for turn in range(3):  # the first one reads all versions, the others find their shapes
                grow(files[turn], 10_000)
                whole.append(_register(registry, files))
                compiling.append(_register(registry, files))
    besides = [it - statistics.median(compiling) for it in whole]
    facts = {"compiling_s": statistics.median(compiling), "again_s": min(besides[1:])}
    case = f"register behind {VERSIONS} versions of {FILES} files, FULL_TRANSITIVE, besides compiling"
    return _row(case, "s", besides[:1], 1, facts)


def _history(files: Sequence[FileDescriptorProto]) -> Iterator[SchemaVersion]:
    for version in range(1, VERSIONS + 1):
        grow(files[version % FILES], 100 + version)
        yield make_version("bench", version, files)


def _register(
    registry: schema_service_pb2_grpc.SchemaServiceStub, files: Sequence[FileDescriptorProto]
) -> float:
    sent = FileDescriptorSet(file=files).SerializeToString()
    started = time.perf_counter()
    registry.RegisterSchema(
        schema_service_pb2.RegisterSchemaRequest(subject="bench", descriptor_set=sent), timeout=PATIENCE
    )
    return time.perf_counter() - started


def _many_subjects(place: Place, rounds: int) -> Row:
    """Starts behind many subjects, and publishes an event of a type that was never used before."""
    started, published = [], []
    with new_log(place) as log:
        asyncio.run(store_versions(log, map(_subject, range(SUBJECTS))))
        for turn in range(rounds):
            begun = time.perf_counter()
            with open_gateway(place, log) as server, grpc.insecure_channel(server.address) as channel:
                started.append(time.perf_counter() - begun)
                published.append(_first_publish(channel, turn) * 1e3)
    facts = {"first_publish_ms": statistics.median(published)}
    return _row(f"start with {SUBJECTS:,} subjects, until it serves", "s", started, 2, facts)


def _subject(number: int) -> SchemaVersion:
    return make_version(f"subject{number}", 1, [make_file(f"bench.s{number}", MESSAGES)])


def _first_publish(channel: grpc.Channel, turn: int) -> float:
    topic = topic_pb2.Topic(name=f"bench.topic{turn}", subject=f"subject{turn}")
    topic_service_pb2_grpc.TopicServiceStub(channel).CreateTopic(
        topic_service_pb2.CreateTopicRequest(topic=topic), timeout=PATIENCE
    )
    batch = event_pb2.EventBatch(
        topic=topic.name, type=f"bench.s{turn}.M0", events=[event_pb2.Event(data=b"")]
    )
    started = time.perf_counter()
    event_service_pb2_grpc.EventServiceStub(channel).Publish(
        event_service_pb2.PublishRequest(batches=[batch]), timeout=PATIENCE
    )
    return time.perf_counter() - started


def _row(
    case: str, unit: str, took: Sequence[float], at_most: float, facts: Mapping[str, float] | None = None
) -> Row:
    median = statistics.median(took)
    return Row(
        PART,
        case,
        unit,
        median,
        target=f"at most {at_most:g} {unit}",
        met=median <= at_most,
        facts=facts or {},
        samples={unit: took},
    )
