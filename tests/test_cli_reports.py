"""The forms of a check's report: what is written for a terminal, for GitHub and as Markdown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate.cli.report.github import write_github
from tidegate.cli.report.markdown import write_markdown
from tidegate.cli.report.text import write_text
from tidegate.cli.report.words import AUDIENCES, Outcome
from tidegate.v1 import backtest_pb2, finding_pb2, schema_service_pb2

WRITERS = {"text": write_text, "github": write_github, "markdown": write_markdown}
PATHS = {"shop.proto": Path("protos/shop.proto")}
ODD = st.text(
    st.sampled_from("ab%:,|`*_<>\\#@\n\r\x1b]\N{SNOWMAN}~=") | st.characters(exclude_categories=["Cs"])
)


def finding(**changes: Any) -> finding_pb2.Finding:
    """A finding with everything that one can have."""
    example = {
        "type": "shop.v1.Order",
        "reader": finding_pb2.FINDING_AUDIENCE_NEW_READERS,
        "encoding": finding_pb2.EVENT_ENCODING_BINARY,
        "written": '{"cents": 5}',
        "payload": "1805",
        "error": "another wire type",
    }
    known = {
        "rule_id": "FIELD_SAME_TYPE",
        "path": "shop.v1.Order.cents",
        "severity": finding_pb2.FINDING_SEVERITY_BREAKS,
        "change": "type changed from int64 to string",
        "audiences": [finding_pb2.FINDING_AUDIENCE_NEW_READERS],
        "effect": "new readers fail on `cents`",
        "suggestion": "keep it:\n  int64 cents = 3;",
        "old_position": {"file": "shop.proto", "line": 7, "column": 3, "text": "int64 cents = 3;"},
        "new_position": {"file": "shop.proto", "line": 8, "column": 3, "text": "string cents = 3;"},
        "against_version": 1,
        "counter_examples": [example],
    }
    return finding_pb2.Finding(**known | changes)


def outcome(*findings: finding_pb2.Finding, **backtest: Any) -> Outcome:
    """The outcome of a check with these findings, against version 1."""
    breaking = sum(each.severity == finding_pb2.FINDING_SEVERITY_BREAKS for each in findings)
    report = schema_service_pb2.CheckReport(
        compatible=not breaking,
        compatibility={"direction": 2, "surface": 1},  # type: ignore[arg-type]
        against_versions=[1],
        findings=findings,
        breaking_count=breaking,
        notice_count=len(findings) - breaking,
    )
    tried = backtest_pb2.BacktestReport(**backtest) if backtest else None
    return Outcome("shop", report, tried, "shop.orders" if backtest else "", PATHS)


def written(form: str, found: Outcome, capsys: pytest.CaptureFixture[str]) -> str:
    """What a form writes to stdout."""
    WRITERS[form](found)
    return capsys.readouterr().out


def test_a_person_is_told_all(capsys: pytest.CaptureFixture[str]) -> None:
    """A finding says where, what, what was, for whom, with what effect, shown by what, and the way out."""
    headline, *details = written("text", outcome(finding()), capsys).splitlines()
    said = "breaks: shop.v1.Order.cents: type changed from int64 to string [FIELD_SAME_TYPE]"
    assert headline == f"protos/shop.proto:8:3: {said}"
    assert details == [
        "      now  string cents = 3;",
        "      was  int64 cents = 3;   (version 1, shop.proto:7:3)",
        "      who  new readers of old events",
        "   effect  new readers fail on `cents`",
        '    proof  version 1 writes {"cents": 5} as 1805',
        "           the new schema fails to read it: another wire type",
        "  instead  keep it:",
        "             int64 cents = 3;",
        "",
        "shop breaks BACKWARD WIRE with version 1: 1 finding",
    ]


def test_an_outcome_is_refused_for_each_reason() -> None:
    """What breaks, blocks, takes a topic's type or fails stored events is refused; notices alone are not."""
    notice = finding(severity=finding_pb2.FINDING_SEVERITY_NOTICE)
    assert not outcome().refused
    assert not outcome(notice, examined=9, passed=5, with_unknown_fields=4).refused
    assert outcome(notice, finding()).refused
    for faults in ("unparsable", "breaking_rules", "without_type"):
        assert outcome(notice, examined=9, passed=8, **{faults: 1}).refused
    for changes in ({"blocked_by_readers": True}, {"topics_in_need": ["shop.orders"]}):
        found = outcome(notice)
        found.report.MergeFrom(schema_service_pb2.CheckReport(**changes))  # type: ignore[arg-type]
        assert found.refused


def test_every_audience_has_words() -> None:
    """Whoever the contract says notices a change is named in every report."""
    numbers = set(finding_pb2.FindingAudience.values())
    assert set(AUDIENCES) == numbers - {finding_pb2.FINDING_AUDIENCE_UNSPECIFIED}


def parse_command(line: str) -> tuple[str, dict[str, str], str]:
    """Reads a workflow command as GitHub's runner does."""
    level, named, text = re.fullmatch(r"::(\w+) ([^\n]*?)::([^\r\n]*)", line).groups()
    properties = dict(each.split("=", 1) for each in named.split(","))

    def read(value: str, *more: tuple[str, str]) -> str:
        for code, character in (*more, ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
            value = value.replace(code, character)
        return value

    return level, {n: read(v, ("%3A", ":"), ("%2C", ",")) for n, v in properties.items()}, read(text)


@given(path=ODD, change=ODD, file=st.text("ab%:, \n\r", min_size=1), text=ODD)
def test_annotations_say_what_was_found_whatever_it_is(path: str, change: str, file: str, text: str) -> None:
    """Each finding is one line that GitHub reads back as place, title and text, whatever it is."""
    position = {"file": file, "line": 2, "column": 1, "text": text}
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.delenv("GITHUB_WORKSPACE", raising=False)
        patch.setattr("click.echo", lines.append)
        write_github(outcome(finding(path=path, change=change, new_position=position)))
    level, properties, said = parse_command(lines[0])
    assert level == "error"
    assert properties == {"file": file, "line": "2", "col": "1", "title": f"FIELD_SAME_TYPE {path}"}
    assert said.startswith(f"{path}: {change}")
    assert len(lines) == 2


def test_annotations_land_on_files_from_the_workspace_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In a folder below the workspace, files are named as GitHub knows them; notices are no errors."""
    (tmp_path / "service").mkdir()
    monkeypatch.chdir(tmp_path / "service")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    notice = finding(severity=finding_pb2.FINDING_SEVERITY_NOTICE)
    first, *_, last = written("github", outcome(notice), capsys).splitlines()
    assert parse_command(first)[0] == "notice"
    assert parse_command(first)[1]["file"] == "service/protos/shop.proto"
    assert last == "shop holds BACKWARD WIRE with version 1: 1 notice"


def open_fence(text: str) -> str:
    """The fence of the block of code that a text ends in; empty if all are closed."""
    fence = ""
    for line in re.split(r"\r\n|\r|\n", text):
        ticks = re.match("`*", line)[0]
        if not fence and len(ticks) >= 3 and "`" not in line[len(ticks) :]:
            fence = ticks
        elif fence and len(ticks) >= len(fence) and not line[len(ticks) :].strip():
            fence = ""
    return fence


@given(path=ODD, change=ODD, effect=ODD, suggestion=ODD)
def test_markdown_keeps_its_shape(path: str, change: str, effect: str, suggestion: str) -> None:
    """Whatever a finding says, it is one row of a table with four cells, and its blocks are closed."""
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("click.echo", lines.append)
        write_markdown(outcome(finding(path=path, change=change, effect=effect, suggestion=suggestion)))
    rows = [line for line in lines if line.startswith("| **breaks**")]
    assert len(rows) == 1
    assert "\n" not in rows[0]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", rows[0])) == 5
    assert open_fence("\n".join(lines)) == ""
    assert lines.count("</details>") == 1


@given(path=ODD, effect=ODD, text=ODD)
def test_a_terminal_is_not_steered(path: str, effect: str, text: str) -> None:
    """What a schema says, which may be somebody else's, reaches no terminal as a control sequence."""
    position = {"file": "shop.proto", "line": 2, "column": 1, "text": text}
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr("click.echo", lambda line, **_: lines.append(line))
        write_text(outcome(finding(path=path, effect=effect, new_position=position)))
    without_colours = re.sub(r"\x1b\[[0-9;]*m", "", "".join(lines))
    assert "\x1b" not in without_colours
    assert without_colours.replace("\n", "").replace("\t", "").isprintable()


def test_a_backtest_says_what_fails_and_where(capsys: pytest.CaptureFixture[str]) -> None:
    """A backtest is told by counts, rules and samples, in every form; without events it says so."""
    rules = [{"rule_id": "int64.gt", "field": "data.cents", "events": 2}]
    violations = [{"field": "data.cents", "description": "must be above 0", "rule_id": "int64.gt"}]
    samples = [{"sequence": 7, "type": "shop.v1.Order", "schema_version": 1, "violations": violations}]
    found = outcome(
        examined=1_000,
        passed=998,
        breaking_rules=2,
        first_sequence=1,
        last_sequence=1_200,
        rules=rules,
        samples=samples,
    )
    for form in WRITERS:
        said = written(form, found, capsys)
        assert "1,000 events, sequences 1 to 1200: 998 pass, 2 break rules" in said
        assert "data.cents [int64.gt]: 2 events" in said
        assert "sequence 7, shop.v1.Order, version 1: data.cents: must be above 0 [int64.gt]" in said
    assert "there are no events" in written("text", outcome(examined=0), capsys)
