"""``tidegate stubs``: makes typed stubs of a topic, in the language of its programs."""

from __future__ import annotations

import shlex
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tidegate.cli.output import format_count
from tidegate.cli.session import run
from tidegate.cli.values import format_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidegate.aio import AsyncClient
    from tidegate.cli.stubbing.language import Language, Made, Tool
    from tidegate.cli.stubbing.plan import Plan
    from tidegate.v1.schema_service_pb2 import GetSchemaResponse

LANGUAGES = {"python": "Python", "go": "Go", "java": "Java", "typescript": "TypeScript", "rust": "Rust"}
"""From a language's name, which is its module's too, to its class there."""


@click.command(
    epilog=format_examples(
        "tidegate stubs airport.departures --lang python --out gen",
        "tidegate stubs shop.orders --lang go --out gen --type shop.v1.OrderPlaced",
    )
)
@click.argument("topic")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), required=True, help="The language.")
@click.option(
    "--out",
    "folder",
    metavar="DIR",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder to write to; made if it is not there.",
)
@click.option(
    "--version", type=click.IntRange(1, 2**32 - 1), help="The schema version. Default: the latest one."
)
@click.option("--type", "types", metavar="TYPE", multiple=True, help="Only this event type; may be repeated.")
@click.pass_obj
def stubs(
    server: str, *, topic: str, lang: str, folder: Path, version: int | None, types: tuple[str, ...]
) -> None:
    """Write typed stubs of a topic, in the language of its programs.

    They hold the event types of TOPIC as classes, and a service for each to publish and subscribe with. They
    are made by protoc and the language's own plugins, and need nothing of Tidegate. A README.md beside them
    says the next commands. Where plugins are missing, the .proto files are written all the same.
    """
    from tidegate.cli.stubbing.plan import make_plan, write_protos  # noqa: PLC0415 - protobuf takes time

    answer = run(server, lambda client: _ask(client, topic, version or 0, types))
    plan = make_plan(topic, server, answer)
    language: Language = getattr(import_module(f"tidegate.cli.stubbing.{lang}"), LANGUAGES[lang])()
    write_protos(folder / language.protos, plan.texts)
    made = language.make(plan, folder, plan.streams[0])
    again = _command(plan, lang, folder, types)
    _write(folder, plan, made, _readme(plan, language, made, again))
    services = format_count(len(plan.streams), "typed service")
    click.echo(
        f"{folder}: {services} of {topic}, version {plan.version} of {plan.subject}, in {language.title}"
    )
    if made.missing:
        raise _Missing(made.missing, folder / language.protos, again)
    for command, purpose in made.steps:
        click.echo(f"  {command}    # {purpose}")


class _Missing(click.ClickException):
    """The language's tools are not there."""

    def __init__(self, tools: Sequence[Tool], protos: Path, again: str) -> None:
        commands = "\n".join(f"    {command}" for command in (*(tool.install for tool in tools), again))
        super().__init__(
            f"Not found: {', '.join(tool.name for tool in tools)}. So there are only the .proto files, in "
            f"{protos}. Install what is missing, and run the command again:\n{commands}"
        )


async def _ask(client: AsyncClient, topic: str, version: int, types: Sequence[str]) -> GetSchemaResponse:
    """Answers the typed view of a topic's schema, of the types that are named, or else that it accepts."""
    found = await client.get_topic(topic)
    return await client.read_schema(found.subject, version=version, view="typed", types=types or found.types)


def _command(plan: Plan, lang: str, folder: Path, types: Sequence[str]) -> str:
    words = ["tidegate", "--server", plan.server, "stubs", plan.topic, "--lang", lang]
    words += ["--out", str(folder.absolute()), "--version", str(plan.version)]
    return shlex.join([*words, *(word for name in types for word in ("--type", name))])


def _readme(plan: Plan, language: Language, made: Made, again: str) -> str:
    from tidegate.cli.stubbing.readme import write_readme  # noqa: PLC0415 - see above

    return write_readme(plan, language, made, again)


def _write(folder: Path, plan: Plan, made: Made, text: str) -> None:
    """Writes the program and the README; not over a program that is there, nor over a README of others."""
    program, readme = folder / made.program[0], folder / "README.md"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(made.program[1], encoding="utf-8")
    if readme.exists() and not readme.read_text(encoding="utf-8").startswith(text.splitlines()[0]):
        readme = folder / f"README-{plan.topic}.md"
    readme.write_text(text, encoding="utf-8")
