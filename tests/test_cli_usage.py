"""The command line where no gateway is needed: help, wrong usage, and how it starts."""

from __future__ import annotations

import asyncio
import io
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegate.cli import COMMANDS, cli
from tidegate.cli.lines import LONGEST_LINE, read_lines
from tidegate.cli.output import write_table
from tidegate.cli.values import (
    AGE,
    BYTES,
    HIGHEST_SEQUENCE,
    POSITION,
    SECONDS,
    SIZE,
    Position,
    format_age,
    format_size,
)

from tests.command_line import run_tidegate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def every_command() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yields all commands with the words that name them."""
    waiting: list[tuple[tuple[str, ...], click.Command]] = [((), cli)]
    while waiting:
        words, command = waiting.pop()
        yield words, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            names = command.list_commands(context)
            waiting += [((*words, name), command.get_command(context, name)) for name in names]


@pytest.mark.parametrize("words", [words for words, _ in every_command()], ids=" ".join)
def test_every_command_explains_itself_with_examples(words: tuple[str, ...]) -> None:
    """Each command answers --help with what it does, its options and an example of itself."""
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="tidegate")
    assert shown.exit_code == 0
    assert re.search(r"\n\n  [A-Z]\w+[^.]*\.", shown.output)
    assert f"    {' '.join(('tidegate', *words))}" in shown.output.split("Examples:")[1]


def test_the_list_of_commands_says_what_each_command_says() -> None:
    """The root's list, which is written without importing the commands, is made of their own words."""
    context = click.Context(cli)
    for name, sentence in COMMANDS.items():
        assert cli.get_command(context, name).help.split("\n\n")[0] == sentence


def parse(words: list[str]) -> None:
    """Parses a command line as click does, without running it."""
    command, context = cli, cli.make_context("tidegate", words)
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
    context.close()


@pytest.mark.parametrize("words", [words for words, _ in every_command()], ids=" ".join)
def test_examples_of_the_help_are_right_usage(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example of the help has arguments and options that exist, and values that are taken."""
    monkeypatch.chdir(tmp_path)
    for file in (
        "proto/flights.proto",
        "proto/shop/v1/*.proto",
        "shop.binpb",
        "departures.jsonl",
        "tidegate.toml",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    shown = CliRunner().invoke(cli, [*words, "--help"], prog_name="tidegate").output
    examples = re.findall(r"^ +(tidegate .*?)(?: [|<>].*)?$", shown.split("Examples:")[1], re.MULTILINE)
    assert examples
    for example in examples:
        parse(shlex.split(example)[1:])


def test_help_and_wrong_usage_come_without_grpc() -> None:
    """The root command answers without importing gRPC, which takes longer than all the rest."""
    check = "import sys; from tidegate.cli import cli; cli.main(['--help'], standalone_mode=False); "
    command = [sys.executable, "-c", check + "print(sorted(sys.modules))"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "'click'" in loaded
    assert "'grpc'" not in loaded
    assert "'google.protobuf'" not in loaded


WRONG = [
    ([], "Usage: tidegate"),
    (["publsh"], "No such command 'publsh'"),
    (["--server", "localhost", "topic", "list"], "HOST:PORT, such as 127.0.0.1:7420"),
    (["--server", "http://localhost:80", "topic", "list"], "'http://localhost:80' is no address"),
    (["--server", "localhost:99999", "topic", "list"], "is no address"),
    (["topic", "create", "a.b"], "Missing option '--subject'"),
    (["topic", "create", "a.b", "--subject", "s", "--retain-bytes", "10XB"], "'10XB' is no size"),
    (["topic", "create", "a.b", "--subject", "s", "--retain-bytes", "10"], "such as 10GB; or none"),
    (["topic", "create", "a.b", "--subject", "s", "--retain-age", "7 days"], "'7 days' is no age"),
    (["topic", "create", "a.b", "--subject", "s", "--retain-age", "-7d"], "such as 7d; or none"),
    (["topic", "create", "a.b", "--subject", "s", "--retain-age", "0d"], "'0d' must be above 0"),
    (["topic", "create", "a.b", "--subject", "s", "--unknown-fields", "drop"], "'reject', 'allow'"),
    (["topic", "update", "a.b"], "name at least one setting"),
    (["topic", "update", "a.b", "--all-types", "--type", "x.Y"], "contradict each other"),
    (["subscribe"], "Missing argument 'TOPIC...'"),
    (
        ["subscribe", "a", "--from", "yesterday"],
        "earliest, latest, a sequence such as 1200, or a time such as",
    ),
    (["subscribe", "a", "--from", "2013-01-04T12:00:00"], "has no time zone: add Z for UTC"),
    (["subscribe", "a", "--from", "0"], "they go from 1 to 9223372036854775807"),
    (["subscribe", "a", "--from", "9223372036854775808"], "is no sequence"),
    (["subscribe", "a", "--limit", "0"], "not in the range x>=1"),
    (["subscribe", "a", "--until", "tomorrow"], "caught-up"),
    (["subscribe"], "at least one, or a --group that exists"),
    (["subscribe", "t", "--max-in-flight", "3"], "--max-in-flight is about a --group"),
    (["subscribe", "--group", "g", "--filter", "true"], "name TOPIC, too"),
    (["subscribe", "--group", "g", "--from", "earliest"], "`tidegate group seek g` moves it"),
    (["subscribe", "--group", "g", "t", "--max-in-flight", "99999999999"], "not in the range 1<=x<=100000"),
    (["read", "t", "--schema-version", "99999999999"], "not in the range 1<=x<=4294967295"),
    (["subscribe", "t", "--filter", "true", "--type-filter", "a.B=true"], "contradict each other"),
    (["subscribe", "t", "--type-filter", "a.B=true"], "needs --type a.B"),
    (["subscribe", "t", "--type-filter", "a.B"], "is no filter of a type: TYPE=EXPRESSION"),
    (["read", "t", "--from", "latest"], "leaves nothing to read"),
    (["read", "t", "--to", "earliest"], "leaves nothing to read"),
    (["read", "t", "--last", "3", "--backwards"], "--last contradicts"),
    (["replay", "t", "t"], "are the same topic"),
    (["replay", "t", "u", "--speed", "fast"], "'fast' is no speed: as-recorded"),
    (["group", "create", "g"], "Missing argument 'TOPIC...'"),
    (["group", "update", "g"], "Nothing to change"),
    (["group", "update", "g", "--lease", "soon"], "'soon' is no duration"),
    (["group", "update", "g", "--max-in-flight", "99999999999"], "not in the range 1<=x<=100000"),
    (["group", "update", "g", "--max-attempts", "99999999999"], "not in the range 1<=x<=1000"),
    (["group", "skip-event", "g", "twelve"], "'twelve' is no sequence"),
    (["dead-letters", "show", "g", "99999999999999999999"], "they go from 1 to 9223372036854775807"),
    (["group", "seek", "g", "now"], "'now' is no position"),
    (["dead-letters", "purge", "g"], "Say which: sequences"),
    (["dead-letters", "redrive", "g", "7", "--all"], "--all contradicts"),
    (["publish", "a"], "Missing option '--type'"),
    (["publish", "a", "--type", "x.Y", "no-such-file.jsonl"], "No such file"),
    (["schema", "register", "s"], "Name either .proto files or one --descriptor-set"),
    (["schema", "register", "s", "no-such-file.proto"], "does not exist"),
    (["schema", "get", "s", "--version", "0"], "not in the range"),
    (["schema", "get", "s", "--typed", "--canonical"], "contradict each other"),
    (["schema", "get", "s", "--typed", "--descriptor-set", "s.binpb"], "contradict each other"),
    (["schema", "get", "s", "--type", "x.Y"], "--type chooses what --typed prints"),
    (["schema", "check", "s"], "Name either .proto files or one --descriptor-set"),
    (["schema", "check", "s", "--against", "first"], "'first' is no version: latest, all, or a number"),
    (["schema", "check", "s", "--against", "0"], "'0' is no version"),
    (["schema", "check", "s", "--direction", "sideways"], "'none', 'backward'"),
    (["schema", "check", "s", "--reference", "money@x"], "such as money@2"),
    (["schema", "check", "s", __file__, "--last", "5"], "say which events of a --backtest TOPIC"),
    (
        ["schema", "check", "s", __file__, "--backtest", "t", "--last", "5", "--from-sequence", "1"],
        "contradict each other",
    ),
    (
        ["schema", "check", "s", __file__, "--reference", "a@1", "--reference", "a@2"],
        "in one --reference only",
    ),
    (["schema", "settings", "--mode", "IMPORT"], "Without SUBJECT only --direction and --surface"),
    (["schema", "settings", "s", "--default", "--surface", "WIRE"], "--default contradicts"),
    (["serve", "--listen", "7420"], "must be HOST:PORT, such as 127.0.0.1:7420"),
    (["serve", "--engine", "postgres://x"], "must be sqlite:///ABSOLUTE/PATH"),
]


@pytest.mark.parametrize(
    ("arguments", "said"), WRONG, ids=[" ".join(words) or "nothing" for words, _ in WRONG]
)
def test_wrong_usage_ends_with_2_and_the_way_out(arguments: list[str], said: str) -> None:
    """What is typed wrong ends with exit code 2 before anything is tried, and says what would be right."""
    result = CliRunner().invoke(cli, arguments, prog_name="tidegate")
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())


def test_exit_codes_and_streams_of_the_process() -> None:
    """Help is a result on stdout with exit code 0; wrong usage is a message on stderr with 2."""
    shown = run_tidegate("--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("Usage: tidegate")
    wrong = run_tidegate("topic", "create")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "tidegate topic create --help" in wrong.stderr


@pytest.mark.parametrize("setting", ["max_topics = 0", "max_topics = 'x'", "colour = 1", "max_topics ="])
def test_a_wrong_setting_ends_with_2(setting: str, tmp_path: Path) -> None:
    """A settings file that can't be right is wrong usage, and the message names the file or the setting."""
    (tmp_path / "tidegate.toml").write_text(setting, encoding="utf-8")
    result = CliRunner().invoke(cli, ["serve", "--config", str(tmp_path / "tidegate.toml")])
    assert result.exit_code == 2
    assert setting.split(" ", maxsplit=1)[0] in result.output or "tidegate.toml" in result.output


@given(number=st.integers(1, 10**6), unit=st.sampled_from(sorted(BYTES)))
def test_sizes_are_numbers_with_units(number: int, unit: str) -> None:
    """A size is its number times its unit, whatever the case of the unit, or is refused as too large."""
    if number * BYTES[unit] > HIGHEST_SEQUENCE:
        with pytest.raises(click.BadParameter, match="must be above 0 and at most"):
            SIZE.convert(f"{number}{unit}", None, None)
    else:
        assert SIZE.convert(f"{number}{unit.lower()}", None, None) == number * BYTES[unit]


@given(seconds=st.integers(1, 10**9))
def test_ages_are_written_as_they_are_read(seconds: int) -> None:
    """An age that was written is read as the same age."""
    assert AGE.convert(format_age(timedelta(seconds=seconds)), None, None) == seconds


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(["Z", "+00:00"]))
def test_times_with_a_zone_are_positions(time: datetime, zone: str) -> None:
    """Each RFC 3339 time is a position."""
    text = time.isoformat().replace("+00:00", zone)
    assert POSITION.convert(text, None, None) == Position(time=time)


@given(st.text())
def test_any_other_text_is_refused_in_words(text: str) -> None:
    """No text makes a value fail other than by a message."""
    for kind in (AGE, SIZE, POSITION):
        with suppress(click.BadParameter):
            kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1_500, "1.5 kB"), (10**10, "10.0 GB"), (5 * 10**15, "5000.0 TB")],
)
def test_sizes_are_shown_for_people(size: int, shown: str) -> None:
    """A number of bytes is shown in the unit that fits."""
    assert format_size(size) == shown


async def read_all(content: bytes, tmp_path: Path) -> list[tuple[int, bytes]]:
    """What is read of a file with that content."""
    (tmp_path / "lines").write_bytes(content)
    with (tmp_path / "lines").open("rb") as file:
        return [line async for line in read_lines(file.fileno())]


@given(content=st.lists(st.sampled_from([b"\n", b"\r\n", b" ", b"{}", b"x" * 70_000, b"\xff"])).map(b"".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_lines_are_those_of_the_file(content: bytes, tmp_path: Path) -> None:
    """The lines that are not blank come whole, in order and with their numbers, wherever a piece ends."""
    expected = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    assert asyncio.run(read_all(content, tmp_path)) == expected


async def test_an_endless_line_is_refused(tmp_path: Path) -> None:
    """A line without an end is given up at 16 MiB, naming it and the limit."""
    with pytest.raises(click.ClickException, match=r"line 2 is over 16,777,216 bytes: one event a line"):
        await read_all(b"{}\n" + b"x" * (LONGEST_LINE + 1), tmp_path)


def test_a_narrow_table_cuts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal of 80 columns a table says all of its cells, if need be over several lines."""
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    cells = ("1200", "shop.v1.OrderPlaced", "customer-4711-of-the-west", "2026-11-25", "x" * 50)
    write_table(("SEQUENCE", "TYPE", "KEY", "GIVEN UP", "WHY"), [cells])
    written = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue())
    assert max(map(len, written.splitlines())) <= 80
    assert "…" not in written
    assert written.count("x") == 50


def test_units_are_those_that_people_know() -> None:
    """An hour has 3,600 seconds; a GB has 10^9 bytes and a GiB 2^30."""
    assert (SECONDS["h"], BYTES["GB"], BYTES["GiB"]) == (3_600, 10**9, 2**30)
