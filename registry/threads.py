"""The threads on which the registry does what takes time, so that the event loop never waits for it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

COMPILATIONS_AT_ONCE = 2
"""How many schemas are compiled at the same time; each may take ``SchemaLimits.compile_bytes``."""
_T = TypeVar("_T")


class Threads:
    """Two threads compile, one compares, one builds validators: a long comparison holds up no publisher.

    Work whose caller is gone still takes its turn there, so that nobody can start more of it by going away.
    """

    def __init__(self) -> None:
        self._compiling = ThreadPoolExecutor(COMPILATIONS_AT_ONCE, "tidegate-compile")
        self._comparing = ThreadPoolExecutor(1, "tidegate-compare")
        self._building = ThreadPoolExecutor(1, "tidegate-build")

    async def compile(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Runs a function that compiles."""
        return await asyncio.get_running_loop().run_in_executor(self._compiling, function, *arguments)

    async def compare(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Runs a function that compares, explains or reads schemas."""
        return await asyncio.get_running_loop().run_in_executor(self._comparing, function, *arguments)

    async def build(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Runs a function that makes something ready to check events."""
        return await asyncio.get_running_loop().run_in_executor(self._building, function, *arguments)
