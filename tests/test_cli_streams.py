"""Publishing and subscribing on the command line: refused lines, starts and ends, pipes, Ctrl-C."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import subprocess
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate import AsyncClient
from tidegate.cli.lines import BadLine, parse_event

from tests.command_line import EXAMPLE, TIDEGATE, departure, json_lines, run_tidegate, start_tidegate

if TYPE_CHECKING:
    from google.protobuf.message import Message

DEPARTED = "flights.v1.Departed"

Run = "Callable[..., subprocess.CompletedProcess[str]]"


def flights_in(result: subprocess.CompletedProcess[str]) -> list[int]:
    """The numbers of the flights that were written."""
    assert result.returncode == 0, result.stderr
    return [json.loads(line)["data"]["flight"] for line in result.stdout.splitlines()]


def test_refused_lines_are_named(tidegate: Run, cli_topic: str, tmp_path: Path) -> None:
    """Each line at fault is named with its number, field and rule; the others are published; exit code 1."""
    good = departure(1)
    lines = [
        json.dumps(good),
        json.dumps(good | {"distance_miles": 0}),
        json.dumps(good | {"destination": "EWR"}),
        "",
        json.dumps({"carier": "UA"}),
        '{"carrier": "UA",}',
        '["UA"]',
        json.dumps(good | {"flight": "many"}),
        json.dumps(good | {"flight": 2}),
    ]
    (tmp_path / "day.jsonl").write_text("\n".join(lines))
    result = tidegate("publish", cli_topic, "--type", DEPARTED, "day.jsonl", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    said = sorted(result.stderr.splitlines())
    numbers = [line.partition(", line ")[2].partition(":")[0] for line in said]
    assert numbers == ["2", "3", "5", "6", "7", "8", ""]
    assert "INVALID_EVENT: data.distance_miles: " in said[0]
    assert said[0].endswith("[uint32.gt]")
    assert said[1].endswith("another airport than it starts from [departed.elsewhere]")
    assert '"carier"' in said[2]
    assert "is no JSON: " in said[3]
    assert "is a JSON array, but must be an object" in said[4]
    assert "flight" in said[5]
    assert said[6].startswith(f"published 2 events to {cli_topic}, sequences ")
    assert said[6].endswith("; refused 6 lines")
    assert flights_in(tidegate("subscribe", cli_topic, "--from", "earliest", "--until", "caught-up")) == [
        1,
        2,
    ]


@pytest.fixture(scope="module")
def departed(cli_server: str) -> type[Message]:
    """The class of the event type, as the gateway describes it."""

    async def fetch() -> type[Message]:
        async with AsyncClient(cli_server) as client:
            return await client.message_class(DEPARTED)

    return asyncio.run(fetch())


VALUES = st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists)
OBJECTS = st.dictionaries(st.sampled_from([*departure(1), "data", "time", "key"]), VALUES)


@given(st.one_of(st.binary(), OBJECTS.map(json.dumps).map(str.encode)))
def test_no_line_fails_other_than_in_words(departed: type[Message], line: bytes) -> None:
    """Whatever a line holds, it is an event or is refused with a reason."""
    for envelope in (False, True):
        with suppress(BadLine):
            parse_event(line, departed, envelope=envelope)


@pytest.mark.parametrize(
    ("envelope", "said"),
    [
        ({"key": "UA1"}, "data: an envelope must have it"),
        (
            {"data": departure(1), "kei": "UA1"},
            "has a field 'kei'; an envelope has id, key, time, attributes, data",
        ),
        ({"data": departure(1), "key": 1}, "key: must be a string, not a number"),
        ({"data": departure(1), "time": "today"}, "time: 'today' is no time such as"),
        ({"data": departure(1), "time": "2013-01-01T10:00:00"}, "has no time zone: add Z for UTC"),
        (
            {"data": departure(1), "attributes": {"a": 1}},
            "attributes: must be an object whose values are strings",
        ),
        (
            {"data": departure(1), "type": "x.Y"},
            "type: the event is a x.Y, but --type says flights.v1.Departed",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_envelope_is_named(envelope: dict[str, object], said: str, departed: type[Message]) -> None:
    """An envelope that can't be right says which of its fields is at fault, and what would be right."""
    with pytest.raises(BadLine, match=re.escape(said)):
        parse_event(json.dumps(envelope).encode(), departed, envelope=True)


def test_too_many_refused_lines_end_it(tidegate: Run, cli_topic: str) -> None:
    """After 100 refused lines the rest is not tried: then it is not the lines that are wrong."""
    result = tidegate("publish", cli_topic, "--type", DEPARTED, stdin=json_lines(*[{"carier": 1}] * 5_000))
    assert result.returncode == 1
    assert result.stderr.count("Error: <stdin>, line ") == 100
    assert result.stderr.endswith("Error: 100 lines were refused: the rest is not tried.\n")


def test_what_does_not_exist_is_said_before_anything_is_read(tidegate: Run, cli_topic: str) -> None:
    """An unknown topic or event type ends publishing at once, naming what is close."""
    topic = tidegate("publish", cli_topic + "x", "--type", DEPARTED, stdin=json_lines(departure(1)))
    assert (topic.returncode, f"Close to it: {cli_topic}" in topic.stderr) == (1, True)
    kind = tidegate("publish", cli_topic, "--type", "flights.v1.Depart", stdin=json_lines(departure(1)))
    assert (kind.returncode, "EVENT_TYPE_NOT_FOUND" in kind.stderr, DEPARTED in kind.stderr) == (
        1,
        True,
        True,
    )
    tidegate("topic", "update", cli_topic, "--type", "flights.v1.Cancelled")
    closed = tidegate("publish", cli_topic, "--type", DEPARTED, stdin=json_lines(departure(1)))
    assert (closed.returncode, "EVENT_TYPE_NOT_ACCEPTED" in closed.stderr) == (1, True)
    assert "published nothing" in closed.stderr


def test_reading_starts_where_it_is_told(tidegate: Run, cli_topic: str) -> None:
    """earliest, a sequence and a time each start there; limit, types and patterns leave out the rest."""
    tidegate("publish", cli_topic, "--type", DEPARTED, stdin=json_lines(*map(departure, (1, 2, 3))))
    between = datetime.now(UTC).isoformat()
    cancelled = departure(4)
    del cancelled["delay_minutes"], cancelled["distance_miles"]
    tidegate("publish", cli_topic, "--type", "flights.v1.Cancelled", stdin=json_lines(cancelled))

    def read(*arguments: str) -> list[int]:
        return flights_in(tidegate("subscribe", *arguments, "--until", "caught-up"))

    assert read(cli_topic, "--from", "earliest") == [1, 2, 3, 4]
    assert read(cli_topic, "--from", "earliest", "--limit", "2") == [1, 2]
    assert read(cli_topic, "--from", between) == [4]
    assert read(cli_topic) == []
    assert read(cli_topic, "--from", "earliest", "--type", "flights.v1.Cancelled") == [4]
    first = tidegate("subscribe", cli_topic, "--from", "earliest", "--limit", "1").stdout
    assert read("cli.>", "--from", str(int(json.loads(first)["sequence"]) + 1))[:3] == [2, 3, 4]


def test_a_start_in_the_future_is_refused(tidegate: Run, cli_topic: str) -> None:
    """A sequence that is not there yet ends with 1, and the message says the highest one to start at."""
    refused = tidegate("subscribe", cli_topic, "--from", "99999999")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "SEQUENCE_OUT_OF_RANGE" in refused.stderr


def test_a_line_is_published_while_stdin_stays_open(cli_server: str, cli_topic: str) -> None:
    """Lines travel as they come: a slow writer's first event is read before its second is written."""
    with (
        start_tidegate("--server", cli_server, "subscribe", cli_topic, "--from", "earliest") as reader,
        start_tidegate("--server", cli_server, "publish", cli_topic, "--type", DEPARTED) as writer,
    ):
        for number in (1, 2):
            writer.stdin.write(json_lines(departure(number)))
            writer.stdin.flush()
            assert json.loads(reader.stdout.readline())["data"]["flight"] == number
        reader.send_signal(signal.SIGINT)
        assert reader.communicate(timeout=30) == ("", "")
        assert reader.returncode == 0
        writer.send_signal(signal.SIGINT)
        _, said = writer.communicate(timeout=30)
        assert (writer.returncode, said.startswith("published 2 events to ")) == (130, True)


def test_a_reader_that_had_enough_ends_it(tidegate: Run, cli_server: str, cli_topic: str) -> None:
    """When nobody reads stdout any more, subscribe ends without a word, also if nothing is published."""
    tidegate("publish", cli_topic, "--type", DEPARTED, stdin=json_lines(*map(departure, (1, 2, 3))))
    with start_tidegate("--server", cli_server, "subscribe", cli_topic, "--from", "earliest") as reader:
        for _ in range(3):
            reader.stdout.readline()
        reader.stdout.close()
        assert reader.wait(30) == 0
        assert reader.stderr.read() == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_output_that_has_no_room_is_said(cli_server: str, cli_topic: str) -> None:
    """A disk that is full below the output ends a command with 1 and a sentence, and no traceback."""
    lines = json_lines(departure(1))
    assert (
        run_tidegate(
            "publish", cli_topic, "--type", DEPARTED, stdin=lines, TIDEGATE_SERVER=cli_server
        ).returncode
        == 0
    )
    for command in (["read", cli_topic], ["topic", "list"]):
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            done = subprocess.run(
                [*TIDEGATE, "--server", cli_server, *command],
                stdout=full,
                stderr=subprocess.PIPE,
                text=True,
                timeout=60,
                check=False,
            )
        assert (done.returncode, done.stderr) == (
            1,
            "Error: can't write the output: No space left on device\n",
        )


def test_a_gateway_that_is_not_there_is_named(cli_topic: str) -> None:
    """Without a gateway each command ends with 1, names the address and says how to start one."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        started = time.monotonic()
        refused = run_tidegate("subscribe", cli_topic, TIDEGATE_SERVER=address)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith(f"Error: can't reach a gateway at {address}: ")
    assert f"`tidegate serve --listen {address}`" in refused.stderr
    assert time.monotonic() - started < 30


def test_an_interruption_does_not_wait_for_a_gateway_that_is_gone(cli_topic: str, tmp_path: Path) -> None:
    """Without its gateway, subscribe and publish say so and go on; Ctrl-C ends them within seconds."""
    schema = EXAMPLE / "schema" / "v1" / "flights.proto"
    with start_tidegate(
        "serve", "--listen", "127.0.0.1:0", "--engine", f"sqlite:{tmp_path}/log.db"
    ) as gateway:
        address = gateway.stdout.readline().split(" ready on ")[1].split(",")[0]
        run_tidegate("--server", address, "schema", "register", "flights", schema)
        run_tidegate("--server", address, "topic", "create", cli_topic, "--subject", "flights")
        with (
            start_tidegate("--server", address, "subscribe", cli_topic, "--from", "earliest") as reader,
            start_tidegate("--server", address, "publish", cli_topic, "--type", DEPARTED) as writer,
        ):
            writer.stdin.write(json_lines(departure(1)))
            writer.stdin.flush()
            assert reader.stdout.readline()
            gateway.kill()
            assert f"can't reach a gateway at {address}" in reader.stderr.readline()
            reader.send_signal(signal.SIGINT)
            assert reader.wait(10) == 0
            writer.stdin.write(json_lines(departure(2)))
            writer.stdin.flush()
            assert f"can't reach a gateway at {address}" in writer.stderr.readline()
            writer.send_signal(signal.SIGINT)
            assert writer.wait(20) == 130
            summary = f"published 1 event to {cli_topic}, sequence 1; 1 line not acknowledged\n"
            assert summary in writer.stderr.read()
