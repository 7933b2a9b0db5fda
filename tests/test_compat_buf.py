"""Buf's own cases of breaking changes: the same rules at the same elements, or a reason why not.

The cases are not part of this project: `make conformance SUITE=folder` names where they lie.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb

from registry.compat.catalogue import RULES
from registry.compat.engine import compare
from tests.buf_elements import Keys, buf_key
from tests.compat_cases import FOLDER, side_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Finding

SUITE = os.environ.get("TIDEGATE_BUF_CASES", "")
DEVIATIONS = FOLDER / "buf_deviations.toml"
LISTED_BY_RANGE = re.compile(r"RESERVED_.*|EXTENSION_MESSAGE_NO_DELETE|ENUM_VALUE_SAME_NAME")
"""Rules of which Buf reports each range or name by itself, where we may say more or less in one finding."""

pytestmark = pytest.mark.skipif(not SUITE, reason="TIDEGATE_BUF_CASES names no folder with Buf's cases")
Key = tuple[str, str]


@cache
def suite() -> dict[str, Any]:
    path = Path(SUITE) / "cases.json"
    cases: dict[str, Any] = json.loads(path.read_text()) if SUITE else {"cases": [], "rules": []}
    return cases


@cache
def deviations() -> list[dict[str, str]]:
    listed: list[dict[str, str]] = tomllib.loads(DEVIATIONS.read_text())["deviation"]
    return listed


@pytest.mark.parametrize("case", suite()["cases"], ids=lambda case: case["dir"])
def test_a_case_of_buf_finds_what_buf_finds(case: dict[str, Any], tmp_path: Path) -> None:
    """Each rule that we carry is broken at the elements that Buf names, but for listed deviations."""
    if case["needs_plugin"]:
        pytest.skip("the case needs a plugin of Buf's")
    old, new = (built(Path(SUITE) / case[side], tmp_path) for side in ("previous", "current"))
    findings = compare(side_of("version 1", old), side_of("version 2", new))
    rules = used_rules(case) | {it["rule"] for it in case["expected"]}
    keys = Keys(old, new)
    theirs = found_there(case["expected"])
    only_there = theirs - found_here(findings, rules, keys)
    # Buf asks about new readers of old data alone.
    only_here = found_here([it for it in findings if breaks_new_readers(it)], rules, keys) - theirs
    listed = [it for it in deviations() if it["case"] == case["dir"]]
    assert sorted(only_here.elements()) == sorted(
        (it["rule"], it["element"]) for it in listed if it["only"] == "tidegate"
    )
    assert sorted(only_there.elements()) == sorted(
        (it["rule"], it["element"]) for it in listed if it["only"] == "buf"
    )


def test_each_rule_of_buf_is_here() -> None:
    """All rules of Buf's FILE, PACKAGE, WIRE_JSON and WIRE categories are in the catalogue, as Buf's."""
    theirs = {rule["id"] for rule in suite()["rules"] if not rule["plugin"]}
    assert theirs == {rule.id for rule in RULES.values() if rule.buf}


def built(folder: Path, scratch: Path) -> list[pb.FileDescriptorProto]:
    """Compiles a side by protoc: some cases import what the registry refuses or does not have."""
    root = folder / "root" if (folder / "root").exists() else folder
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*.proto"))
    output = scratch / "side.binpb"
    command = [sys.executable, "-m", "grpc_tools.protoc", "--experimental_editions", f"--proto_path={root}"]
    subprocess.run(
        [*command, f"--descriptor_set_out={output}", "--include_imports", *names],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return list(pb.FileDescriptorSet.FromString(output.read_bytes()).file)


def used_rules(case: dict[str, Any]) -> set[str]:
    """Answers the rules that a case switches on; Buf's default is the category FILE."""
    by_category: dict[str, set[str]] = {}
    for rule in suite()["rules"]:
        for category in rule["categories"]:
            by_category.setdefault(category, set()).add(rule["id"])
    part = case["buf_yaml"].partition("use:")[2].partition("ignore")[0].partition("except:")[0]
    words = re.findall(r"- (\w+)", part) or ["FILE"]
    excluded = set(re.findall(r"- (\w+)", case["buf_yaml"].partition("except:")[2]))
    return {rule for word in words for rule in by_category.get(word, {word})} - excluded


def breaks_new_readers(finding: Finding) -> bool:
    return any(it.startswith("BACKWARD") for it in finding.breaks())


def found_here(findings: Iterable[Finding], rules: set[str], keys: Keys) -> Counter[Key]:
    return once(Counter((it.rule_id, keys.key(it)) for it in findings if it.rule_id in rules))


def found_there(expected: Iterable[dict[str, Any]]) -> Counter[Key]:
    found = Counter(
        (it["rule"], buf_key(it["rule"], it.get("file", ""), it["message"]))
        for it in expected
        if it["rule"] in RULES
    )
    return once(found)


def once(found: Counter[Key]) -> Counter[Key]:
    return Counter({key: 1 if LISTED_BY_RANGE.fullmatch(key[0]) else count for key, count in found.items()})
