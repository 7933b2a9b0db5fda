"""Replaying on the command line: what is published again, how fast, and never twice."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import tidegate
from hypothesis import given
from hypothesis import strategies as st
from tidegate.cli.replaying import Pace, Replayed, Way
from tidegate.cli.values import Speed

from tests.command_line import TIDEGATE, departure, json_lines, start_tidegate

DEPARTED = "flights.v1.Departed"

Run = "Callable[..., subprocess.CompletedProcess[str]]"


def publish(tidegate: Run, topic: str, *numbers: int) -> None:
    """Publishes flights, with keys, ids and times."""
    lines = json_lines(
        *(
            {
                "id": f"flight-{number}",
                "key": f"UA{number}",
                "time": "2013-01-01T10:15:00.123456Z",
                "attributes": {"gate": "C4"},
                "data": departure(number),
            }
            for number in numbers
        )
    )
    done = tidegate("publish", topic, "--type", DEPARTED, "--envelope", stdin=lines)
    assert done.returncode == 0, done.stderr


def events_of(tidegate: Run, topic: str) -> list[dict[str, Any]]:
    """All events of a topic."""
    done = tidegate("read", topic)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def make_target(tidegate: Run, source: str) -> str:
    """Makes a topic to replay into."""
    target = f"{source}-again"
    assert tidegate("topic", "create", target, "--subject", "flights").returncode == 0
    return target


def test_events_are_published_again_as_they_were_and_once(tidegate: Run, cli_topic: str) -> None:
    """All that makes an event is there again, and where it came from; a second run adds what is new."""
    target = make_target(tidegate, cli_topic)
    publish(tidegate, cli_topic, 1, 2, 3)
    done = tidegate("replay", cli_topic, target)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == f"replayed 3 events from {cli_topic} to {target}\n"
    before, after = events_of(tidegate, cli_topic), events_of(tidegate, target)
    for one, again in zip(before, after, strict=True):
        origin = f"{cli_topic}/{one['sequence']}"
        changed = {
            "topic": target,
            "sequence": again["sequence"],
            "attributes": one["attributes"] | {"replayed_from": origin},
        }
        assert again == one | changed
    publish(tidegate, cli_topic, 4)
    more = tidegate("replay", cli_topic, target)
    assert more.stderr == f"replayed 1 event from {cli_topic} to {target}; 3 events were there already\n"
    assert [event["id"] for event in events_of(tidegate, target)] == [f"flight-{n}" for n in (1, 2, 3, 4)]
    itself = tidegate("replay", cli_topic, cli_topic)
    assert (itself.returncode, "same topic" in itself.stderr) == (2, True)


def test_a_replay_that_can_not_begin_says_why_alone(tidegate: Run, cli_topic: str) -> None:
    """A refusal before the first event is no interruption: nobody is told to run the same again."""
    publish(tidegate, cli_topic, 1)
    refused = tidegate("replay", cli_topic, f"{cli_topic}-nowhere")
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"Error: topic '{cli_topic}-nowhere' does not exist.")
    assert "run it again" not in refused.stderr


def test_interrupted_replays_at_once_publish_each_event_once(
    tidegate: Run, cli_server: str, cli_topic: str
) -> None:
    """Two replays side by side, both interrupted, and a third one come to each event once, in order."""
    target = make_target(tidegate, cli_topic)
    publish(tidegate, cli_topic, *range(1, 301))
    slow = ("replay", cli_topic, target, "--speed", "100/s")
    with (
        start_tidegate("--server", cli_server, *slow) as one,
        start_tidegate("--server", cli_server, *slow) as other,
    ):
        while len(events_of(tidegate, target)) < 20:
            assert one.poll() is None, one.stderr.read()
        one.send_signal(signal.SIGINT)
        other.send_signal(signal.SIGINT)
        for process in (one, other):
            said = process.communicate(timeout=30)[1]
            assert process.returncode == 130
            assert "interrupted: run it again to go on" in said
    assert 20 <= len(events_of(tidegate, target)) < 300
    rest = tidegate("replay", cli_topic, target)
    assert "were there already" in rest.stderr
    assert [event["id"] for event in events_of(tidegate, target)] == [f"flight-{n}" for n in range(1, 301)]


def times_of(server: str, topic: str) -> list[float]:
    """When the events of a topic were appended, in seconds after the first one."""
    with tidegate.Client(server) as client:
        times = [event.append_time for event in client.read_events(topic)]
    return [(time - times[0]).total_seconds() for time in times]


def test_the_speed_is_kept(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """As recorded, the events are as far apart as they were; filters and ranges leave out the rest."""
    target = make_target(tidegate, cli_topic)
    publish(tidegate, cli_topic, 1, 2)
    time.sleep(1.0)
    publish(tidegate, cli_topic, 3)
    chosen = ("--speed", "as-recorded", "--type", DEPARTED, "--filter", "event.data.flight != 2u")
    assert tidegate("replay", cli_topic, target, *chosen).returncode == 0
    (first, _), (last, _) = [(e["id"], e) for e in events_of(tidegate, target)]
    assert (first, last) == ("flight-1", "flight-3")
    recorded, replayed = times_of(cli_server, cli_topic)[-1], times_of(cli_server, target)[-1]
    assert recorded - 0.1 < replayed < recorded + 1


def test_a_rate_is_kept(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """At a number a second, each event is published when it is its turn, and none before."""
    target = make_target(tidegate, cli_topic)
    publish(tidegate, cli_topic, *range(1, 6))
    assert tidegate("replay", cli_topic, target, "--speed", "4/s").returncode == 0
    for number, at in enumerate(times_of(cli_server, target)):
        assert number / 4 - 0.1 < at < number / 4 + 1


def test_a_terminal_sees_how_far_a_replay_is(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """On a terminal there is a bar, which fills up, with the events so far; it is gone at the end."""
    target = make_target(tidegate, cli_topic)
    publish(tidegate, cli_topic, *range(1, 31))
    ours, theirs = pty.openpty()
    command = [*TIDEGATE, "--server", cli_server, "replay", cli_topic, target, "--speed", "20/s"]
    size = {"COLUMNS": "100", "LINES": "30", "TERM": "xterm", "NO_COLOR": "1"}
    with subprocess.Popen(command, stderr=theirs, env=os.environ | size) as process:
        os.close(theirs)
        drawn = b""
        with suppress(OSError):  # the other end is closed
            while part := os.read(ours, 4096):
                drawn += part
        os.close(ours)
    assert process.returncode == 0
    counts = [int(count) for count in re.findall(r"(\d+) events", drawn.decode())]
    assert counts == sorted(counts)
    assert any(0 < count < 30 for count in counts)
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in drawn.decode()
    assert drawn.decode().splitlines()[-1].endswith(f"replayed 30 events from {cli_topic} to {target}")


@given(st.lists(st.integers(1, 1_000), min_size=1, unique=True), st.integers(0, 100), st.integers(0, 50))
def test_a_bar_fills_once(sequences: list[int], more: int, grows: int) -> None:
    """Wherever a replay begins, and however the log grows meanwhile, its bar goes from empty to full."""
    sequences.sort()
    for end in (None, sequences[-1]):
        way, head = Way(end), sequences[-1] + (more if end else 0)
        shown = [way.come(at, head + number * grows) for number, at in enumerate(sequences)]
        assert {total for _, total in shown} == {sequences[-1] - sequences[0] + 1}
        assert [done for done, _ in shown] == [at - sequences[0] + 1 for at in sequences]


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0.001, 1000))
def test_an_event_is_due_when_it_was_recorded(gaps: list[float], factor: float) -> None:
    """Each event is due so long after the first as it was appended after it, divided by the factor."""
    begin = datetime(2013, 1, 1, tzinfo=UTC)
    pace, at = Pace(Speed(factor=factor)), 0.0
    assert pace.next_due(begin) == 0
    for gap in gaps:
        at += gap
        due = pace.next_due(begin + timedelta(seconds=at))
        assert abs(due * factor - at) <= 1e-5 * max(1, at)


@given(st.lists(st.one_of(st.integers(0, 50).map(str), st.text(max_size=3))))
def test_what_was_replayed_is_known(attributes: list[str]) -> None:
    """A sequence is known exactly if an attribute named it, whatever else stood in the attribute."""
    replayed = Replayed()
    for text in attributes:
        replayed.add(f"a.b/{text}")
    wanted = {
        int(t) for t in (text.rpartition("/")[2] for text in attributes) if t.isascii() and t.isdecimal()
    }
    assert {sequence for sequence in range(51) if sequence in replayed} == {n for n in wanted if n <= 50}
