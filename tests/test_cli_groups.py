"""Groups and dead letters on the command line: made, read, moved, settled, redriven and purged."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

from tidegate import EARLIEST, Client, GroupSettings

from tests.command_line import departure, json_lines, start_tidegate

if TYPE_CHECKING:
    import subprocess

DEPARTED = "flights.v1.Departed"

Run = "Callable[..., subprocess.CompletedProcess[str]]"


def publish(tidegate: Run, topic: str, *numbers: int) -> None:
    """Publishes flights; each one's key is its number."""
    lines = json_lines(*({"key": f"UA{number}", "data": departure(number)} for number in numbers))
    done = tidegate("publish", topic, "--type", DEPARTED, "--envelope", stdin=lines)
    assert done.returncode == 0, done.stderr


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that must work printed."""
    assert done.returncode == 0, done.stderr
    return done.stdout


def events_in(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The events that a command that must work wrote."""
    return [json.loads(line) for line in said(done).splitlines()]


def flights_in(done: subprocess.CompletedProcess[str]) -> list[int]:
    """The numbers of their flights."""
    return [event["data"]["flight"] for event in events_in(done)]


def test_a_group_is_made_changed_moved_and_deleted(tidegate: Run, cli_topic: str) -> None:
    """Each command does what it says, and get and list show what it came to."""
    publish(tidegate, cli_topic, 1, 2, 3)
    name = "cli-life"
    made = tidegate(
        "group", "create", name, cli_topic, "--from", "earliest", "--lease", "2m", "--type", DEPARTED
    )
    assert said(made) == f"group {name} created: {DEPARTED} of {cli_topic}\n"
    shown = said(tidegate("group", "get", name))
    assert "lease" in shown
    assert "2m" in shown
    assert "3 events" in shown
    assert name in said(tidegate("group", "list", "cli-life"))
    filtered = tidegate("group", "update", name, "--filter", "event.data.flight > 1u", "--max-attempts", "3")
    assert "where event.data.flight > 1u" in said(filtered)
    settings = json.loads(said(tidegate("group", "get", name, "--json")))["settings"]
    assert (settings["lease"], settings["retry"]["max_attempts"]) == ("120s", 3)
    would = said(tidegate("group", "seek", name, "latest", "--dry-run"))
    assert would.startswith(f"group {name} would go on behind sequence ")
    assert "skipped" in would
    assert said(tidegate("group", "seek", name, "latest")).startswith(
        f"group {name} goes on behind sequence "
    )
    assert flights_in(tidegate("subscribe", "--group", name, "--until", "caught-up")) == []
    said(tidegate("group", "seek", name, "earliest"))
    assert flights_in(tidegate("subscribe", "--group", name, "--until", "caught-up")) == [2, 3]
    assert said(tidegate("group", "delete", name)) == f"group {name} deleted\n"
    gone = tidegate("group", "get", name)
    assert (gone.returncode, "GROUP_NOT_FOUND" in gone.stderr) == (1, True)


def test_subscribing_acknowledges_what_was_written(tidegate: Run, cli_topic: str) -> None:
    """A member's lines are acknowledged, what is over its limit is not: the next one goes on there."""
    publish(tidegate, cli_topic, *range(1, 11))
    join = ("subscribe", "--group", "cli-share", cli_topic, "--from", "earliest")
    assert flights_in(tidegate(*join, "--limit", "4")) == [1, 2, 3, 4]
    # Of different keys any may come first.
    rest = flights_in(tidegate(*join, "--until", "caught-up", "--max-in-flight", "2"))
    assert sorted(rest) == [5, 6, 7, 8, 9, 10]
    assert flights_in(tidegate(*join, "--until", "caught-up")) == []


def test_a_member_that_is_interrupted_loses_nothing(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """Ctrl-C ends a member at once and well; what it wrote is settled, and the rest comes to the next."""
    publish(tidegate, cli_topic, 1, 2)
    join = ("subscribe", "--group", "cli-stop", cli_topic, "--from", "earliest")
    with start_tidegate("--server", cli_server, *join) as member:
        assert [json.loads(member.stdout.readline())["data"]["flight"] for _ in range(2)] == [1, 2]
        member.send_signal(signal.SIGINT)
        assert member.communicate(timeout=30) == ("", "")
        assert member.returncode == 0
    publish(tidegate, cli_topic, 3)
    assert flights_in(tidegate(*join, "--until", "caught-up")) == [3]


def test_streams_are_filtered_and_projected(tidegate: Run, cli_topic: str) -> None:
    """--filter, --type-filter and --fields say what is written of which events; errors have a column."""
    publish(tidegate, cli_topic, 1, 2, 3, 4)
    read = ("subscribe", cli_topic, "--from", "earliest", "--until", "caught-up", "--type", DEPARTED)
    some = events_in(
        tidegate(*read, "--filter", "event.data.flight % 2u == 0u", "--fields", "flight,carrier")
    )
    assert [event["data"] for event in some] == [{"carrier": "UA", "flight": n} for n in (2, 4)]
    assert flights_in(tidegate(*read, "--type-filter", f"{DEPARTED}=event.data.flight > 3u")) == [4]
    assert flights_in(tidegate(*read, "--schema-version", "1", "--filter", 'event.key == "UA1"')) == [1]
    wrong = tidegate(*read, "--filter", "event.data.flihgt > 3u")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "flihgt" in wrong.stderr
    assert "column" in wrong.stderr or "1:" in wrong.stderr


def reject_all(server: str, group: str, topic: str, **settings: Any) -> list[int]:
    """Rejects everything that a group has; answers the sequences."""
    with Client(server) as client:
        joining = {"start": EARLIEST, "settings": GroupSettings(**settings), "client_name": "till"}
        with client.join(group, topic, until_caught_up=True, **joining) as events:
            sequences = []
            for event in events:
                event.reject(f"Traceback (most recent call last):\n  …\nDeclined: card of {event.key}")
                sequences.append(event.sequence)
            return sequences


def test_dead_letters_are_looked_at_redriven_and_purged(
    tidegate: Run, cli_server: str, cli_topic: str
) -> None:
    """What a group gave up can be listed, shown with its data, given back, and forgotten, chosen or all."""
    publish(tidegate, cli_topic, *range(1, 6))
    group = "cli-dead"
    one, two, *_ = sequences = reject_all(cli_server, group, cli_topic)
    rows = said(tidegate("dead-letters", "list", group)).splitlines()
    assert [int(row.split("\t")[0]) for row in rows] == sequences
    assert rows[0].split("\t")[1:3] == [DEPARTED, "UA1"]
    assert rows[0].split("\t")[4:] == ["rejected", "1", "Declined: card of UA1"]
    some = ("--type", DEPARTED, "--filter", "event.data.flight > 3u", "--reason", "Declined")
    shown = said(tidegate("dead-letters", "show", group, str(one)))
    assert '"flight": 1' in shown
    assert "till" in shown
    assert shown.rstrip().endswith("Declined: card of UA1")
    would = said(tidegate("dead-letters", "redrive", group, *some, "--dry-run"))
    assert would == f"would redrive 2 dead letters of group {group}\n"
    assert said(tidegate("dead-letters", "redrive", group, str(one), "--rate", "100")) == (
        f"redrove 1 dead letter of group {group}\n"
    )
    purge = ("dead-letters", "purge", group)
    assert said(tidegate(*purge, str(two), "--dry-run")) == f"would purge 1 dead letter of group {group}\n"
    assert said(tidegate(*purge, str(two))) == f"purged 1 dead letter of group {group}\n"
    assert "redrove 3 dead letters" in said(tidegate("dead-letters", "redrive", group, "--all"))
    assert sorted(flights_in(tidegate("subscribe", "--group", group, "--until", "caught-up"))) == [1, 3, 4, 5]
    gone = tidegate("dead-letters", "show", group, str(two))
    assert (gone.returncode, "DEAD_LETTER_NOT_FOUND" in gone.stderr) == (1, True)


def test_refusals_name_commands(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """Where the gateway names a call as the way out, the command line names what a person types instead."""
    name = "cli-ways-out"
    publish(tidegate, cli_topic, 1)
    reject_all(cli_server, name, cli_topic)
    for command, way_out in (
        (("group", "create", name, cli_topic), "Change it with `tidegate group update`."),
        (("group", "delete", name), "has 0 members and 1 dead letter. Add --force to delete it"),
        (("group", "skip-event", name, "1"), "`tidegate group get` tells which are."),
        (("dead-letters", "show", name, "9999999"), "`tidegate dead-letters list` tells those it has."),
    ):
        refused = tidegate(*command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert way_out in refused.stderr


def test_a_parked_key_is_released_or_skipped(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """A key that waits behind what it failed at is shown, and goes on when it is told to."""
    publish(tidegate, cli_topic, 1, 2)
    group = "cli-park"
    one, two = reject_all(cli_server, group, cli_topic, dead_letters="PARK_KEY")
    shown = said(tidegate("group", "get", group))
    assert "Declined: card of UA1" in shown
    assert said(tidegate("group", "release-key", group, "UA1")) == (
        f"key UA1 of group {group} released: event {one} is tried again\n"
    )
    assert said(tidegate("group", "skip-event", group, str(two))) == (
        f"event {two} of group {group} skipped: key UA2 goes on\n"
    )
    assert flights_in(tidegate("subscribe", "--group", group, "--until", "caught-up")) == [1]
    used = tidegate("group", "delete", group)
    assert (used.returncode, "GROUP_IN_USE" in used.stderr) == (1, True)
    assert said(tidegate("group", "delete", group, "--force")) == f"group {group} deleted\n"
