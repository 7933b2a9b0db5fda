"""Turns what users send into compiled schemas, in a process of its own.

Sources and descriptor sets take the same way: through protoc, which checks them and writes the one
form that both have in common. Nothing that a user sent is parsed in this process before it passed
there.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from registry.compiling.admission import check_limit, check_names
from registry.errors import InvalidSchema, Violation
from registry.schema import SchemaLimits
from registry.supplied import supplied_files, supplied_set

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_DEFAULT_LIMITS = SchemaLimits()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema that passed all checks but those against other schemas.

    Attributes:
        descriptor_set: Serialized ``FileDescriptorSet`` in canonical form, imports included, each file
            behind those that it imports.
        types: Full names of the messages that can be event types, sorted.
        fingerprint: SHA-256 over the schema's own files, and those of its references that they import, in
            hexadecimal digits.
        own_files: Names of its own files, sorted: neither supplied by the registry nor of a reference.
        source_info: Serialized ``FileDescriptorSet`` whose files have a name and ``source_code_info`` alone:
            positions and comments of its own files. Empty if they are not known, or too large to be kept.
            No part of what makes two schemas equal.
    """

    descriptor_set: bytes
    types: tuple[str, ...]
    fingerprint: str
    own_files: tuple[str, ...] = ()
    source_info: bytes = field(default=b"", compare=False)


@dataclass(frozen=True, slots=True)
class Referenced:
    """The files of other subjects that a schema may import.

    Attributes:
        names: Their names.
        descriptor_set: A serialized ``FileDescriptorSet`` of them and of what they import, but for what the
            registry supplies.
    """

    names: frozenset[str] = frozenset()
    descriptor_set: bytes = b""


NO_REFERENCES = Referenced()


def compile_sources(
    sources: Mapping[str, str],
    limits: SchemaLimits = _DEFAULT_LIMITS,
    referenced: Referenced = NO_REFERENCES,
) -> Compiled:
    """Compiles ``.proto`` texts by file name. Blocks for at most ``limits.compile_seconds`` and a little.

    What is sent under the name of a supplied or referenced file is ignored in favour of that one.

    Raises:
        InvalidSchema: They don't compile, or are over a limit; positions are those of the sources.
    """
    others = referenced.names | supplied_files().keys()
    own = {name: text for name, text in sources.items() if name not in others}
    check_names(sorted(own), limits)
    size = sum(_size(name) + _size(text) for name, text in own.items())
    check_limit("max_bytes", size, limits.max_bytes, "bytes")
    with tempfile.TemporaryDirectory(prefix="tidegate-schema-") as folder:
        for name, text in own.items():
            _write_source(Path(folder, "sources", name), name, text)
        return _compile(Path(folder), sorted(own), limits, referenced)


def compile_descriptor_set(
    descriptor_set: bytes, limits: SchemaLimits = _DEFAULT_LIMITS, referenced: Referenced = NO_REFERENCES
) -> Compiled:
    """Compiles a serialized ``FileDescriptorSet``, as severely as if it had been sources.

    Blocks for at most ``limits.compile_seconds`` and a little. What is sent under the name of a supplied or
    referenced file is ignored in favour of that one.

    Raises:
        InvalidSchema: It is none, or protoc would never write it, or it is over a limit.
    """
    check_limit("max_bytes", len(descriptor_set), limits.max_bytes, "bytes")
    with tempfile.TemporaryDirectory(prefix="tidegate-schema-") as folder:
        Path(folder, "sent.binpb").write_bytes(descriptor_set)
        return _compile(Path(folder), [], limits, referenced)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _write_source(path: Path, name: str, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except UnicodeEncodeError:
        raise InvalidSchema([Violation(name, "is no Unicode text")]) from None


def _compile(folder: Path, names: Sequence[str], limits: SchemaLimits, referenced: Referenced) -> Compiled:
    (folder / "supplied.binpb").write_bytes(supplied_set())
    (folder / "referenced.binpb").write_bytes(referenced.descriptor_set)
    job = {"names": names, "referenced": sorted(referenced.names), "limits": asdict(limits)}
    (folder / "job.json").write_text(json.dumps(job))
    _run_sandbox(folder, limits)
    result = json.loads((folder / "result.json").read_text())
    if "problems" in result:
        raise InvalidSchema([Violation(*problem) for problem in result["problems"]])
    return Compiled(
        descriptor_set=(folder / "schema.binpb").read_bytes(),
        types=tuple(result["types"]),
        fingerprint=result["fingerprint"],
        own_files=tuple(result["own_files"]),
        source_info=(folder / "source_info.binpb").read_bytes(),
    )


def _run_sandbox(folder: Path, limits: SchemaLimits) -> None:
    # -P: the folder that holds the user's files must not be looked at for Python modules.
    command = [sys.executable, "-P", "-m", "registry.compiling.sandbox", str(folder)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(str(Path(it).resolve()) for it in sys.path if it)
    }
    with (folder / "output.txt").open("w+b") as output:
        try:
            subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env=environment,
                timeout=limits.compile_seconds,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise InvalidSchema([_took_too_long(limits)]) from None
        except subprocess.CalledProcessError as error:
            output.seek(0)
            said = output.read(64 * 1024).decode(errors="replace")
            raise InvalidSchema([_ended(error.returncode, said, limits)]) from None


def _took_too_long(limits: SchemaLimits) -> Violation:
    return Violation(
        "compile_seconds", f"compiling takes longer than the allowed {limits.compile_seconds} s; simplify it"
    )


def _ended(status: int, said: str, limits: SchemaLimits) -> Violation:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return _took_too_long(limits)
    if "MemoryError" in said or "bad_alloc" in said or status == -signal.SIGABRT:
        return Violation(
            "compile_bytes",
            f"compiling takes more than {limits.compile_bytes:,} bytes of memory; simplify it",
        )
    if "File too large" in said:
        return Violation(
            "max_bytes", f"it compiles to more than {limits.max_bytes:,} bytes of descriptors; shorten names"
        )
    if "RecursionError" in said:
        return Violation("schema", "it is nested too deeply; simplify it")
    if status < 0:
        name = signal.Signals(-status).name
        return Violation(
            "schema", f"protoc crashes on it ({name}): it is nested too deeply or malformed; simplify it"
        )
    raise RuntimeError(f"the schema sandbox failed with status {status}:\n{said}")
