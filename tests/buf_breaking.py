"""What `buf breaking` says of two descriptor sets, on elements that our findings can be compared with.

An element's key is its last name, with numbers for what Buf names by number: ``M7``, ``M7#5`` for a field,
``E2#0`` for an enum value, ``F3Entry#1`` for the key of a map, ``c1/a.proto``.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tests.schema_surgery import Files, enums, messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf import descriptor_pb2 as pb

    from registry.compat.finding import Finding

CATEGORIES = ("WIRE", "WIRE_JSON", "FILE", "PACKAGE")
BUF = Path(sys.executable).with_name("buf")

_FIELD = re.compile(r'ield "(\d+)".* on message "([^"]+)"')
_EXTENSION = re.compile(r'xtension "\d+" with name "([^"]+)"')
_VALUE = re.compile(r'num value "(-?\d+)" on enum "([^"]+)"')
_WITHIN = re.compile(r' on (?:message|enum) "([^"]+)"')
_LOST = re.compile(r'cannot add annotation for unknown file: "([^"]+)"')
_NAME = re.compile(r'"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing that Buf reports: its rule, the new file that it looked at, if any, and its sentence."""

    rule_id: str
    file: str
    message: str

    @property
    def element(self) -> str:
        """The key of what it is about."""
        if self.rule_id.startswith("FILE_SAME") or self.rule_id.startswith("MESSAGE_NO_REMOVE_STANDARD"):
            return self.file
        if match := _EXTENSION.search(self.message):
            return _last(match[1])
        if match := _FIELD.search(self.message):
            return f"{_last(match[2])}#{match[1]}"
        if match := _VALUE.search(self.message):
            return f"{_last(match[2])}#{match[1]}"
        named = _NAME.findall(self.message)
        if self.rule_id.startswith(("RESERVED_", "EXTENSION_MESSAGE")):
            return _last(_WITHIN.findall(self.message)[-1])
        return named[0] if self.rule_id in {"FILE_NO_DELETE", "PACKAGE_NO_DELETE"} else _last(named[0])


def _last(name: str) -> str:
    return name.rpartition(".")[2]


class BufFails(Exception):
    """Buf finds no words: it looks for something of a moved enum in a file that is gone.

    Attributes:
        files: The files that it looks for.
    """

    def __init__(self, files: list[str]) -> None:
        """Takes the names of the files."""
        super().__init__(", ".join(files))
        self.files = files


def breaking(old: bytes, new: bytes, categories: Iterable[str] = CATEGORIES) -> list[Annotation]:
    """Answers what Buf finds from the descriptor set ``old`` to ``new``.

    Raises:
        BufFails: It can't tell.
    """
    config = json.dumps({"version": "v2", "breaking": {"use": list(categories)}})
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "old.binpb").write_bytes(old)
        Path(folder, "new.binpb").write_bytes(new)
        run = subprocess.run(
            [BUF, "breaking", "new.binpb", "--against=old.binpb", "--error-format=json", "--config", config],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    if lost := _LOST.findall(run.stderr):
        raise BufFails(lost)
    assert run.returncode in {0, 100}, run.stderr
    found = (json.loads(line) for line in run.stdout.splitlines())
    return [Annotation(it["type"], it.get("path", ""), it["message"]) for it in found]


@cache
def rules_of() -> Mapping[str, frozenset[str]]:
    """Answers Buf's rules by category, from Buf itself."""
    run = subprocess.run(
        [BUF, "config", "ls-breaking-rules", "--version", "v2", "--format", "json"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    rules = [json.loads(line) for line in run.stdout.splitlines()]
    return {it: frozenset(rule["id"] for rule in rules if it in rule["categories"]) for it in CATEGORIES}


class Elements:
    """Answers the key of the element that a finding of ours is about."""

    def __init__(self, old: Files, new: Files) -> None:
        """Reads what each full name is; where both have it, the old one says."""
        self._keys: dict[str, str] = {}
        for files in (new, old):
            for it in messages(files):
                for message in (it.element, *it.element.nested_type):
                    self._fields(it.name[1:], message)
            for it in enums(files):
                scope = it.name[1:].rpartition(".")[0]
                for value in it.element.value:
                    key = f"{it.element.name}#{value.number}"
                    self._keys |= {f"{it.name[1:]}.{value.name}": key, f"{scope}.{value.name}": key}

    def _fields(self, scope: str, message: pb.DescriptorProto) -> None:
        entry = message.options.map_entry
        for field in message.field:
            name = f"{scope}.{message.name}.{field.name}" if entry else f"{scope}.{field.name}"
            self._keys[name] = f"{message.name}#{field.number}"

    def key(self, finding: Finding) -> str:
        """Answers the key of a finding."""
        path = finding.path
        if path in self._keys:
            return self._keys[path]
        return path if path.endswith(".proto") or finding.rule_id == "PACKAGE_NO_DELETE" else _last(path)
