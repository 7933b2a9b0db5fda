"""How a command talks to the gateway: it runs one coroutine with a client, and reports a refusal."""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tidegate.aio import AsyncClient
from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

_COMMANDS = {
    "UpdateTopic": "`tidegate topic update`",
    "UpdateGroup": "`tidegate group update`",
    "GetGroup": "`tidegate group get`",
    "ListDeadLetters": "`tidegate dead-letters list`",
    "RestoreSchema": "`tidegate schema restore`",
    "Set force": "Add --force",
}
"""From what the gateway tells a program to call, to what a person types."""
_CALLS = re.compile(rf"\b({'|'.join(_COMMANDS)})\b")

_Result = TypeVar("_Result")
_Item = TypeVar("_Item")


class Refused(click.ClickException):
    """The gateway said no, or could not be asked: reason and fields at fault go to stderr, exit code 1."""

    def __init__(self, error: TidegateError) -> None:
        super().__init__(describe_error(error))

    def show(self, file: Any = None) -> None:
        """Writes the refusal to stderr."""
        click.echo(f"Error: {self.message}", file=file, err=file is None)


def describe_error(error: TidegateError) -> str:
    """Answers what a person needs: the sentence, the reason's name, and a line a field at fault.

    Where the sentence names a call as the way out, it names the command instead.
    """
    reason = f" ({error.reason})" if error.reason else ""
    fields = [
        str(violation)
        for violation in error.violations
        # The sentence of a single violation says it all, but for the rule's id.
        if len(error.violations) > 1 or violation.rule_id or violation.description not in error.message
    ]
    said = "\n  ".join([f"{error.message}{reason}", *fields])
    return _CALLS.sub(lambda call: _COMMANDS[call[0]], said)


def run(server: str, work: Callable[[AsyncClient], Awaitable[_Result]]) -> _Result:
    """Runs ``work`` with a client of the gateway at ``server``, and closes it.

    Raises:
        Refused: The gateway said no, or could not be asked.
    """
    _report_interruptions()
    try:
        return asyncio.run(_with_client(server, work))
    except TidegateError as error:
        raise Refused(error) from error


def run_listing(server: str, listing: Callable[[AsyncClient], AsyncIterator[_Item]]) -> list[_Item]:
    """Answers all that a listing yields; otherwise as ``run``."""

    async def collect(client: AsyncClient) -> list[_Item]:
        return [item async for item in listing(client)]

    return run(server, collect)


class _NowAndThen(logging.Filter):
    """Passes warnings, and one record in ten seconds of what is less: attempts to connect come in numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Tells whether a record is passed."""
        if record.levelno < logging.WARNING and record.created < self._next:
            return False
        self._next = record.created + 10.0
        return True


def _report_interruptions() -> None:
    # The client makes broken connections again by itself; who waits meanwhile must know why nothing comes.
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("tidegate: %(message)s"))
    handler.addFilter(_NowAndThen())
    logging.getLogger("tidegate").addHandler(handler)
    logging.getLogger("tidegate").setLevel(logging.INFO)


async def _with_client(server: str, work: Callable[[AsyncClient], Awaitable[_Result]]) -> _Result:
    async with AsyncClient(server) as client:
        return await work(client)
