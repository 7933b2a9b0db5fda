"""``tidegate topic``: makes, changes, reads and deletes topics."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.output import format_count, format_time, json_option, write_facts, write_json, write_table
from tidegate.cli.session import run, run_listing
from tidegate.cli.values import AGE, SIZE, UNLIMITED, format_age, format_examples, format_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidegate.v1 import topic_pb2

UNKNOWN_FIELDS = ("unspecified", "reject", "allow")
"""The policies by their number in the contract."""


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say how a topic behaves: the same for making and changing it."""
    for option in reversed(
        (
            click.option("--type", "types", multiple=True, help="Event type to accept; may be repeated."),
            click.option(
                "--unknown-fields",
                type=click.Choice(UNKNOWN_FIELDS[1:]),
                help="What happens to events with fields that their schema version doesn't know.",
            ),
            click.option("--retain-age", type=AGE, help=f"Keep events so long: 7d, 12h, {UNLIMITED}."),
            click.option("--retain-bytes", type=SIZE, help=f"Keep so much: 10GB, 500MiB, {UNLIMITED}."),
            click.option(
                "--index-keys/--no-index-keys",
                default=None,
                help="Index the events' keys: reading the history of a key is then quick.",
            ),
        )
    ):
        command = option(command)
    return command


@click.group(
    epilog=format_examples(
        "tidegate topic create airport.departures --subject flights",
        "tidegate topic list 'airport.*'",
        "tidegate topic get airport.departures",
    )
)
def topic() -> None:
    """Make, change, read and delete topics."""


@topic.command(
    epilog=format_examples(
        "tidegate topic create airport.departures --subject flights",
        "tidegate topic create shop.orders --subject shop --type shop.v1.OrderPlaced --retain-age 7d",
    )
)
@click.argument("name")
@click.option("--subject", required=True, help="The subject whose schema versions check the events.")
@_settings
@json_option
@click.pass_obj
def create(server: str, /, name: str, subject: str, *, as_json: bool, **settings: Any) -> None:
    """Make a topic.

    Without --type it accepts all event types of its subject; without --retain-age and --retain-bytes it keeps
    events for ever; without --unknown-fields it rejects them; without --index-keys it has no index of keys.
    """
    made = run(server, lambda client: client.create_topic(name, subject=subject, **_named(**settings)))
    if as_json:
        write_json(made)
    else:
        click.echo(f"topic {made.name} created: {_describe_types(made)}, kept {_describe_retention(made)}")


@topic.command(
    epilog=format_examples(
        "tidegate topic update airport.departures --retain-age 30d --retain-bytes none",
        "tidegate topic update airport.departures --all-types",
    )
)
@click.argument("name")
@click.option("--all-types", is_flag=True, help="Accept all event types of the topic's subject again.")
@_settings
@json_option
@click.pass_obj
def update(server: str, /, name: str, *, all_types: bool, as_json: bool, **settings: Any) -> None:
    """Change what is named of a topic; the rest stays as it is."""
    if all_types and settings["types"]:
        raise click.UsageError("--all-types and --type contradict each other.")
    changes = _named(**settings) | ({"types": ()} if all_types else {})
    if not changes:
        raise click.UsageError("Nothing to change: name at least one setting.")
    changed = run(server, lambda client: client.update_topic(name, **changes))
    if as_json:
        write_json(changed)
    else:
        click.echo(f"topic {name} changed: {_describe_types(changed)}, kept {_describe_retention(changed)}")


@topic.command(epilog=format_examples("tidegate topic get airport.departures"))
@click.argument("name")
@json_option
@click.pass_obj
def get(server: str, name: str, *, as_json: bool) -> None:
    """Show a topic: its settings, and what is stored of it."""
    found = run(server, lambda client: client.get_topic(name))
    if as_json:
        write_json(found)
    else:
        write_facts(_facts(found))


@topic.command(
    "list", epilog=format_examples("tidegate topic list", "tidegate topic list 'airport.>' --json")
)
@click.argument("pattern", required=False, default="")
@json_option
@click.pass_obj
def list_(server: str, pattern: str, *, as_json: bool) -> None:
    """List the topics; with PATTERN those that match: `*` stands for one level, `>` for all below."""
    topics = run_listing(server, lambda client: client.list_topics(pattern))
    if as_json:
        write_json(*topics)
        return
    rows = [(t.name, t.subject, _describe_types(t), _describe_retention(t)) for t in topics]
    write_table(("TOPIC", "SUBJECT", "TYPES", "KEPT"), rows)


@topic.command(epilog=format_examples("tidegate topic delete airport.departures --force"))
@click.argument("name")
@click.option("--force", is_flag=True, help="Delete the topic's events too.")
@click.pass_obj
def delete(server: str, name: str, *, force: bool) -> None:
    """Delete a topic. One that holds events is only deleted with --force, and they with it."""
    run(server, lambda client: client.delete_topic(name, force=force))
    click.echo(f"topic {name} deleted")


def _named(
    *,
    types: Sequence[str],
    unknown_fields: str | None,
    retain_age: int | None,
    retain_bytes: int | None,
    index_keys: bool | None,
) -> dict[str, Any]:
    """Answers the settings that were named, as the client wants them: what is `none` is None."""
    named: dict[str, Any] = {}
    if types:
        named["types"] = types
    if unknown_fields:
        named["unknown_fields"] = unknown_fields
    if retain_age is not None:
        named["retain_age"] = timedelta(seconds=retain_age) if retain_age else None
    if retain_bytes is not None:
        named["retain_bytes"] = retain_bytes or None
    if index_keys is not None:
        named["index_keys"] = index_keys
    return named


def _facts(found: topic_pb2.Topic) -> Sequence[tuple[str, str]]:
    stats = found.stats
    events = format_count(stats.event_count, "event")
    batches = format_count(stats.batch_count, "batch", "batches")
    return (
        ("topic", found.name),
        ("subject", found.subject),
        ("types", _describe_types(found)),
        ("unknown fields", UNKNOWN_FIELDS[found.unknown_fields]),
        ("kept", _describe_retention(found)),
        ("keys", _describe_index(found)),
        ("created", format_time(found.create_time)),
        ("changed", format_time(found.update_time)),
        ("stored", f"{events} in {batches}, {format_size(stats.size_bytes)}"),
        ("sequences", f"{stats.first_sequence} to {stats.last_sequence}" if stats.event_count else "none"),
        ("removed", f"through {stats.removed_through}" if stats.removed_through else "nothing"),
    )


def _describe_types(found: topic_pb2.Topic) -> str:
    return ", ".join(found.types) or f"all types of {found.subject}"


def _describe_index(found: topic_pb2.Topic) -> str:
    if not found.index_keys:
        return "not indexed"
    return "indexed" if found.stats.keys_indexed else "being indexed"


def _describe_retention(found: topic_pb2.Topic) -> str:
    limits = []
    if found.retention.HasField("max_age"):
        limits.append(format_age(found.retention.max_age.ToTimedelta()))
    if found.retention.max_bytes:
        limits.append(format_size(found.retention.max_bytes))
    return " or ".join(limits) or "for ever"
