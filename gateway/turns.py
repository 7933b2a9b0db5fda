"""Long work on the event loop, in turns: others wait a few milliseconds for it, and not until its end."""

from __future__ import annotations

import asyncio
from time import perf_counter, sleep
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator

TURN: Final = 0.002
"""How many seconds of work are done in one turn, besides what can't be divided."""
_HAND_OVER: Final = 0.00005
"""How many seconds the threads get after each turn. One that waits for the interpreter's lock gets it from a
busy thread once in 5 ms only, and SQLite's readers need it for every row."""
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
            sleep(_HAND_OVER)  # noqa: ASYNC251 - lets the other threads have the interpreter's lock
            began = perf_counter()
