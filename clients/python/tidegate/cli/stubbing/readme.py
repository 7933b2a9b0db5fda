"""The README that stubs come with: the exact next commands, and what to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.cli.stubbing.language import Language, Made
    from tidegate.cli.stubbing.plan import Plan

MARK = "<!-- Made by `tidegate stubs`; made anew by the next one. -->"
"""The first line of a README that may be overwritten."""


def write_readme(plan: Plan, language: Language, made: Made, again: str) -> str:
    """Answers the README; ``again`` is the command that makes the stubs."""
    return "\n".join(_lines(plan, language, made, again)) + "\n"


def _lines(plan: Plan, language: Language, made: Made, again: str) -> Iterator[str]:
    yield from (MARK, "", f"# {plan.topic} in {language.title}", "")
    yield f"Typed stubs of version {plan.version} of subject `{plan.subject}`, made with"
    yield from ("", f"    {again}", "")
    yield from ("| event type | service |", "| --- | --- |")
    yield from (f"| `{it.type}` | `{it.file.package}.{it.name}Service` |" for it in plan.streams)
    yield ""
    if made.missing:
        yield from _missing(language, made, again)
    yield from ("## Next", "", "In this folder:", "")
    for command, purpose in made.steps:
        yield from (f"{purpose}", "", f"    {command}", "")
    name, text = made.program
    yield from (f"`{name}`:", "", f"```{language.title.lower()}", text.rstrip(), "```", "")
    yield from ("## To know", "")
    yield from (f"* {note}" for note in (*made.notes, *_notes(plan, language)))


def _missing(language: Language, made: Made, again: str) -> Iterator[str]:
    names = ", ".join(tool.name for tool in made.missing)
    yield from (
        "## First",
        "",
        f"Only the .proto files are here, in `{language.protos}/`. Not found: {names}.",
        "",
    )
    yield from (f"    {tool.install}" for tool in made.missing)
    yield from (f"    {again}", "")


def _notes(plan: Plan, language: Language) -> Iterator[str]:
    if len(plan.streams) > 1:
        yield (
            "Each event type has a typed stream of its own. To read all types of the topic in one stream, in "
            "their order, use `tidegate.v1.EventService.Subscribe`, whose stub is here too."
        )
    yield (
        f"The services are for version {plan.version} and stay as they are, whatever is registered later. "
        f"Events of versions that version {plan.version} can't read are not sent: the stream ends with "
        "INCOMPATIBLE_VERSION, or, with `on_gap` ON_GAP_SKIP, tells of them by a gap and goes on."
    )
    yield (
        "Give your program a name of its own, `reader.client_name` of SubscribeRequest: then `tidegate "
        "schema check` says which changes would break it."
    )
    yield f"`{language.protos}/` holds the .proto files, with comments on everything."
