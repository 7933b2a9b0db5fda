"""Long work on the event loop, in turns: others wait a few milliseconds for it, and not until its end."""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

TURN: Final = 0.002
"""How many seconds of work are done in one turn, besides what can't be divided."""
_T = TypeVar("_T")


async def in_turns(work: Generator[None, None, _T]) -> _T:
    """Does work that yields where it can be interrupted, and answers what comes of it."""
    began = perf_counter()
    while True:
        try:
            next(work)
        except StopIteration as done:
            answer: _T = done.value
            return answer
        if perf_counter() - began > TURN:
            await asyncio.sleep(0)
            began = perf_counter()
