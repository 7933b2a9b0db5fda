"""The gateway as a whole: the only place that wires its parts and chooses engines."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tidegate.v1 import group_service_pb2_grpc, schema_service_pb2_grpc, topic_service_pb2_grpc

from gateway.allocator import keep_freed_memory
from gateway.backtest import Backtester
from gateway.errors import CannotOpenLog
from gateway.event_json import EventJson
from gateway.event_pages import EventPages
from gateway.event_service import EventService
from gateway.group_service import GroupService
from gateway.groups.dead_letters import DeadLetters, letter_kinds_of
from gateway.groups.definitions import Definitions
from gateway.groups.filters import GroupFilters
from gateway.groups.groups import Groups
from gateway.groups.memberships import Memberships
from gateway.groups.repair import Repair
from gateway.interceptors import ErrorInterceptor, LimitInterceptor, TelemetryInterceptor
from gateway.live_filters import LiveFilters
from gateway.publisher import Publisher
from gateway.readers import Readers
from gateway.reflection import Reflection
from gateway.retention import Retention
from gateway.schema_service import SchemaService
from gateway.schema_trial import SchemaTrial
from gateway.schema_uses import GatewayUses
from gateway.schema_views import SchemaViews
from gateway.sieve_terms import SieveTerms
from gateway.sieves import Sieves
from gateway.sqlite.group_store import SqliteGroupStore
from gateway.sqlite.log import SqliteLog
from gateway.sqlite.reader_store import SqliteReaderStore
from gateway.sqlite.topic_store import SqliteTopicStore
from gateway.subscriber import Subscriber
from gateway.telemetry import set_up_logging
from gateway.topic_service import TopicService
from gateway.topics import Topics
from gateway.typed_service import TypedServices
from registry.errors import TidegateError
from registry.registry import Registry
from registry.schema import SchemaLimits
from registry.sqlite_store import SqliteSchemaStore, UnknownSchemaFormat

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType
    from typing import Self

    from gateway.config import Config
    from gateway.groups.store import GroupStore
    from gateway.log import EventLog, StoredKind
    from gateway.readers import ReaderStore
    from gateway.topics import TopicStore
    from registry.store import SchemaStore

SERVICES = (
    "tidegate.v1.EventService",
    "tidegate.v1.SchemaService",
    "tidegate.v1.TopicService",
    "tidegate.v1.GroupService",
)
RECEIVE_BYTES = 64 * 1024 * 1024
"""The largest message that gRPC takes at all; what is larger than a limit of ours gets our own error."""
QUIET_SECONDS = 0.05
"""How long no call may have come before the server of a stopping gateway closes."""
LINGER_SECONDS = 0.2
"""How long the last answers of a stopping gateway get to leave; watchers of its health end then too."""
_OPTIONS = (
    ("grpc.so_reuseport", 0),  # a second gateway on the same port fails, instead of taking half of the calls
    ("grpc.max_receive_message_length", RECEIVE_BYTES),
    ("grpc.max_send_message_length", -1),
    # Finds a peer that vanished without a word. gRPC goes by the ping's timeout, whose default is 60 s.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    # Many clients ping every 5 or 10 s, some while they have no call. By default, gRPC sends those away that
    # do so more often than every 5 minutes, or than every 2 hours without a call.
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
)

_log = structlog.get_logger("tidegate.gateway")


class Engine(NamedTuple):
    """What keeps the log, and all else that outlives the gateway."""

    log: EventLog
    schemas: SchemaStore
    topics: TopicStore
    readers: ReaderStore
    groups: GroupStore


async def _open_engine(config: Config, stack: contextlib.AsyncExitStack) -> Engine:
    """Opens what the setting ``engine`` names; the stack closes it."""
    path = config.engine_path()
    log = await SqliteLog.open(path, tail_bytes=config.tail_bytes)
    stack.push_async_callback(log.close)
    schemas = await SqliteSchemaStore.open(path)
    stack.push_async_callback(schemas.close)
    topics = await SqliteTopicStore.open(path)
    stack.push_async_callback(topics.close)
    readers = await SqliteReaderStore.open(path)
    stack.push_async_callback(readers.close)
    groups = await SqliteGroupStore.open(path)
    stack.push_async_callback(groups.close)
    return Engine(log, schemas, topics, readers, groups)


class CannotListen(Exception):
    """The address can't be listened on. ``str()`` names it and says what to do."""


class Gateway:
    """One gateway in this process, from ``async with`` to its end; a stopping one drains first."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._closing = contextlib.AsyncExitStack()
        self.address = ""
        """Where it listens, ``HOST:PORT``, once it is open."""

    async def __aenter__(self) -> Self:
        """Opens the log and starts to serve.

        Raises:
            CannotOpenLog, CannotListen.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                await self._open(stack)
            except (TidegateError, UnknownSchemaFormat) as error:
                raise CannotOpenLog(str(error)) from error
            self._closing = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drains, and releases the log; takes ``drain_seconds`` and a moment, besides closing files."""
        await self._drain()
        await self._closing.aclose()

    async def _open(self, stack: contextlib.AsyncExitStack) -> None:
        config = self._config
        engine = await _open_engine(config, stack)
        log, topics = engine.log, Topics(engine.topics, config.max_topics)
        await topics.open()
        await log.index_keys(topics.with_index())
        self._readers = Readers(engine.readers, topics, config.reader_alive_seconds)
        await self._readers.open()
        stack.push_async_callback(self._readers.close)
        filters = LiveFilters()

        async def letters_of(subject: str) -> Collection[StoredKind]:
            return await letter_kinds_of(subject, self._groups, registry)

        uses = GatewayUses(topics, log, self._readers, filters, letters_of)
        registry = Registry(engine.schemas, SchemaLimits(max_bytes=config.max_schema_bytes), uses)
        await registry.open()
        self._backtester = Backtester(log, topics)
        retention = Retention(log, topics)
        self._publisher = Publisher(log, topics, registry, config)
        sieves = Sieves(SieveTerms(topics, registry.decoding), registry.decoding, filters)
        self._subscriber = Subscriber(log, topics, registry, self._readers, sieves=sieves, config=config)
        group_service = await self._open_groups(stack, engine, topics, sieves, EventJson(registry.decoding))
        memberships = Memberships(self._groups, self._readers, self._subscriber, sieves)
        pages = EventPages(log, topics, registry, sieves=sieves, config=config)
        self._events = EventService(self._publisher, self._subscriber, pages, self._groups, memberships)
        trial = SchemaTrial(registry, self._backtester)
        self._make_server(
            SchemaService(registry, uses, SchemaViews(registry), trial),
            TopicService(topics, registry, log, retention),
            group_service,
            TypedServices(self._events, registry),
            Reflection((*SERVICES, health.SERVICE_NAME), topics, registry),
        )
        await self._server.start()
        for work in (retention.run(), self._readers.run(), self._groups.run()):
            stack.push_async_callback(_cancel, asyncio.create_task(work))
        for service in ("", *SERVICES):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def _open_groups(
        self,
        stack: contextlib.AsyncExitStack,
        engine: Engine,
        topics: Topics,
        sieves: Sieves,
        event_json: EventJson,
    ) -> GroupService:
        filters = GroupFilters(sieves)
        definitions = Definitions(topics, self._config.max_subscription_topics)
        self._groups = Groups(engine.groups, engine.log, definitions, filters)
        letters = DeadLetters(self._groups, engine.groups, filters)
        self._repair = Repair(self._groups, engine.groups, letters, engine.log)
        await self._groups.open()
        stack.push_async_callback(self._groups.close)
        return GroupService(self._groups, engine.groups, letters, self._repair, event_json)

    def _make_server(
        self,
        schemas: SchemaService,
        topics: TopicService,
        groups: GroupService,
        typed: TypedServices,
        reflection: Reflection,
    ) -> None:
        self._limits = LimitInterceptor(self._config)
        interceptors = (ErrorInterceptor(), TelemetryInterceptor(), self._limits)
        self._server = grpc.aio.server(interceptors=interceptors, options=_OPTIONS)
        self._health = health.aio.HealthServicer()
        self._server.add_generic_rpc_handlers((self._events.handlers(), typed, *reflection.handlers()))
        schema_service_pb2_grpc.add_SchemaServiceServicer_to_server(schemas, self._server)
        topic_service_pb2_grpc.add_TopicServiceServicer_to_server(topics, self._server)
        group_service_pb2_grpc.add_GroupServiceServicer_to_server(groups, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self.address = self._listen()

    def _listen(self) -> str:
        host, _, _ = self._config.listen.rpartition(":")
        try:
            port = self._server.add_insecure_port(self._config.listen)
        except RuntimeError as error:
            raise CannotListen(
                f"can't listen on {self._config.listen}: the port is taken, or the host is not this "
                f"machine's. Choose another with --listen; port 0 picks a free one."
            ) from error
        return f"{host}:{port}"

    async def _drain(self) -> None:
        """Stops taking calls, tells the readers, waits for what was taken, and closes the server."""
        deadline = asyncio.get_running_loop().time() + self._config.drain_seconds
        self._limits.drain()
        self._events.drain()
        self._subscriber.drain()
        self._groups.drain()
        self._repair.drain()
        self._backtester.drain()
        try:
            async with asyncio.timeout_at(deadline):
                await self._health.enter_graceful_shutdown()
                await self._publisher.drain()
                await self._limits.idle()
        except TimeoutError:
            _log.warning("not all calls ended in time", drain_seconds=self._config.drain_seconds)
        await self._limits.quiet(QUIET_SECONDS, at_most=1.0)
        await self._server.stop(grace=LINGER_SECONDS)


async def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def serve(config: Config, ready: Callable[[str], None]) -> None:
    """Runs a gateway until SIGTERM or SIGINT, then drains it.

    Args:
        config: Its settings.
        ready: Called with the address once it serves.

    Raises:
        CannotOpenLog, CannotListen.
    """
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    async with Gateway(config) as gateway:
        _log.info("serving", address=gateway.address, engine=config.engine)
        ready(gateway.address)
        await stopped.wait()
        _log.info("draining", seconds=config.drain_seconds)
    _log.info("stopped")


def run(config: Config, ready: Callable[[str], None]) -> None:
    """Runs ``serve`` in this process, with everything set up for it: logs, event loop, allocator.

    Raises:
        CannotOpenLog, CannotListen.
    """
    set_up_logging(config.log_level, config.log_format)
    keep_freed_memory()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(config, ready))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Answers uvloop's factory, where it is installed (``docs/performance.md`` has the comparison)."""
    if sys.platform == "win32":
        return None
    import uvloop  # noqa: PLC0415

    return uvloop.new_event_loop


__all__ = ["CannotListen", "CannotOpenLog", "Gateway", "run", "serve"]
