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

from tests.schema_surgery import Files, enums, map_entry, messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf import descriptor_pb2 as pb

    from registry.compat.finding import Finding

CATEGORIES = ("WIRE", "WIRE_JSON", "FILE", "PACKAGE")
BUF = Path(sys.executable).with_name("buf")

_ELEMENTS = tuple(
    map(
        re.compile,
        (
            r'xtension "\d+"(?: with name| on message "[^"]+" changed name from) "(?P<name>[^"]+)"',
            r'ield "(?P<number>\d+)".* on message "(?P<name>[^"]+)"',
            r'num value "(?P<number>-?\d+)" on enum "(?P<name>[^"]+)"',
            r'Message "(?P<name>[^"]+)" had required field "(?P<number>\d+)"',
            r'(?:reserved|extension) (?:name|range) .* on (?:message|enum) "(?P<name>[^"]+)"',
            r'"(?P<name>[^"]*)"',
        ),
    )
)
_NAMED_WHOLE = {"FILE_NO_DELETE", "PACKAGE_NO_DELETE"}
_OF_FILES = ("FILE_SAME_", "MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR")
_LOST = re.compile(r'cannot add annotation for unknown file: "([^"]+)"')


@dataclass(frozen=True, slots=True)
class Annotation:
    """One thing that Buf reports: its rule, the new file that it looked at, if any, and its sentence."""

    rule_id: str
    file: str
    message: str

    @property
    def element(self) -> str:
        """The key of what it is about."""
        if self.rule_id.startswith(_OF_FILES):
            return self.file
        found = next(match for it in _ELEMENTS if (match := it.search(self.message)))
        if self.rule_id in _NAMED_WHOLE:
            return found["name"]
        number = found.groupdict().get("number")
        return _last(found["name"]) + (f"#{number}" if number else "")


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
    """Answers the keys that the element of a finding of ours may have."""

    def __init__(self, old: Files, new: Files) -> None:
        """Reads what each full name is in both versions."""
        self._keys: dict[str, list[str]] = {}
        self._files: dict[str, str] = {}
        for files in (old, new):
            for it in messages(files):
                self._files[it.name[1:]] = it.file.name
                self._fields(it.name[1:], it.element)
            for it in enums(files):
                scope = it.name[1:].rpartition(".")[0]
                for value in it.element.value:
                    for name in (f"{it.name[1:]}.{value.name}", f"{scope}.{value.name}"):
                        self._add(name, f"{it.element.name}#{value.number}")

    def _fields(self, scope: str, message: pb.DescriptorProto) -> None:
        for field in message.field:
            self._add(f"{scope}.{field.name}", f"{message.name}#{field.number}")
            entry = map_entry(message, field)
            for part in entry.field if entry else ():
                self._add(f"{scope}.{field.name}.{part.name}", f"{entry.name}#{part.number}")

    def _add(self, name: str, key: str) -> None:
        self._keys.setdefault(name, []).append(key)

    def keys(self, finding: Finding) -> tuple[str, ...]:
        """Answers the keys of a finding, the one of the old version first."""
        path = finding.path
        if finding.rule_id == "MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR":
            return (self._files[path],)
        if path in self._keys:
            return tuple(self._keys[path])
        return (path if path.endswith(".proto") or finding.rule_id == "PACKAGE_NO_DELETE" else _last(path),)
