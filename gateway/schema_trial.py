"""Trying a schema: the registry's report first, then what stored events make of it."""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

from tidegate.v1 import schema_service_pb2 as pb

from gateway.backtest import Progress
from gateway.backtest_messages import progress_message, read_wanted, tried_message
from gateway.schema_messages import read_candidate, read_promise, report_message

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gateway.backtest import Backtester
    from gateway.history import Wanted
    from registry.compat.promise import Promise
    from registry.compiling.compiler import Compiled
    from registry.registry import Registry


class SchemaTrial:
    """Answers CheckSchema requests, part by part."""

    def __init__(self, registry: Registry, backtester: Backtester) -> None:
        self._registry = registry
        self._backtester = backtester

    async def run(self, request: pb.CheckSchemaRequest) -> AsyncGenerator[pb.CheckSchemaResponse, None]:
        """Yields the report; then, if a backtest was asked for, its progress and its report.

        Closing it ends the backtest.

        Raises:
            TidegateError: As the contract's CheckSchema says.
        """
        wanted = read_wanted(request.backtest) if request.HasField("backtest") else None
        if wanted is not None:
            self._backtester.require(request.subject, wanted)
        report = await self._registry.check(
            request.subject,
            read_candidate(request),
            against=request.version if request.WhichOneof("against") == "version" else None,
            all_versions=request.all_versions,
            promise=await self._promise(request),
        )
        yield pb.CheckSchemaResponse(report=report_message(report))
        if wanted is not None:
            async with aclosing(self._backtest(request.subject, report.compiled, wanted)) as parts:
                async for part in parts:
                    yield part

    async def _backtest(
        self, subject: str, compiled: Compiled, wanted: Wanted
    ) -> AsyncGenerator[pb.CheckSchemaResponse, None]:
        async with aclosing(self._backtester.run(subject, compiled, wanted)) as parts:
            async for part in parts:
                if isinstance(part, Progress):
                    yield pb.CheckSchemaResponse(progress=progress_message(part))
                else:
                    yield pb.CheckSchemaResponse(backtest=tried_message(part))

    async def _promise(self, request: pb.CheckSchemaRequest) -> Promise | None:
        if not request.HasField("compatibility"):
            return None
        own = await self._registry.promise_of(request.subject)
        return read_promise(request.compatibility, "compatibility", own)
