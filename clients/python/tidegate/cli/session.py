"""How a command talks to the gateway: it runs one coroutine with a connection, and reports a refusal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import click
from google.protobuf.message import Message

from tidegate.connection import Connection
from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_Result = TypeVar("_Result")
_Page = TypeVar("_Page", bound=Message)

PAGE_SIZE = 1_000


class Refused(click.ClickException):
    """The gateway said no, or could not be asked: reason and fields at fault go to stderr, exit code 1."""

    def __init__(self, error: TidegateError) -> None:
        super().__init__(describe_error(error))

    def show(self, file: Any = None) -> None:
        """Writes the refusal to stderr."""
        click.echo(f"Error: {self.message}", file=file, err=file is None)


def describe_error(error: TidegateError) -> str:
    """Answers what a person needs: the sentence, the reason's name, and a line a field at fault."""
    reason = f" ({error.reason})" if error.reason else ""
    fields = [
        str(violation)
        for violation in error.violations
        # The sentence of a single violation says it all, but for the rule's id.
        if len(error.violations) > 1 or violation.rule_id or violation.description not in error.message
    ]
    return "\n  ".join([f"{error.message}{reason}", *fields])


def run(server: str, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    """Runs ``work`` with a connection to ``server``, and closes it.

    Raises:
        Refused: The gateway said no, or could not be asked.
    """
    try:
        return asyncio.run(_with_connection(server, work))
    except TidegateError as error:
        raise Refused(error) from error


async def _with_connection(server: str, work: Callable[[Connection], Awaitable[_Result]]) -> _Result:
    connection = Connection(server)
    try:
        return await work(connection)
    finally:
        await connection.close()


async def read_pages(connection: Connection, method: str, request: Any, answer: type[_Page]) -> list[_Page]:
    """Answers all pages of a listing; ``request`` is changed on the way."""
    request.page_size = PAGE_SIZE
    pages: list[Any] = []
    while not pages or request.page_token:
        pages.append(await connection.call(method, request, answer))
        request.page_token = pages[-1].next_page_token
    return pages
