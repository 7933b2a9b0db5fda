"""Fixtures that several test files share: a real gateway on a real socket, over a real file."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, settings

from gateway.app import Gateway
from gateway.config import Config
from tests.command_line import EXAMPLE, run_tidegate, serving
from tests.registries import compile_once
from tests.shop import Shop

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

# Who starts tests in the background of a script has SIGINT ignored, and so had all processes started here.
signal.signal(signal.SIGINT, signal.default_int_handler)
settings.register_profile(
    "short", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "long", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("TIDEGATE_TEST_PROFILE", "short"))


def config_in(folder: Path, **settings_: Any) -> Config:
    """Settings of a gateway on a free port, with its file in ``folder``."""
    return Config(
        **{"listen": "127.0.0.1:0", "engine": f"sqlite://{folder}/log.db", "drain_seconds": 5.0} | settings_
    )


@pytest.fixture
def start_gateway(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Gateway]]:
    """Starts gateways, one after another, over one file; takes their settings."""

    @asynccontextmanager
    async def start(**settings_: Any) -> AsyncIterator[Gateway]:
        async with Gateway(config_in(tmp_path, **settings_)) as gateway:
            yield gateway

    return start


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with default settings, in this event loop."""
    async with Gateway(config_in(tmp_path)) as running:
        yield running


@pytest.fixture
async def channel(gateway: Gateway) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the gateway, with the options of a default client."""
    async with grpc.aio.insecure_channel(gateway.address) as channel:
        yield channel


@contextmanager
def gateway_in_thread(config: Config) -> Iterator[Gateway]:
    """A gateway on an event loop of its own, for tests that are synchronous."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="gateway")
    thread.start()
    gateway = Gateway(config)
    try:
        asyncio.run_coroutine_threadsafe(gateway.__aenter__(), loop).result(30)
        try:
            yield gateway
        finally:
            asyncio.run_coroutine_threadsafe(gateway.__aexit__(None, None, None), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture(scope="module")
def module_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway for a whole module of synchronous tests."""
    with gateway_in_thread(config_in(tmp_path_factory.mktemp("gateway"))) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stopped gateway's file that has the shop's schema and topics: made once, copied."""
    folder = tmp_path_factory.mktemp("stocked")

    async def stock() -> None:
        async with (
            Gateway(config_in(folder)) as gateway,
            grpc.aio.insecure_channel(gateway.address) as channel,
        ):
            await Shop(channel).open()

    asyncio.run(stock())
    return folder


@pytest.fixture
def start_shop(tmp_path: Path, stocked: Path) -> Callable[..., AbstractAsyncContextManager[Shop]]:
    """Starts gateways, one after another, over one file that has the shop; takes their settings."""
    shutil.copytree(stocked, tmp_path, dirs_exist_ok=True)

    @asynccontextmanager
    async def start(**settings_: Any) -> AsyncIterator[Shop]:
        async with (
            Gateway(config_in(tmp_path, **settings_)) as gateway,
            grpc.aio.insecure_channel(gateway.address) as channel,
        ):
            yield Shop(channel, gateway)

    return start


@pytest.fixture
async def shop(start_shop: Callable[..., AbstractAsyncContextManager[Shop]]) -> AsyncIterator[Shop]:
    """A gateway with the shop's schema (version 1) and its topics, reached by plain stubs."""
    async with start_shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def module_shop(tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[Callable[..., None]]:
    """Runs ``async`` functions of a shop, one after another, against one gateway: for properties."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(stocked, folder, dirs_exist_ok=True)
    with asyncio.Runner() as runner:
        gateway = Gateway(config_in(folder))
        runner.run(gateway.__aenter__())
        channel = runner.run(_channel(gateway.address))
        try:
            yield lambda use: runner.run(use(Shop(channel, gateway)))
        finally:
            runner.run(channel.close())
            runner.run(gateway.__aexit__(None, None, None))


async def _channel(address: str) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address)


@pytest.fixture
def schemas_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Registries compile each schema once in all tests: most of a registration is the process that does."""
    monkeypatch.setattr("registry.candidates.compile_sources", compile_once)


@pytest.fixture(scope="session")
def cli_engine(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The engine of the gateway that ``tidegate serve`` runs."""
    return f"sqlite:{tmp_path_factory.mktemp('cli')}/log.db"


@pytest.fixture(scope="session")
def cli_server(cli_engine: str) -> Iterator[str]:
    """The address of a gateway that ``tidegate serve`` runs, with the schema of the example's flights."""
    schema = EXAMPLE / "schema" / "v1" / "flights.proto"
    with serving("--engine", cli_engine) as address:
        registered = run_tidegate("--server", address, "schema", "register", "flights", schema)
        assert registered.returncode == 0, registered.stderr
        yield address


@pytest.fixture
def tidegate(cli_server: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command against that gateway."""
    return lambda *arguments, **settings: run_tidegate("--server", cli_server, *arguments, **settings)


@pytest.fixture
def cli_topic(tidegate: Callable[..., Any], request: pytest.FixtureRequest) -> str:
    """A topic of the test's own there, for events of flights."""
    name = f"cli.{request.node.originalname}"
    assert tidegate("topic", "create", name, "--subject", "flights").returncode == 0
    return name
