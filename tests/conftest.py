"""Fixtures that several test files share: a real gateway on a real socket, over a real file."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, settings

from gateway.app import Gateway
from gateway.config import Config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

settings.register_profile("short", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("long", max_examples=2_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("TIDEGATE_TEST_PROFILE", "short"))


def config_in(folder: Path, **settings_: Any) -> Config:
    """Settings of a gateway on a free port, with its file in ``folder``."""
    return Config(**{"listen": "127.0.0.1:0", "engine": f"sqlite://{folder}/log.db", "drain_seconds": 5.0} | settings_)


@pytest.fixture
def start_gateway(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Gateway]]:
    """Starts gateways over one file: ``async with start_gateway(max_topics=3) as gateway``."""

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
