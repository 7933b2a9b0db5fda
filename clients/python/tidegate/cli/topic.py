"""``tidegate topic``: makes, changes, reads and deletes topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.output import format_count, format_time, json_option, write_facts, write_json, write_table
from tidegate.cli.session import read_pages, run
from tidegate.cli.values import AGE, SIZE, UNLIMITED, format_age, format_examples, format_size
from tidegate.v1 import topic_pb2
from tidegate.v1 import topic_service_pb2 as service

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

UNKNOWN_FIELDS = {"reject": topic_pb2.UNKNOWN_FIELDS_REJECT, "allow": topic_pb2.UNKNOWN_FIELDS_ALLOW}


def _settings(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options that say how a topic behaves: the same for making and changing it."""
    for option in reversed(
        (
            click.option("--type", "types", multiple=True, help="Event type to accept; may be repeated."),
            click.option(
                "--unknown-fields",
                type=click.Choice(list(UNKNOWN_FIELDS)),
                help="What happens to events with fields that their schema version doesn't know.",
            ),
            click.option("--retain-age", type=AGE, help=f"Keep events so long: 7d, 12h, {UNLIMITED}."),
            click.option("--retain-bytes", type=SIZE, help=f"Keep so much: 10GB, 500MiB, {UNLIMITED}."),
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
    events for ever; without --unknown-fields it rejects them.
    """
    request = service.CreateTopicRequest(topic=topic_pb2.Topic(name=name, subject=subject))
    _apply(request.topic, **settings)
    method, response = "TopicService/CreateTopic", service.CreateTopicResponse
    made = run(server, lambda connection: connection.call(method, request, response)).topic
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
    request = service.UpdateTopicRequest(topic=topic_pb2.Topic(name=name))
    request.update_mask.paths.extend(_apply(request.topic, **settings) + ["types"] * all_types)
    if not request.update_mask.paths:
        raise click.UsageError("Nothing to change: name at least one setting. See --help.")
    method, response = "TopicService/UpdateTopic", service.UpdateTopicResponse
    changed = run(server, lambda connection: connection.call(method, request, response)).topic
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
    request = service.GetTopicRequest(name=name)
    method, response = "TopicService/GetTopic", service.GetTopicResponse
    found = run(server, lambda connection: connection.call(method, request, response)).topic
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
    request = service.ListTopicsRequest(pattern=pattern)
    method, response = "TopicService/ListTopics", service.ListTopicsResponse
    pages = run(server, lambda connection: read_pages(connection, method, request, response))
    topics = [entry for page in pages for entry in page.topics]
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
    request = service.DeleteTopicRequest(name=name, force=force)
    method, response = "TopicService/DeleteTopic", service.DeleteTopicResponse
    run(server, lambda connection: connection.call(method, request, response))
    click.echo(f"topic {name} deleted")


def _apply(
    target: topic_pb2.Topic,
    *,
    types: Sequence[str],
    unknown_fields: str | None,
    retain_age: int | None,
    retain_bytes: int | None,
) -> list[str]:
    """Sets what was named, and answers the paths of it; 0 stands for `none` and leaves the field empty."""
    target.types.extend(types)
    if unknown_fields:
        target.unknown_fields = UNKNOWN_FIELDS[unknown_fields]
    if retain_age:
        target.retention.max_age.FromSeconds(retain_age)
    if retain_bytes:
        target.retention.max_bytes = retain_bytes
    named = {
        "types": bool(types),
        "unknown_fields": unknown_fields is not None,
        "retention.max_age": retain_age is not None,
        "retention.max_bytes": retain_bytes is not None,
    }
    return [path for path, is_named in named.items() if is_named]


def _facts(found: topic_pb2.Topic) -> Sequence[tuple[str, str]]:
    stats = found.stats
    policy = {value: name for name, value in UNKNOWN_FIELDS.items()}
    events = format_count(stats.event_count, "event")
    batches = format_count(stats.batch_count, "batch", "batches")
    return (
        ("topic", found.name),
        ("subject", found.subject),
        ("types", _describe_types(found)),
        ("unknown fields", policy.get(found.unknown_fields, "unspecified")),
        ("kept", _describe_retention(found)),
        ("created", format_time(found.create_time)),
        ("changed", format_time(found.update_time)),
        ("stored", f"{events} in {batches}, {format_size(stats.size_bytes)}"),
        ("sequences", f"{stats.first_sequence} to {stats.last_sequence}" if stats.event_count else "none"),
        ("removed", f"through {stats.removed_through}" if stats.removed_through else "nothing"),
    )


def _describe_types(found: topic_pb2.Topic) -> str:
    return ", ".join(found.types) or f"all types of {found.subject}"


def _describe_retention(found: topic_pb2.Topic) -> str:
    limits = []
    if found.retention.HasField("max_age"):
        limits.append(format_age(found.retention.max_age.ToTimedelta()))
    if found.retention.max_bytes:
        limits.append(format_size(found.retention.max_bytes))
    return " or ".join(limits) or "for ever"
