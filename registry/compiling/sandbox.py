"""The process that reads what users send as schemas: protoc, descriptor pools, rules.

Run by ``compiler`` as ``python -P -m registry.compiling.sandbox FOLDER``. Hostile input makes protoc, upb
and CEL crash, loop or swell; here that ends this process and no other. The folder holds
``job.json``, ``supplied.binpb``, ``referenced.binpb`` and either ``sources/`` or ``sent.binpb``; what is
found goes to ``result.json``, ``schema.binpb`` and ``source_info.binpb``.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from registry.compiling.admission import check_files, check_limit, check_names
from registry.compiling.protoc import run_protoc
from registry.descriptors import (
    build_pool,
    canonical_files,
    fingerprint,
    message_types,
    parse_set,
    source_info,
)
from registry.errors import InvalidSchema, Violation
from registry.names import shown
from registry.schema import SchemaLimits
from registry.supplied import VALIDATE_FILE, is_supplied_name, supplied_files, take_supplied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor_pool import DescriptorPool


def main(folder: Path) -> None:
    """Compiles the job in ``folder`` and leaves the result there."""
    job = json.loads((folder / "job.json").read_text())
    limits = SchemaLimits(**job["limits"])
    _limit_process(limits)
    take_supplied((folder / "supplied.binpb").read_bytes())
    try:
        result = _compile(folder, job["names"], frozenset(job["referenced"]), limits)
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


def _compile(
    folder: Path, names: list[str], referenced: frozenset[str], limits: SchemaLimits
) -> dict[str, object]:
    # Of two files of one name, protoc takes the first.
    sets = [folder / "supplied.binpb", folder / "referenced.binpb"]
    if not names:
        names = _admit_set(folder / "sent.binpb", referenced, limits)
        sets.append(folder / "sent.binpb")
    sources, compiled = folder / "sources", folder / "compiled.binpb"
    sources.mkdir(exist_ok=True)
    run_protoc(names, sources=sources, sets=sets, compiled=compiled)
    files = FileDescriptorSet.FromString(compiled.read_bytes()).file
    own = [file for file in files if not (is_supplied_name(file.name) or file.name in referenced)]
    check_files(own, limits)
    info = source_info(own)
    (folder / "source_info.binpb").write_bytes(info if len(info) <= limits.max_bytes else b"")
    return _conclude(files, referenced, folder / "schema.binpb", limits)


def _admit_set(path: Path, referenced: frozenset[str], limits: SchemaLimits) -> list[str]:
    """Leaves a sent descriptor set without what is supplied or referenced; answers the names of its files."""
    try:
        sent = parse_set(path.read_bytes()).file
    except DecodeError:
        raise InvalidSchema(
            [
                Violation(
                    "descriptor_set",
                    "is no serialized google.protobuf.FileDescriptorSet, or holds text that is no UTF-8",
                )
            ]
        ) from None
    others = referenced | supplied_files().keys()
    own = [file for file in sent if file.name not in others]
    names = [file.name for file in own]
    check_names(names, limits)
    check_files(own, limits)
    path.write_bytes(FileDescriptorSet(file=own).SerializePartialToString())
    return names


def _conclude(
    compiled: Sequence[FileDescriptorProto], referenced: frozenset[str], path: Path, limits: SchemaLimits
) -> dict[str, object]:
    try:
        files = canonical_files(compiled)
        data = FileDescriptorSet(file=files).SerializePartialToString(deterministic=True)
        pool = build_pool(data)
    except (DecodeError, TypeError, ValueError, KeyError) as error:
        # protoc took it, upb does not: it has limits of its own, such as the size of one message.
        problem = f"its descriptors can't be loaded: {shown(str(error))}"
        raise InvalidSchema([Violation("schema", problem)]) from None
    own = [file for file in files if not (is_supplied_name(file.name) or file.name in referenced)]
    types = message_types(own)
    check_limit("max_bytes", len(data), limits.max_bytes, "bytes of descriptors")
    check_limit("max_types", len(types), limits.max_types, "event types")
    if VALIDATE_FILE in (file.name for file in files):
        _check_rules(pool, types)
    path.write_bytes(data)
    return {
        "types": types,
        "fingerprint": fingerprint(files, referenced),
        "own_files": sorted(file.name for file in own),
    }


def _check_rules(pool: DescriptorPool, types: Sequence[str]) -> None:
    # Most schemas have no rules, and these imports take longer than compiling does.
    from registry.rules.check import check_rules  # noqa: PLC0415

    check_rules(pool, types)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
