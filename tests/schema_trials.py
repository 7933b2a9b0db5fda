"""Tries schemas in processes of their own: compiles each, and does with it what the gateway does.

Run as ``python -m tests.schema_trials``: takes schemas as JSON lines, ``[name, is_set, base64]``, and answers
a JSON line each: what became of it, after how many seconds of CPU time, with how much memory. Each has a
process, forked from one that has loaded everything, because a hostile one may crash it: while it is
compiled, that is a refusal (the gateway compiles in a process of its own, too); later it is a failure.
"""

from __future__ import annotations

import base64
import json
import os
import resource
import subprocess
import sys
import tempfile
import traceback
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from tidegate.v1 import event_service_pb2

from registry.checking.validator import BatchValidator
from registry.compat.engine import compare, explain, judge, readable
from registry.compat.finding import Side
from registry.compat.promise import Direction, Promise, Surface
from registry.compiling import sandbox
from registry.compiling.admission import check_names
from registry.compiling.compiler import compile_sources
from registry.compiling.protoc import run_protoc
from registry.descriptors import build_pool, canonical_files, message_types
from registry.diff import diff
from registry.errors import InvalidEvents, InvalidSchema, LimitExceeded, Violation
from registry.printer import print_files
from registry.schema import SchemaLimits, SchemaVersion
from registry.supplied import supplied_files, supplied_set
from registry.typed_files import declaring_files, service_files, typed_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

MIB = 1024 * 1024
MEMORY = 1024 * MIB
"""What a schema may take in the gateway, on top of what the libraries map: more ends in a MemoryError."""
SECONDS = 60
UNSAYABLE = "Not in the Protobuf language"
BASE = {
    "shop/v1/order.proto": """
        syntax = "proto3";
        package shop.v1;
        import "buf/validate/validate.proto";
        message Order {
          string id = 1 [(buf.validate.field).string.min_len = 1];
          repeated Item items = 2;
          map<string, int64> counts = 3;
          oneof pay { string card = 4; Color color = 5; }
          optional bool paid = 6;
          message Item { int32 count = 1; }
          reserved 10 to 20;
        }
        enum Color { RED = 0; GREEN = 1; }
        service Shop { rpc Buy(Order) returns (stream Order.Item); }
    """,
    "shop/v1/legacy.proto": """
        syntax = "proto2";
        package shop.v1;
        import "google/protobuf/descriptor.proto";
        import "shop/v1/order.proto";
        message Legacy {
          required int32 x = 1 [default = 7, (note).order.id = "some"];
          optional group Body = 2 { optional string text = 1 [default = "a\\"b"]; }
          repeated Legacy more = 3;
          extensions 100 to max;
        }
        extend Legacy { optional Order order = 100; }
        message Note { optional Order order = 1; repeated int32 numbers = 2 [packed = true]; }
        extend google.protobuf.FieldOptions { optional Note note = 50001; }
    """,
    "shop/v1/edition.proto": """
        edition = "2023";
        package shop.v1;
        option features.enum_type = CLOSED;
        message Part { Part inner = 1 [features.message_encoding = DELIMITED]; string s = 2 [default = "s"]; }
    """,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one schema.

    Attributes:
        verdict: ``refused``, ``accepted``, or ``failed``.
        words: Why it was refused, or how it failed.
        seconds: CPU time.
        memory: The most bytes that it had in use, with those of the libraries.
    """

    verdict: str
    words: str
    seconds: float
    memory: int


def tried(schemas: Iterable[tuple[str, bool, bytes]]) -> Iterator[tuple[str, Outcome]]:
    """Tries schemas: a name, whether it is a descriptor set, and it or the JSON object of its sources."""
    lines = (json.dumps([name, is_set, base64.b64encode(data).decode()]) for name, is_set, data in schemas)
    run = subprocess.run(
        [sys.executable, "-m", "tests.schema_trials"],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    for line in run.stdout.splitlines():
        name, outcome = json.loads(line)
        yield name, Outcome(**outcome)


def main() -> None:
    """Tries each schema of the standard input."""
    base = compile_sources(BASE)
    side = Side("base", base.descriptor_set, frozenset(base.own_files), BASE, base.source_info)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "supplied.binpb").write_bytes(supplied_set())
        Path(folder, "referenced.binpb").write_bytes(b"")
        _use(side)  # loads what is loaded at the first use
        for line in sys.stdin:
            name, is_set, data = json.loads(line)
            outcome = _in_a_process(Path(folder), base64.b64decode(data), side, is_set=is_set)
            print(json.dumps([name, asdict(outcome)]), flush=True)


def _in_a_process(shared: Path, data: bytes, base: Side, *, is_set: bool) -> Outcome:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        with tempfile.TemporaryDirectory() as folder, os.fdopen(writing, "w") as answer:
            for file in shared.iterdir():
                Path(folder, file.name).symlink_to(file)
            try:
                _try(Path(folder), data, base, answer, is_set=is_set)
            except BaseException:  # noqa: BLE001 - whatever it is, this process may not go on as its parent
                print(f"\ffailed {traceback.format_exc()}", file=answer)
            os.chdir("/")
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        said = answer.read()
    _, status, used = os.wait4(child, 0)
    verdict, _, words = said.rpartition("\f")[2].partition(" ")
    if status and verdict == "compiling":
        verdict = "refused"
        words = f"its compiler ended with status {status}"
    elif status:
        verdict, words = "failed", f"status {status} {said[-3000:]}"
    return Outcome(verdict, words, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _try(folder: Path, data: bytes, base: Side, answer: object, *, is_set: bool) -> None:
    def say(words: str) -> None:
        print(f"\f{words}", end="", file=answer, flush=True)  # type: ignore[call-overload]

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    say("compiling")
    try:
        side = _compiled(folder, data, is_set=is_set)
    except InvalidSchema as error:
        say(f"refused {error}")
        return
    except (MemoryError, RecursionError) as error:
        say(f"refused {type(error).__name__}")
        return
    _use_with(side, base)
    _print_again(folder, side)
    say("accepted")


def _compiled(folder: Path, data: bytes, *, is_set: bool) -> Side:
    """Does what the sandbox does, in this process."""
    limits = SchemaLimits()
    sources = None if is_set else json.loads(data)
    names = [] if sources is None else _write(folder, sources, limits)
    if is_set:
        (folder / "sent.binpb").write_bytes(data)
    result = sandbox._compile(folder, names, frozenset(), limits)
    info = (folder / "source_info.binpb").read_bytes()
    own = result["own_files"]
    assert isinstance(own, list)
    return Side("candidate", (folder / "schema.binpb").read_bytes(), frozenset(own), sources, info)


def _print_again(folder: Path, side: Side) -> None:
    """Holds the canonical text to protoc: it is the same schema, if it doesn't say that it can't be."""
    try:
        texts = print_files(side.descriptor_set, side.own_files, side.source_info)
    except LimitExceeded:
        return
    if any(UNSAYABLE in text for text in texts.values()) or sum(map(len, texts.values())) > MIB:
        return
    again = folder / "again"
    again.mkdir()
    for name, text in texts.items():
        (again / name).parent.mkdir(parents=True, exist_ok=True)
        (again / name).write_text(text, newline="")
    sets = [folder / "supplied.binpb"]
    run_protoc(sorted(texts), sources=again, sets=sets, compiled=again / "compiled.binpb")
    files = canonical_files(FileDescriptorSet.FromString((again / "compiled.binpb").read_bytes()).file)
    printed = Side("printed", FileDescriptorSet(file=files).SerializePartialToString(), side.own_files)
    assert not compare(side, printed)


def _write(folder: Path, sources: dict[str, str], limits: SchemaLimits) -> list[str]:
    own = {name: text for name, text in sources.items() if name not in supplied_files()}
    check_names(sorted(own), limits)
    for name, text in own.items():
        path = folder / "sources" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.write_text(text, newline="")
        except UnicodeEncodeError:
            raise InvalidSchema([Violation(name, "is no Unicode text")]) from None
    return sorted(own)


def _use_with(side: Side, base: Side) -> None:
    """Does with a schema all that the gateway does with one that was registered, and with another version."""
    _use(side)
    for old, new in ((base, side), (side, base)):
        findings = compare(old, new)
        for direction, surface in product(Direction, Surface):
            judge(findings, Promise(direction, surface))
        explain(findings[:200], old, new)
        assert bool(diff(old, new).count) == (_own(old) != _own(new))
        for name in ("shop.v1.Order", "shop.v1.Legacy"):
            readable(old, new, name)


def _own(side: Side) -> list[bytes]:
    files = FileDescriptorSet.FromString(side.descriptor_set).file
    own = sorted((it for it in files if it.name in side.own_files), key=lambda it: it.name)
    return [it.SerializePartialToString(deterministic=True) for it in own]


def _use(side: Side) -> None:
    files = build_pool(side.descriptor_set)
    for info in (b"", side.source_info):
        with suppress(LimitExceeded):
            print_files(side.descriptor_set, side.own_files, info)
    found = diff(side, side)
    assert not found.count, found.differences
    assert not compare(side, side)
    schema = _version(side)
    typed_files(schema)
    declaring_files(schema)
    _add(files, event_service_pb2.DESCRIPTOR)
    for file in service_files(schema)[:50]:
        files.AddSerializedFile(file.descriptor().SerializeToString())
    for name in schema.types[:5]:
        validator = BatchValidator(build_pool(side.descriptor_set), name, 1)
        for event in (b"", b"\x82\x01\x02\x1a\x00"):
            try:
                validator.check(event, allow_unknown=True, path="batches[0]")
            except InvalidEvents:
                continue


def _add(pool: DescriptorPool, file: FileDescriptor) -> None:
    """Adds a file of the contract, which typed services import, and what it imports."""
    for other in file.dependencies:
        _add(pool, other)
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        pool.AddSerializedFile(file.serialized_pb)


def _version(side: Side) -> SchemaVersion:
    files = FileDescriptorSet.FromString(side.descriptor_set).file
    own = [file for file in files if file.name in side.own_files]
    return SchemaVersion(
        subject="shop",
        version=1,
        types=tuple(message_types(own)),
        create_time=datetime(2026, 1, 1, tzinfo=UTC),
        fingerprint="",
        descriptor_set=side.descriptor_set,
        own_files=tuple(sorted(side.own_files)),
    )


if __name__ == "__main__":
    main()
