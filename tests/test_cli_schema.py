"""``tidegate schema`` against a gateway: what a person who changes a schema is told, and what CI reads."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result
from tidegate.cli import cli

from tests.command_line import json_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORDER = """syntax = "proto3";
package {package};
import "buf/validate/validate.proto";

message Order {{
  string id = 1;
  int64 cents = 2;
  string note = 3;
}}
"""


@dataclass(frozen=True)
class Team:
    """A team with a schema of its own, in the present folder."""

    server: str
    subject: str

    @property
    def type(self) -> str:
        """The event type."""
        return f"{self.subject}.v1.Order"

    @property
    def file(self) -> str:
        """The name of the schema's file."""
        return f"{self.subject}/v1/order.proto"

    def write(self, change: Callable[[str], str] = lambda text: text) -> None:
        """Writes the schema, changed."""
        path = Path("proto", self.file)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(change(ORDER.format(package=f"{self.subject}.v1")))

    def tidegate(self, *arguments: str) -> Result:
        """Runs a command, in this process: the other tests of the command line start real ones."""
        return CliRunner().invoke(cli, ["--server", self.server, *arguments])

    def run(self, command: str, *arguments: str) -> Result:
        """Runs ``tidegate schema COMMAND SUBJECT …``."""
        return self.tidegate("schema", command, self.subject, *arguments)

    def send(self, command: str, *arguments: str) -> Result:
        """As ``run``, with the schema."""
        return self.run(command, "-I", "proto", f"proto/{self.file}", *arguments)


@pytest.fixture
def team(
    cli_server: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Team]:
    """A team whose schema is version 1 of a subject of the test's own."""
    monkeypatch.chdir(tmp_path)
    made = Team(cli_server, request.node.originalname.removeprefix("test_"))
    made.write()
    handlers = list(logging.getLogger("tidegate").handlers)
    registered = made.send("register", "--message", "the first")
    assert registered.stdout == f"{made.subject} version 1 registered: {made.type}\n", registered.stderr
    yield made
    logging.getLogger("tidegate").handlers[:] = handlers


def retype(text: str) -> str:
    """Changes the type of a field: what breaks every reader."""
    return text.replace("int64 cents", "string cents")


def test_who_breaks_a_schema_is_told_what_to_do(team: Team) -> None:
    """A check names place, change, readers, effect, proof and way out, ends with 1, and registers nothing."""
    assert team.send("check").stdout == f"{team.subject} has this schema as version 1\n"
    team.write(retype)
    checked = team.send("check")
    assert (checked.exit_code, checked.stderr) == (1, "")
    lines = checked.stdout.splitlines()
    assert lines[0].startswith(f"proto/{team.file}:7:3: breaks: {team.type}.cents: ")
    assert "      now  string cents = 2;" in lines
    assert f"      was  int64 cents = 2;   (version 1, {team.file}:7:3)" in lines
    for label in ("who", "effect", "proof", "instead"):
        assert any(line.startswith(f"{label:>9}  ") for line in lines), label
    assert lines[-1].startswith(f"{team.subject} breaks BACKWARD WIRE with version 1: ")
    assert "\x1b" not in checked.stdout
    assert team.run("list").stdout.count("\n") == 1


def test_a_refused_registration_explains_itself(team: Team) -> None:
    """What a check would say comes with the refusal, on stderr, and the exit code is 1."""
    team.write(retype)
    checked, refused = team.send("check"), team.send("register")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith(checked.stdout)
    assert "Error: " in refused.stderr
    assert "(INCOMPATIBLE_SCHEMA)" in refused.stderr


def test_filters_that_a_registration_breaks_are_named(team: Team) -> None:
    """A rename that the wire allows is registered, and whose filter does not know it is told on stderr."""
    topic, filter_ = f"{team.subject}.orders", "event.data.cents > 5"
    assert team.tidegate("topic", "create", topic, "--subject", team.subject).exit_code == 0
    group = team.tidegate("group", "create", team.subject, topic, "--type", team.type, "--filter", filter_)
    assert group.exit_code == 0, group.stderr
    team.write(lambda text: text.replace("cents", "euro_cents"))
    registered = team.send("register")
    assert registered.stdout == f"{team.subject} version 2 registered: {team.type}\n"
    assert registered.stderr.startswith(f"Warning: a filter of group {team.subject} would get no {team.type}")
    assert f"`{filter_}`: column 11: undefined field 'cents'" in registered.stderr
    assert team.send("register").stderr == ""


def test_ci_reads_the_outcome(team: Team) -> None:
    """JSON has the verdict and what it rests on, GitHub gets annotations, Markdown a heading."""
    team.write(retype)
    for flags in (("--format", "json"), ("--json",)):
        checked = team.send("check", *flags)
        found = json.loads(checked.stdout)
        assert (checked.exit_code, found["refused"], found["report"]["compatible"]) == (1, True, False)
        assert found["report"]["findings"][0]["path"] == f"{team.type}.cents"
    annotated = team.send("check", "--format", "github")
    assert annotated.stdout.startswith(f"::error file=proto/{team.file},line=7,col=3,title=")
    assert team.send("check", "--format", "markdown").stdout.startswith("### ")
    team.write(lambda text: text.replace("}", "  bytes seal = 4;\n}"))
    fine = team.send("check", "--format", "json")
    assert (fine.exit_code, json.loads(fine.stdout)["report"]["compatible"]) == (0, True)


def test_a_promise_is_chosen_and_tried(team: Team) -> None:
    """Settings are shown and changed by name, in any case; a check can try another promise beforehand."""
    team.write(lambda text: text.replace("note = 3", "remark = 3"))
    assert team.send("check").exit_code == 0
    assert team.send("check", "--surface", "wire-json").exit_code == 1
    assert "promise         BACKWARD WIRE (the default)\n" in team.run("settings").stdout
    changed = team.run(
        "settings", "--surface", "wire_json", "--direction", "full", "--message", "JSON readers"
    )
    assert "promise         FULL WIRE_JSON\n" in changed.stdout
    assert team.send("check").exit_code == 1
    assert team.send("check", "--direction", "none").exit_code == 0
    (shown,) = map(json.loads, team.run("settings", "--default", "--json").stdout.splitlines())
    assert shown["default_compatibility"] is True
    log = [line.split("\t") for line in team.run("log").stdout.splitlines()]
    assert [row[2] for row in log] == ["configure", "configure", "register"]
    assert [row[-1] for row in log] == ["", "JSON readers", "the first"]


def test_a_schema_is_tried_on_stored_events(team: Team) -> None:
    """A backtest says how many stored events fail, by which rule and where; they end the check with 1."""
    topic = f"{team.subject}.orders"
    assert team.tidegate("topic", "create", topic, "--subject", team.subject).exit_code == 0
    events = json_lines(*({"id": f"A{number}", "cents": str(number)} for number in range(4)))
    Path("events.jsonl").write_text(events)
    assert team.tidegate("publish", topic, "--type", team.type, "events.jsonl").exit_code == 0
    team.write(lambda text: text.replace("cents = 2", "cents = 2 [(buf.validate.field).int64.gt = 0]"))
    tried = team.send("check", "--direction", "none", "--backtest", topic)
    assert (tried.exit_code, tried.stderr) == (1, "")
    assert ": 3 pass, 1 break rules\n" in tried.stdout
    assert "  data.cents [int64.gt]: 1 event\n" in tried.stdout
    last = team.send("check", "--direction", "none", "--backtest", topic, "--last", "2", "--json")
    assert (last.exit_code, json.loads(last.stdout)["backtest"]["passed"]) == (0, "2")


def test_versions_are_compared_deleted_and_restored(team: Team) -> None:
    """Two versions are compared by structure and as text; a deleted one is hidden until it is restored."""
    team.write(lambda text: text.replace("}", "  bytes seal = 4;\n}"))
    assert team.send("register").exit_code == 0
    differs = team.run("diff").stdout.splitlines()
    assert differs[0].startswith(f"+ field {team.type}.seal")
    assert differs[-1] == f"{team.subject} versions 1 and 2: 1 difference"
    assert "+  bytes seal = 4;" in team.run("diff", "--text").stdout
    deleted = team.run("delete", "--version", "2", "--message", "by mistake")
    back = f"tidegate schema restore {team.subject} --version 2"
    assert deleted.stdout == f"{team.subject} version 2 deleted; `{back}` brings it back\n"
    assert [line[0] for line in team.run("list").stdout.splitlines()] == ["1"]
    assert [line[0] for line in team.run("list", "--deleted").stdout.splitlines()] == ["1", "2"]
    restored = team.run("restore", "--version", "2")
    assert restored.stdout == f"{team.subject} version 2 restored; the latest version is 2\n"


def test_a_schema_is_shown_in_every_form(team: Team) -> None:
    """Its sources, its canonical text, all that typed streams need, and its descriptors can be had."""
    assert f"// {team.file}\nsyntax" in team.run("get").stdout
    assert "message Order {" in team.run("get", "--canonical").stdout
    typed = team.run("get", "--typed").stdout
    assert "service OrderService {" in typed
    assert "// tidegate/v1/event.proto\n" in typed
    assert team.run("get", "--descriptor-set", "out.binpb").stdout == ""
    again = team.run("register", "--descriptor-set", "out.binpb")
    assert again.stdout == f"{team.subject} version 1 was there already: {team.type}\n"
    assert Path("out.binpb").stat().st_size > 100


def test_a_schema_imports_files_of_another_subject(team: Team) -> None:
    """With --reference the files of another subject need not be at hand; the version is remembered."""
    text = 'syntax = "proto3"; package {0}.more; import "{1}"; message Two {{ {2} a = 1; {2} b = 2; }}'
    Path("two.proto").write_text(text.format(team.subject, team.file, team.type))
    name = f"{team.subject}-more"
    alone = team.tidegate("schema", "register", name, "two.proto")
    assert (alone.exit_code, "--reference" in alone.stderr) == (1, True)
    made = team.tidegate("schema", "register", name, "two.proto", "--reference", f"{team.subject}@1")
    assert made.stdout == f"{name} version 1 registered: {team.subject}.more.Two\n"
    assert f"references   {team.subject}@1\n" in team.tidegate("schema", "get", name).stdout
    assert f"used by         {name}@1\n" in team.run("settings").stdout
