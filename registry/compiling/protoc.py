"""Runs protoc in this process, and reads what it says. For the sandbox alone: protoc can crash."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from grpc_tools import protoc

from registry.errors import InvalidSchema, Violation
from registry.names import shown
from registry.supplied import is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_PLACE = re.compile(r"(?P<place>[^:]+\.proto(?::\d+:\d+)?): (?P<text>.*)")
_IMPORT = re.compile(r'Import "(?P<name>[^"]+)" was not found')
_LOGGED = re.compile(r"E\d{4} [\d:.]+ +\d+ [\w.]+:\d+\] (?P<text>.*)")
"""What protoc's library says itself, of descriptor sets that contradict themselves."""
_DIAGNOSTICS_BYTES = 1024 * 1024
_TOO_LARGE = "File too large"


def run_protoc(names: Sequence[str], *, sources: Path, sets: Sequence[Path], compiled: Path) -> None:
    """Compiles the files ``names`` into the descriptor set ``compiled``, imports included.

    Each file comes from the folder ``sources``, or else from the first of ``sets`` that has it. Positions
    and comments are kept, unless they are too large to be written. The working directory is ``sources``
    afterwards, so that protoc names files as the user does.

    Raises:
        InvalidSchema: protoc refuses them; each violation is at protoc's position.
    """
    os.chdir(sources)
    said = _run(names, sets, compiled, ["--include_source_info"])
    if said is not None and _TOO_LARGE in said:
        said = _run(names, sets, compiled, [])
    if said is not None:
        raise InvalidSchema(_problems(said))


def _run(names: Sequence[str], sets: Sequence[Path], compiled: Path, more: Sequence[str]) -> str | None:
    """Answers what protoc says if it fails; None if it does not."""
    arguments = [
        "protoc",
        "--proto_path=.",
        f"--descriptor_set_in={os.pathsep.join(map(str, sets))}",
        f"--descriptor_set_out={compiled}",
        "--include_imports",
        *more,
        *names,
    ]
    said = compiled.with_suffix(".txt")
    with _standard_error(said):
        status = protoc.main(arguments)
    if not status:
        return None
    with said.open(encoding="utf-8", errors="replace") as text:
        return text.read(_DIAGNOSTICS_BYTES)


@contextmanager
def _standard_error(path: Path) -> Iterator[None]:
    """Sends file descriptor 2, which protoc's own code writes to, to ``path``."""
    saved = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _problems(text: str) -> list[Violation]:
    problems: dict[Violation, None] = {}
    for line in text.splitlines():
        match = _PLACE.fullmatch(line)
        if match and not match["text"].startswith("warning:") and match["text"] != "File not found.":
            problems[Violation(match["place"], _advised(match["text"], text))] = None
        elif logged := _LOGGED.fullmatch(line):
            problems[Violation("schema", shown(logged["text"]))] = None
    return list(problems) or [Violation("schema", f"protoc refuses it: {shown(text.strip())}")]


def _advised(problem: str, text: str) -> str:
    """Adds the way out of the most common mistake: an import that was not sent."""
    match = _IMPORT.match(problem)
    if match is None or f"{match['name']}: File not found." not in text:
        return shown(problem)
    if is_supplied_name(match["name"]):
        return f"{shown(problem)} The registry supplies google/* and buf/validate/*, but has no such file."
    return (
        f"{shown(problem)} Send it with the schema; or, if another subject has it, name that one: "
        f"--reference SUBJECT[@VERSION]."
    )
