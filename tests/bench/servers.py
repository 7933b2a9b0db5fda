"""The servers under measurement: the bare relay, and a gateway with its schema, its topics and its folder."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from tidegate.v1 import (
    schema_service_pb2,
    schema_service_pb2_grpc,
    topic_pb2,
    topic_service_pb2,
    topic_service_pb2_grpc,
)

from gateway.allocator import keep_freed_memory
from gateway.app import run, serve
from gateway.config import Config
from gateway.telemetry import set_up_logging
from tests.bench import flights
from tests.bench.bare import serve_bare
from tests.bench.processes import PATIENCE, Side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its process, its address, and whether it is the bare one."""

    side: Side
    address: str
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where servers run: the folder of their logs, and the event loop, ``uvloop`` or ``asyncio``."""

    folder: Path
    loop: str = "uvloop"


@contextlib.contextmanager
def bare_server(place: Place) -> Iterator[Server]:
    """Runs the bare relay."""
    with Side(serve_bare, place.loop) as side:
        yield Server(side, side.answer(), bare=True)


@contextlib.contextmanager
def gateway_server(place: Place) -> Iterator[Server]:
    """Runs a gateway on a new log, with the schema and the topics of ``flights``."""
    with new_log(place) as log, open_gateway(place, log) as server:
        set_up(server.address)
        yield server


@contextlib.contextmanager
def new_log(place: Place) -> Iterator[Path]:
    """Answers the path of a log to be, whose folder goes when it is done with."""
    with tempfile.TemporaryDirectory(prefix="tidegate-bench-", dir=place.folder) as folder:
        yield Path(folder) / "log.db"


@contextlib.contextmanager
def open_gateway(place: Place, log: Path) -> Iterator[Server]:
    """Runs a gateway on a log."""
    with Side(serve_gateway, str(log), place.loop) as side:
        yield Server(side, side.answer())


def serve_gateway(pipe: Connection, log: str, loop: str) -> None:
    """Runs a gateway as ``tidegate serve`` does, and sends its address; on asyncio by choice."""
    config = Config(
        listen="127.0.0.1:0",
        engine=f"sqlite://{log}",
        log_level="warning",
        drain_seconds=1.0,
        max_streams=10_000,
    )
    if loop == "uvloop":
        run(config, pipe.send)
        return
    set_up_logging(config.log_level, config.log_format)
    keep_freed_memory()
    asyncio.run(serve(config, pipe.send))


def set_up(address: str) -> None:
    """Registers the schema and creates the topics."""
    with grpc.insecure_channel(address) as channel:
        sources = {"files": {"bench.proto": flights.SCHEMA}}
        schema_service_pb2_grpc.SchemaServiceStub(channel).RegisterSchema(
            schema_service_pb2.RegisterSchemaRequest(subject=flights.SUBJECT, sources=sources),
            timeout=PATIENCE,
        )
        topics = topic_service_pb2_grpc.TopicServiceStub(channel)
        for name in (flights.REJECT, flights.ALLOW, flights.RULES):
            unknown = (
                topic_pb2.UNKNOWN_FIELDS_ALLOW if name == flights.ALLOW else topic_pb2.UNKNOWN_FIELDS_REJECT
            )
            topic = topic_pb2.Topic(name=name, subject=flights.SUBJECT, unknown_fields=unknown)
            topics.CreateTopic(topic_service_pb2.CreateTopicRequest(topic=topic), timeout=PATIENCE)
