"""Processes of the benchmark: each side starts as one, answers over a pipe, and never outlives its use."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import multiprocessing
import os
import signal
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import uvloop

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

_SPAWN = multiprocessing.get_context("spawn")
_TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 120.0
"""Seconds to wait for an answer of a process before the benchmark gives up."""


class SideFailed(Exception):
    """A process of the benchmark failed, or did not answer in time. ``str()`` has its traceback."""


class Side:
    """A process that runs ``main(pipe, *arguments)``, a function or a coroutine function of a module.

    As a context manager it ends the process with SIGTERM, and kills one that does not heed it.
    """

    def __init__(self, main: Callable[..., Any], *arguments: Any) -> None:
        self._pipe, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_run, args=(main, theirs, arguments), daemon=True)
        self._process.start()
        theirs.close()
        self._name = main.__name__

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.join(15)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._pipe.close()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process.pid is not None
        return self._process.pid

    def answers(self, within: float) -> bool:
        """Tells whether an answer is there within so many seconds."""
        return self._pipe.poll(within)

    def answer(self, patience: float = PATIENCE) -> Any:
        """Waits for what the process sends next.

        Raises:
            SideFailed: It failed, ended, or sent nothing for ``patience`` seconds.
        """
        if not self._pipe.poll(patience):
            raise SideFailed(f"{self._name}: no answer within {patience:g} s")
        try:
            answer = self._pipe.recv()
        except EOFError as error:
            raise SideFailed(f"{self._name}: ended without an answer") from error
        if isinstance(answer, SideFailed):
            raise answer
        return answer

    def tell(self, value: object) -> None:
        """Sends something to the process."""
        self._pipe.send(value)

    def cpu_seconds(self) -> float:
        """Answers the processor time that the process has used, in user and system mode."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        """Answers the memory that the process holds, besides pages of files."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        raise SideFailed(f"{self._name}: /proc/{self.pid}/status has no RssAnon; is this Linux?")


def _run(main: Callable[..., Any], pipe: Connection, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends its processes
    try:
        result = main(pipe, *arguments)
        if inspect.iscoroutine(result):
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(result)
    except Exception:  # noqa: BLE001  # the parent raises it
        with contextlib.suppress(OSError):
            pipe.send(SideFailed(f"{main.__name__} failed\n{traceback.format_exc()}"))
