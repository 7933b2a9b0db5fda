"""Cases of the compatibility rules: folders with two versions of a schema, and what is found between them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2 as pb

from registry.compat.finding import Side
from registry.compat.promise import Verdict
from registry.compiling.compiler import compile_sources
from registry.supplied import is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Finding

FOLDER = Path(__file__).parent / "compat"


@dataclass(frozen=True, slots=True)
class Case:
    """One folder of ``tests/compat``: ``before`` and ``after``, a file or a folder, and ``expected.json``."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name, which all packages of the case begin with."""
        return self.folder.name

    def sources(self, moment: str) -> dict[str, str]:
        """Answers the files of a side, below a folder of the case's name."""
        one = self.folder / f"{moment}.proto"
        files = [one] if one.exists() else sorted((self.folder / moment).glob("*.proto"))
        names = ["case.proto"] if one.exists() else [file.name for file in files]
        return {f"{self.name}/{name}": file.read_text() for name, file in zip(names, files, strict=True)}

    def side(self, moment: str) -> Side:
        """Answers a side, compiled."""
        return side_of("version 1" if moment == "before" else "the new schema", self.files(moment))

    def files(self, moment: str) -> list[pb.FileDescriptorProto]:
        """Answers the compiled files of a side."""
        return [it for it in compiled(moment).file if it.name.startswith(f"{self.name}/")]

    def expected(self) -> dict[str, Any]:
        """Answers what is to be found: ``findings``, and the differences from ``buf`` with their reasons."""
        expected: dict[str, Any] = json.loads((self.folder / "expected.json").read_text())
        return expected


CASES = [Case(path) for path in sorted(FOLDER.iterdir()) if path.is_dir()]


@cache
def compiled(moment: str) -> pb.FileDescriptorSet:
    """Answers one side of all cases: protoc takes them at once nearly as fast as one."""
    sources = {name: text for case in CASES for name, text in case.sources(moment).items()}
    return pb.FileDescriptorSet.FromString(compile_sources(sources).descriptor_set)


def side_of(name: str, files: Iterable[pb.FileDescriptorProto], own: Iterable[str] = ()) -> Side:
    """Answers files as a side of a comparison; all are its own that the registry does not supply, or some."""
    schema = pb.FileDescriptorSet(file=files)
    names = own or (file.name for file in schema.file if not is_supplied_name(file.name))
    return Side(name, schema.SerializeToString(), frozenset(names))


def as_expected(finding: Finding) -> dict[str, Any]:
    """Answers a finding as ``expected.json`` has it."""
    told = (key for key, verdict in finding.cells.items() if verdict is Verdict.NOTICE)
    return {
        "rule": finding.rule_id,
        "path": finding.path,
        "breaks": finding.breaks(),
        "notices": sorted(f"{way.value} {surface.value}" for way, surface in told),
    }
