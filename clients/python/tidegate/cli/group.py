"""``tidegate group``: makes, changes, moves, reads and deletes groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tidegate.cli.group_facts import describe_selection, group_facts, write_stats
from tidegate.cli.output import format_count, json_option, write_facts, write_json, write_table
from tidegate.cli.selecting import TypeFilterType, start_of
from tidegate.cli.session import run, run_listing
from tidegate.cli.values import DURATION, MOST_IN_FLIGHT, POSITION, SEQUENCE, Position, format_examples
from tidegate.group_settings import GroupSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SETTINGS = (
    click.option("--max-in-flight", type=MOST_IN_FLIGHT, help="Events unsettled at once, over all members."),
    click.option("--max-in-flight-per-member", type=MOST_IN_FLIGHT, help="The same of each member."),
    click.option("--lease", type=DURATION, help="How long a member has for an event: 30s."),
    click.option("--min-backoff", type=DURATION, help="The wait after the first failed attempt: 1s."),
    click.option("--max-backoff", type=DURATION, help="The longest wait: 1m."),
    click.option("--multiplier", type=float, help="By how much each wait is longer than the one before: 2."),
    click.option(
        "--max-attempts", type=click.IntRange(1, 1_000), help="Failures after which an event is given up."
    ),
    click.option(
        "--dead-letters",
        type=click.Choice(["skip", "park-key"]),
        help="What a key does whose event was given up: go on, or wait for release-key.",
    ),
)


def _options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Adds options to a command, in order."""

    def add(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return add


_SELECTION = (
    click.option("--type", "types", metavar="TYPE", multiple=True, help="Event type; may be repeated."),
    click.option("--filter", "filter_", metavar="EXPR", help="Which events: a CEL expression over event."),
    click.option(
        "--type-filter",
        "type_filters",
        type=TypeFilterType(),
        multiple=True,
        help="A filter for events of one --type; may be repeated.",
    ),
)


class _InOrder(click.Group):
    """Lists its commands in the order in which they are added."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's interface
        """Answers the names."""
        return list(self.commands)


@click.group(
    cls=_InOrder,
    epilog=format_examples(
        "tidegate group create billing shop.orders --from earliest",
        "tidegate group get billing",
        "tidegate group seek billing 2013-01-04T12:00:00Z --dry-run",
    ),
)
def group() -> None:
    """Make, change, move, read and delete groups."""


@group.command(
    epilog=format_examples(
        "tidegate group create billing shop.orders --from earliest",
        "tidegate group create billing 'shop.>' --type shop.v1.OrderPaid --lease 2m --dead-letters park-key",
    )
)
@click.argument("name")
@click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)
@_options(*_SELECTION)
@click.option(
    "--from",
    "position",
    type=POSITION,
    default="latest",
    show_default=True,
    help="Where to start: earliest, latest, a sequence, or a time such as 2013-01-04T12:00:00Z.",
)
@click.option(
    "--ordering",
    type=click.Choice(["by-key", "none"]),
    help="Whether a key's next event waits until the one before it is settled.",
)
@_options(*_SETTINGS)
@json_option
@click.pass_obj
def create(
    server: str,
    /,
    name: str,
    topics: Sequence[str],
    position: Position,
    *,
    types: Sequence[str],
    filter_: str | None,
    type_filters: Sequence[tuple[str, str]],
    as_json: bool,
    **settings: Any,
) -> None:
    """Make a group.

    Without --type and --filter it delivers all events of its topics; without settings, those of the gateway
    hold: events in order by key, a lease of 30 s, ten attempts.
    """
    made = run(
        server,
        lambda client: client.create_group(
            name,
            topics,
            start=start_of(position),
            types=types,
            filter=filter_ or "",
            type_filters=dict(type_filters),
            settings=_settings(**settings),
        ),
    )
    if as_json:
        write_json(made)
    else:
        click.echo(f"group {made.name} created: {describe_selection(made)}")


@group.command(epilog=format_examples("tidegate group get billing", "tidegate group get billing --json"))
@click.argument("name")
@json_option
@click.pass_obj
def get(server: str, name: str, *, as_json: bool) -> None:
    """Show a group: its settings, its members, and how far it is."""
    found = run(server, lambda client: client.get_group(name))
    if as_json:
        write_json(found)
        return
    write_facts(group_facts(found))
    write_stats(found.stats)


@group.command("list", epilog=format_examples("tidegate group list", "tidegate group list 'shop.>' --json"))
@click.argument("pattern", required=False, default="")
@json_option
@click.pass_obj
def list_(server: str, pattern: str, *, as_json: bool) -> None:
    """List the groups; with PATTERN those that match: `*` stands for one level, `>` for all below."""
    groups = run_listing(server, lambda client: client.list_groups(pattern))
    if as_json:
        write_json(*groups)
        return
    rows = [(g.name, ", ".join(g.topics), ", ".join(g.types) or "all", g.filter) for g in groups]
    write_table(("GROUP", "TOPICS", "TYPES", "FILTER"), rows)


@group.command(
    epilog=format_examples(
        "tidegate group update billing --lease 2m --max-attempts 5",
        "tidegate group update billing --filter 'event.key != \"test\"'",
        "tidegate group update billing --filter ''",
    )
)
@click.argument("name")
@click.option("--topic", "topics", metavar="TOPIC", multiple=True, help="Topic or pattern; may be repeated.")
@click.option("--all-types", is_flag=True, help="Deliver all event types again.")
@_options(*_SELECTION, *_SETTINGS)
@json_option
@click.pass_obj
def update(
    server: str,
    /,
    name: str,
    *,
    topics: Sequence[str],
    all_types: bool,
    types: Sequence[str],
    filter_: str | None,
    type_filters: Sequence[tuple[str, str]],
    as_json: bool,
    **settings: Any,
) -> None:
    """Change what is named of a group; the rest stays as it is. Takes effect at once.

    An empty --filter takes the filter away.
    """
    if all_types and types:
        raise click.UsageError("--all-types and --type contradict each other.")
    changes: dict[str, Any] = {}
    if topics:
        changes["topics"] = topics
    if types or all_types:
        changes["types"] = types
    if filter_ is not None:
        changes["filter"] = filter_
    if type_filters:
        changes["type_filters"] = dict(type_filters)
    if any(value is not None for value in settings.values()):
        changes["settings"] = _settings(**settings)
    if not changes:
        raise click.UsageError("Nothing to change: name at least one setting.")
    changed = run(server, lambda client: client.update_group(name, **changes))
    if as_json:
        write_json(changed)
    else:
        click.echo(f"group {name} changed: {describe_selection(changed)}")


@group.command(
    epilog=format_examples(
        "tidegate group seek billing 2013-01-04T12:00:00Z --dry-run",
        "tidegate group seek billing earliest",
        "tidegate group seek billing 1200",
    )
)
@click.argument("name")
@click.argument("target", type=POSITION)
@click.option("--dry-run", is_flag=True, help="Only tell what it would mean.")
@json_option
@click.pass_obj
def seek(server: str, name: str, target: Position, *, dry_run: bool, as_json: bool) -> None:
    """Move a group: earliest, latest, a sequence (the next to deliver), or a time.

    What its members have is taken from them; attempts and parked keys are forgotten.
    """
    moved = run(server, lambda client: client.seek_group(name, start_of(target), dry_run=dry_run))
    if as_json:
        write_json(moved)
        return
    verb = "would go" if dry_run else "goes"
    again, skipped = (format_count(n, "event") for n in (moved.repeated_events, moved.skipped_events))
    dropped = format_count(moved.dropped_dead_letters, "dead letter")
    click.echo(
        f"group {name} {verb} on behind sequence {moved.position}: about {again} again, about {skipped} "
        f"skipped, {dropped} dropped"
    )


@group.command(epilog=format_examples("tidegate group delete billing --force"))
@click.argument("name")
@click.option("--force", is_flag=True, help="Delete it although it has members or dead letters.")
@click.pass_obj
def delete(server: str, name: str, *, force: bool) -> None:
    """Delete a group and its progress. One with members or dead letters is only deleted with --force."""
    run(server, lambda client: client.delete_group(name, force=force))
    click.echo(f"group {name} deleted")


@group.command("release-key", epilog=format_examples("tidegate group release-key billing A1"))
@click.argument("name")
@click.argument("key")
@click.pass_obj
def release_key(server: str, name: str, key: str) -> None:
    """Let a parked key of a group go on: the event that it is parked behind is tried again."""
    sequence = run(server, lambda client: client.release_key(name, key))
    what = f"event {sequence} is tried again" if sequence else "its dead letter is gone: the later ones go on"
    click.echo(f"key {key} of group {name} released: {what}")


@group.command("skip-event", epilog=format_examples("tidegate group skip-event billing 1200"))
@click.argument("name")
@click.argument("sequence", type=SEQUENCE)
@click.pass_obj
def skip_event(server: str, name: str, sequence: int) -> None:
    """Give up an event of a group that failed, or that its key is parked behind: the key goes on."""
    key = run(server, lambda client: client.skip_event(name, sequence))
    click.echo(f"event {sequence} of group {name} skipped" + (f": key {key} goes on" if key else ""))


def _settings(**values: Any) -> GroupSettings:
    """Answers the settings that were named."""
    named: dict[str, Any] = {
        name: value.replace("-", "_").upper() if isinstance(value, str) else value
        for name, value in values.items()
    }
    return GroupSettings(**named)
