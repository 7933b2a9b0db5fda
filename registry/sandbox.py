"""The process that reads what users send as schemas: protoc, descriptor pools, rules.

Run by ``registry.compiler`` as ``python -P -m registry.sandbox FOLDER``. Hostile input makes protoc,
upb and CEL crash, loop or swell; here that ends this process and no other. The folder holds
``job.json``, ``supplied.binpb`` and either ``sources/`` or ``sent.binpb``; what is found goes to
``result.json`` and ``schema.binpb``.
"""

from __future__ import annotations

import json
import os
import re
import resource
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import Edition, FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from grpc_tools import protoc

from registry.descriptors import build_pool, canonical_files, fingerprint, message_types
from registry.errors import InvalidSchema, Violation
from registry.measure import measure_problems
from registry.names import shown
from registry.paths import path_problems
from registry.schema import SchemaLimits
from registry.supplied import (
    VALIDATE_FILE,
    is_reserved_package,
    is_supplied_name,
    supplied_files,
    take_supplied,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from google.protobuf.descriptor_pool import DescriptorPool

NEWEST_EDITION = Edition.EDITION_2023
_PLACE = re.compile(r"(?P<place>[^:]+\.proto(?::\d+:\d+)?): (?P<text>.*)")
_IMPORT = re.compile(r'Import "(?P<name>[^"]+)" was not found')
_DIAGNOSTICS_BYTES = 1024 * 1024


def main(folder: Path) -> None:
    """Compiles the job in ``folder`` and leaves the result there."""
    job = json.loads((folder / "job.json").read_text())
    limits = SchemaLimits(**job["limits"])
    _limit_process(limits)
    take_supplied((folder / "supplied.binpb").read_bytes())
    try:
        result = _compile(folder, job["names"], limits)
    except InvalidSchema as error:
        result = {"problems": [[it.field, it.description, it.rule_id] for it in error.violations]}
    (folder / "result.json").write_text(json.dumps(result))


def _limit_process(limits: SchemaLimits) -> None:
    os.nice(10)
    for kind, amount in (
        (resource.RLIMIT_CPU, limits.compile_seconds),
        (resource.RLIMIT_AS, limits.compile_bytes),
        (resource.RLIMIT_FSIZE, 2 * limits.max_bytes + 4 * 1024 * 1024),
        (resource.RLIMIT_CORE, 0),
    ):
        # macOS knows no RLIMIT_AS; the other limits still hold there.
        with suppress(ValueError, OSError):
            resource.setrlimit(kind, (amount, amount))


def _compile(folder: Path, names: list[str], limits: SchemaLimits) -> dict[str, object]:
    if not names:
        names = _admit_set(folder, limits)
    _run_protoc(folder, names)
    return _conclude(folder, limits)


def _admit_set(folder: Path, limits: SchemaLimits) -> list[str]:
    """Leaves the user's own files in ``sent.binpb`` and answers their names."""
    sent = _parse_set((folder / "sent.binpb").read_bytes())
    own = [file for file in sent.file if not is_supplied_name(file.name) or file.name not in supplied_files()]
    names = [file.name for file in own]
    if not names:
        raise InvalidSchema(
            [Violation("descriptor_set", "carries no file but those that are supplied anyway")]
        )
    _refuse([Violation("max_files", over) for over in _over(len(names), limits.max_files, "files")])
    _refuse(path_problems(names))
    _refuse(_repeated(names))
    _refuse(_own_problems(own))
    _refuse(measure_problems(own, limits))
    (folder / "sent.binpb").write_bytes(FileDescriptorSet(file=own).SerializePartialToString())
    return names


def _parse_set(data: bytes) -> FileDescriptorSet:
    try:
        return FileDescriptorSet.FromString(data)
    except DecodeError:
        raise InvalidSchema(
            [Violation("descriptor_set", "is no serialized google.protobuf.FileDescriptorSet")]
        ) from None


def _over(actual: int, maximum: int, what: str) -> Iterator[str]:
    if actual > maximum:
        yield f"the schema has {actual:,} {what}; at most {maximum:,} are allowed"


def _repeated(names: Sequence[str]) -> list[Violation]:
    repeated = (
        sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    )
    return [Violation(name, "stands in the set more than once") for name in repeated]


def _own_problems(files: Sequence[FileDescriptorProto]) -> list[Violation]:
    problems = [
        Violation(
            file.name,
            "google/* and buf/validate/* are supplied by the registry, which has no such file; rename it",
        )
        for file in files
        if is_supplied_name(file.name)
    ]
    problems += [
        Violation(file.name, f"package {file.package} is reserved; rename the package")
        for file in files
        if is_reserved_package(file.package)
    ]
    return problems + [
        Violation(
            file.name, f"edition {_year(file.edition)} is newer than 2023, the newest that is supported"
        )
        for file in files
        if file.edition > NEWEST_EDITION
    ]


def _year(edition: int) -> str:
    name = Edition.DESCRIPTOR.values_by_number.get(edition)
    return name.name.removeprefix("EDITION_") if name else f"number {edition}"


def _refuse(problems: Sequence[Violation]) -> None:
    if problems:
        raise InvalidSchema(problems)


def _run_protoc(folder: Path, names: Sequence[str]) -> None:
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    os.chdir(sources)
    # The supplied set stands first: of two files of one name, protoc takes the first.
    sets = [str(folder / name) for name in ("supplied.binpb", "sent.binpb") if (folder / name).exists()]
    arguments = [
        "protoc",
        "--proto_path=.",
        f"--descriptor_set_in={os.pathsep.join(sets)}",
        f"--descriptor_set_out={folder / 'compiled.binpb'}",
        "--include_imports",
        *names,
    ]
    with _diagnostics(folder / "diagnostics.txt"):
        status = protoc.main(arguments)
    if status:
        with (folder / "diagnostics.txt").open(encoding="utf-8", errors="replace") as text:
            raise InvalidSchema(_diagnosed(text.read(_DIAGNOSTICS_BYTES)))


@contextmanager
def _diagnostics(path: Path) -> Iterator[None]:
    """Sends file descriptor 2, which protoc's own code writes to, to ``path``."""
    saved = os.dup(2)
    with path.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


def _diagnosed(text: str) -> list[Violation]:
    problems: dict[Violation, None] = {}
    for line in text.splitlines():
        match = _PLACE.fullmatch(line)
        if match and not match["text"].startswith("warning:") and match["text"] != "File not found.":
            problems[Violation(match["place"], _advised(match["text"], text))] = None
    return list(problems) or [Violation("schema", f"protoc refuses it: {shown(text.strip())}")]


def _advised(problem: str, text: str) -> str:
    """Adds the way out of the most common mistake: an import that was not sent."""
    match = _IMPORT.match(problem)
    if match is None or f"{match['name']}: File not found." not in text:
        return shown(problem)
    if is_supplied_name(match["name"]):
        return f"{shown(problem)} The registry supplies google/* and buf/validate/*, but has no such file."
    return f"{shown(problem)} Send it with the schema."


def _conclude(folder: Path, limits: SchemaLimits) -> dict[str, object]:
    compiled = FileDescriptorSet.FromString((folder / "compiled.binpb").read_bytes())
    own = [file for file in compiled.file if not is_supplied_name(file.name)]
    _refuse(_own_problems(own))
    _refuse(measure_problems(own, limits))
    try:
        files = canonical_files(compiled.file)
        data = FileDescriptorSet(file=files).SerializePartialToString(deterministic=True)
        pool = build_pool(data)
        types = message_types(files)
        if VALIDATE_FILE in (file.name for file in files):
            _check_rules(pool, types)
    except (DecodeError, TypeError, ValueError, KeyError) as error:
        raise InvalidSchema(
            [Violation("schema", f"its descriptors can't be loaded: {shown(str(error))}")]
        ) from None
    _refuse(
        [Violation("max_bytes", over) for over in _over(len(data), limits.max_bytes, "bytes of descriptors")]
    )
    (folder / "schema.binpb").write_bytes(data)
    return {"types": types, "fingerprint": fingerprint(files)}


def _check_rules(pool: DescriptorPool, types: Sequence[str]) -> None:
    # Most schemas have no rules, and these imports take longer than compiling does.
    from registry.rules import check_rules  # noqa: PLC0415

    check_rules(pool, types)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
