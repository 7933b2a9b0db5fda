"""``tidegate schema register``: makes a schema the next version of its subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.candidate import read_candidate, schema_arguments
from tidegate.cli.output import format_count, json_option, write_json
from tidegate.cli.promise import message_option
from tidegate.cli.report.text import write_text
from tidegate.cli.report.words import Outcome, describe_filter
from tidegate.cli.session import run
from tidegate.cli.values import format_examples
from tidegate.errors import EventTypeNeeded, IncompatibleSchema, ReadersAffected, TidegateError

if TYPE_CHECKING:
    from tidegate.aio import AsyncClient
    from tidegate.cli.candidate import Candidate
    from tidegate.v1 import schema_service_pb2

_EXPLAINED = (IncompatibleSchema, ReadersAffected, EventTypeNeeded)
"""What a check says more about than the refusal."""


@click.command(
    epilog=format_examples(
        "tidegate schema register flights proto/flights.proto",
        "tidegate schema register shop -I proto proto/shop/v1/*.proto --message 'refunds'",
        "tidegate schema register shop -I proto proto/shop/v1/*.proto --reference money@2",
        "tidegate schema register shop --descriptor-set shop.binpb",
    )
)
@schema_arguments
@message_option
@click.option(
    "--version",
    type=click.IntRange(1, 2**32 - 1),
    help="The version's number; only for a subject in mode IMPORT.",
)
@json_option
@click.pass_obj
def register(server: str, /, *, message: str, version: int | None, as_json: bool, **schema: Any) -> None:
    """Register a schema as SUBJECT's next version.

    The gateway compiles it and holds it to what SUBJECT promises; `tidegate schema check` says beforehand
    what it would say. A schema that is there already answers its version. What the files import is sent
    along if it is below DIR; google/protobuf, google/type, google/rpc and buf/validate are the gateway's own.
    """
    candidate = read_candidate(**schema)

    async def try_it(client: AsyncClient) -> schema_service_pb2.RegisterSchemaResponse:
        try:
            return await client.register(
                candidate.subject, **candidate.arguments(), message=message, version=version or 0
            )
        except _EXPLAINED as refusal:
            if not await _explain(client, candidate):
                raise
            raise click.ClickException(f"nothing was registered ({refusal.reason})") from refusal

    answer = run(server, try_it)
    if as_json:
        write_json(answer)
    else:
        click.echo(_describe(answer))
        for affected in answer.filters:
            click.echo(f"Warning: a filter {describe_filter(affected)}", err=True)


async def _explain(client: AsyncClient, candidate: Candidate) -> bool:
    """Writes to stderr what a check says; tells if there was one: else the refusal must say it all."""
    try:
        found = await client.check_schema(candidate.subject, **candidate.arguments())
    except TidegateError:
        return False
    write_text(Outcome(candidate.subject, found.report, paths=candidate.sources.paths), err=True)
    return True


def _describe(answer: schema_service_pb2.RegisterSchemaResponse) -> str:
    state = "registered" if answer.created else "was there already"
    types = ", ".join(answer.schema.types) or "no event types"
    notices = f" ({format_count(len(answer.notices), 'notice')})" if answer.notices else ""
    return f"{answer.schema.subject} version {answer.schema.version} {state}: {types}{notices}"
