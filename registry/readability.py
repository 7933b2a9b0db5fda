"""Which versions can read what was written with which others: judged once, then remembered."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING

from registry.compat.engine import readable

if TYPE_CHECKING:
    from registry.lineages import Lineages
    from registry.threads import Threads

VERDICTS_KEPT = 10_000
"""How many verdicts are remembered; what was asked for longest ago goes first."""
_Question = tuple[str, int, int, str]


class Readability:
    """Answers whether one version of a subject reads events of another one. A verdict never changes."""

    def __init__(self, lineages: Lineages, threads: Threads) -> None:
        self._lineages = lineages
        self._threads = threads
        self._verdicts: OrderedDict[_Question, bool] = OrderedDict()
        self._judging = asyncio.Lock()

    async def readable(self, subject: str, writer: int, reader: int, type_name: str) -> bool:
        """Tells whether binary events of a type, written with one version, can be read with another one.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: One of the versions is not there.
        """
        question = (subject, writer, reader, type_name)
        if writer == reader:
            return True
        if question not in self._verdicts:
            async with self._judging:
                await self._judge(question)
        self._verdicts.move_to_end(question)
        return self._verdicts[question]

    async def _judge(self, question: _Question) -> None:
        if question in self._verdicts:
            return
        subject, writer, reader, type_name = question
        sides = [(await self._lineages.get(subject, version)).side() for version in (writer, reader)]
        self._verdicts[question] = await self._threads.compare(readable, *sides, type_name)
        if len(self._verdicts) > VERDICTS_KEPT:
            self._verdicts.popitem(last=False)
