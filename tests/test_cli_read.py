"""Reading stored events on the command line: ranges, keys, filters, directions."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.command_line import departure, json_lines
from tests.test_cli_streams import flights_in

DEPARTED = "flights.v1.Departed"

Run = "Callable[..., subprocess.CompletedProcess[str]]"


def publish(tidegate: Run, topic: str, *numbers: int) -> None:
    """Publishes flights; their keys are A for odd numbers and B for even ones."""
    lines = json_lines(*({"key": "BA"[number % 2], "data": departure(number)} for number in numbers))
    done = tidegate("publish", topic, "--type", DEPARTED, "--envelope", stdin=lines)
    assert done.returncode == 0, done.stderr


def test_a_range_is_read_in_either_direction(tidegate: Run, cli_topic: str) -> None:
    """Sequences and times bound what is read; --last, --backwards and --limit say how much of it, and how."""
    publish(tidegate, cli_topic, 1, 2, 3, 4)
    between = datetime.now(UTC).isoformat()
    publish(tidegate, cli_topic, 5, 6)

    def read(*options: str) -> list[int]:
        return flights_in(tidegate("read", cli_topic, *options))

    assert read() == [1, 2, 3, 4, 5, 6]
    assert read("--last", "3") == [4, 5, 6]
    assert read("--backwards", "--limit", "2") == [6, 5]
    assert read("--limit", "2") == [1, 2]
    assert read("--from", between) == [5, 6]
    assert read("--to", between, "--backwards") == [4, 3, 2, 1]
    sequences = [json.loads(line)["sequence"] for line in tidegate("read", cli_topic).stdout.splitlines()]
    assert read("--from", sequences[1], "--to", sequences[3]) == [2, 3, 4]


def test_events_are_chosen_by_key_and_filter(tidegate: Run, cli_topic: str) -> None:
    """--key, --type, --filter and --fields leave out the rest, as they do of a stream."""
    publish(tidegate, cli_topic, 1, 2, 3, 4)
    assert flights_in(tidegate("read", cli_topic, "--key", "A")) == [1, 3]
    assert flights_in(tidegate("read", cli_topic, "--key", "C")) == []
    chosen = tidegate(
        "read", cli_topic, "--type", DEPARTED, "--filter", "event.data.flight > 2u", "--fields", "flight"
    )
    assert [json.loads(line)["data"] for line in chosen.stdout.splitlines()] == [{"flight": 3}, {"flight": 4}]
    pinned = tidegate("read", cli_topic, "--schema-version", "1", "--last", "1")
    assert flights_in(pinned) == [4]
    assert tidegate("read", cli_topic, "--filter", "event.colour == 1").returncode == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--from", "latest"), "leaves nothing to read"),
        (("--to", "earliest"), "leaves nothing to read"),
        (("--last", "3", "--limit", "2"), "--last contradicts"),
        (("--last", "100001"), "100000"),
    ],
)
def test_what_can_not_be_read_is_wrong_usage(tidegate: Run, options: tuple[str, ...], told: str) -> None:
    """A range without events and options that contradict each other end with 2, in words."""
    refused = tidegate("read", "some.topic", *options)
    assert (refused.returncode, told in refused.stderr) == (2, True), refused.stderr


def test_what_is_no_text_is_wrong_usage(tidegate: Run, cli_topic: str) -> None:
    """An argument that is not UTF-8 is named, in one line."""
    for arguments in (
        ("subscribe", cli_topic, "--filter", "event.key == '\udcff'"),
        ("read", cli_topic, "--key", "\udcff"),
        ("topic", "get", "\udcff"),
    ):
        done = tidegate(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert "\\udcff" in done.stderr
        assert "is not UTF-8" in done.stderr
        assert "Traceback" not in done.stderr
