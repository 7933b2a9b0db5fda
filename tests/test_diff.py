"""Differences of schemas: all of them, nothing else, from either side, and as a text that patches."""

from __future__ import annotations

import time
from collections import Counter
from functools import cache
from itertools import count
from random import Random
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2 as pb
from grpc_tools import protoc
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.compat.finding import Side
from registry.descriptors import canonical_files, source_info
from registry.diff import MAX_TEXT_BYTES, Diff, DifferenceKind, diff
from registry.diffing.order import moved, rising
from registry.diffing.unified import unified
from registry.printer import print_files
from registry.supplied import is_supplied_name, supplied_set
from tests.buf_comparison import case_of, compiled, draw

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    Compile = Callable[[dict[str, str]], Side]

DRAWN = min(settings().max_examples, 400)
ADDED, REMOVED, CHANGED, MOVED, COMMENT = DifferenceKind


@pytest.fixture
def side(tmp_path: Path) -> Compile:
    """Compiles sources in this process: they are ours, and a process for each takes too long."""
    runs = count()
    supplied = tmp_path / "supplied.binpb"
    supplied.write_bytes(supplied_set())

    def compile_sources(sources: dict[str, str]) -> Side:
        folder = tmp_path / str(next(runs))
        folder.mkdir()
        for name, text in sources.items():
            (folder / name).write_text(text)
        compiled_ = folder / "compiled.binpb"
        places = [f"-I{folder}", f"--descriptor_set_in={supplied}", f"--descriptor_set_out={compiled_}"]
        assert not protoc.main(["", "--include_imports", "--include_source_info", *places, *sources])
        files = pb.FileDescriptorSet.FromString(compiled_.read_bytes()).file
        schema = pb.FileDescriptorSet(file=canonical_files(files)).SerializeToString()
        return Side("compiled", schema, frozenset(sources), sources, source_info(files))

    return compile_sources


@cache
def mutated() -> dict[str, tuple[Side, Side]]:
    """Drawn schemas and what mutations made of them, by the mutations' names and a seed."""
    cases = draw(range(DRAWN))
    sides = [
        _sides(compiled(files))
        for files in (
            {seed: case.old for seed, case in cases.items()},
            {seed: case.new for seed, case in cases.items()},
        )
    ]
    return {
        f"{seed} {' '.join(cases[seed].mutations)}": (sides[0][seed], sides[1][seed])
        for seed in sides[0].keys() & sides[1].keys()
    }


def _sides(descriptor_set: bytes) -> dict[int, Side]:
    files = pb.FileDescriptorSet.FromString(descriptor_set).file
    supplied = [file for file in files if is_supplied_name(file.name)]
    cases: dict[int, list[pb.FileDescriptorProto]] = {}
    for file in files:
        if not is_supplied_name(file.name):
            cases.setdefault(case_of(file.name), []).append(file)
    return {
        seed: Side(
            "drawn",
            pb.FileDescriptorSet(file=[*supplied, *own]).SerializeToString(),
            frozenset(file.name for file in own),
        )
        for seed, own in cases.items()
    }


def own(side: Side) -> list[pb.FileDescriptorProto]:
    files = pb.FileDescriptorSet.FromString(side.descriptor_set).file
    return sorted((file for file in files if file.name in side.own_files), key=lambda file: file.name)


def lines(found: Diff) -> list[str]:
    return [f"{it.kind.value} {it.element} {it.path}: {it.old} -> {it.new}" for it in found.differences]


def test_a_schema_does_not_differ_from_itself() -> None:
    """Between a schema and itself there is nothing, in structure and text."""
    for old, new in mutated().values():
        for same in (old, new):
            assert diff(same, same) == Diff((), 0, "")


def test_whatever_changes_is_a_difference() -> None:
    """There are differences exactly if descriptors differ, also in text; mutations are said by name."""
    unnamed = []
    for name, (old, new) in mutated().items():
        found = diff(old, new)
        assert bool(found.differences) == (own(old) != own(new)) == bool(found.text), name
        if any("no .proto text shows" in it.new for it in found.differences):
            unnamed.append(name)
    assert len(unnamed) <= DRAWN // 50, unnamed


def test_differences_are_mirrored() -> None:
    """From the other side what was added is removed, and what changed or moved is the same."""
    for name, (old, new) in mutated().items():
        there, back = (
            Counter((it.kind, it.element) for it in found.differences)
            for found in (diff(old, new), diff(new, old))
        )
        mirror = {ADDED: REMOVED, REMOVED: ADDED}
        assert there == Counter({(mirror.get(k, k), e): n for (k, e), n in back.items()}), name


def test_the_text_patches_the_old_version() -> None:
    """Applied to the old canonical texts, the unified diff gives the new ones."""
    for old, new in mutated().values():
        before, after = (print_files(it.descriptor_set, it.own_files) for it in (old, new))
        assert patched(before, diff(old, new).text) == after


def patched(texts: dict[str, str], patch: str) -> dict[str, str]:
    """Applies a unified diff of files as ``patch`` would."""
    files = {name: text.splitlines() for name, text in texts.items()}
    result = dict(files)
    done: list[str] = []
    old = name = ""
    at = 0
    for line in [*patch.splitlines(), "--- end"]:
        if line.startswith("--- "):
            if old or name:
                _finish(result, old, name, [*done, *files.get(old, [])[at:]])
            old, done, at = line[4:].partition("\t")[0].replace("/dev/null", ""), [], 0
        elif line.startswith("+++ "):
            name = line[4:].partition("\t")[0].replace("/dev/null", "")
        elif line.startswith("@@"):
            start = int(line.split()[1][1:].partition(",")[0])
            length = line.split()[1].partition(",")[2]
            start -= length != "0"
            done += files.get(old, [])[at:start]
            at = start
        elif line.startswith("+"):
            done.append(line[1:])
        else:
            assert files[old][at] == line[1:]
            at += 1
            done += [line[1:]] if line.startswith(" ") else []
    return {name: "\n".join([*lines_, ""]) for name, lines_ in result.items()}


def _finish(result: dict[str, list[str]], old: str, name: str, done: list[str]) -> None:
    if old:
        del result[old]
    if name:
        result[name] = done


HEAD = 'syntax = "proto3";\npackage shop.v1;\n'
ORDER = """
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
// An order.
message Order {
  string id = 1 [(buf.validate.field).string.min_len = 1];
  repeated Item items = 2;
  int64 total = 3;
  oneof pay { string card = 4; int64 cash = 5; }
  reserved 10 to 20;
  Note note = 8;
  message Note { string text = 1; }
}
message Item {
  string sku = 1;
  int32 count = 2 [(buf.validate.field).cel = {id: "some" expression: "true"}];
}
enum Color { RED = 0; GREEN = 1; }
service Shop { rpc Buy(Order) returns (Item); }
"""
EDITS = {
    "a field renamed": ("string id = 1", "string order_id = 1",
        ("CHANGED field shop.v1.Order.order_id: string id = 1; -> string order_id = 1;")),
    "a field retyped": ("int64 total = 3", "uint64 total = 3",
        ("CHANGED field shop.v1.Order.total: int64 total = 3; -> uint64 total = 3;")),
    "a field renumbered": ("int64 total = 3", "int64 total = 9",
        ("CHANGED field shop.v1.Order.total: int64 total = 3; -> int64 total = 9;")),
    "a field added": ("int64 total = 3;", "int64 total = 3; google.protobuf.Timestamp at = 9;",
        ("ADDED field shop.v1.Order.at:  -> google.protobuf.Timestamp at = 9;")),
    "a field removed": ("  int64 total = 3;\n", "",
        ("REMOVED field shop.v1.Order.total: int64 total = 3; -> ")),
    "a field into a oneof": ("  int64 total = 3;\n  oneof pay {", "  oneof pay { int64 total = 3;",
        ("CHANGED field shop.v1.Order.total: int64 total = 3; -> oneof pay { int64 total = 3; }")),
    "a oneof renamed": ("oneof pay", "oneof payment",
        ("CHANGED oneof shop.v1.Order.payment: oneof pay -> oneof payment")),
    "a message renamed": ("Item", "Article",
        ("CHANGED message shop.v1.Article: message Item -> message Article")),
    "a package renamed": ("package shop.v1;", "package shop.v2;",
        ("CHANGED package o.proto: package shop.v1; -> package shop.v2;")),
    "an enum renamed": ("enum Color", "enum Colour",
        ("CHANGED enum shop.v1.Colour: enum Color -> enum Colour")),
    "a value renamed": ("GREEN = 1", "LIME = 1",
        ("CHANGED enum value shop.v1.LIME: GREEN = 1; -> LIME = 1;")),
    "less reserved": ("10 to 20", "10 to 14, 16 to 20",
        ("REMOVED reserved shop.v1.Order: reserved 15; -> ")),
    "a rule changed": ("min_len = 1", "min_len = 2",
        ("CHANGED rule shop.v1.Order.id: (buf.validate.field).string.min_len = 1"
         " -> (buf.validate.field).string.min_len = 2")),
    "a rule in CEL": ('{id: "some"', '{id: "some" message: "none"',
        ('CHANGED rule shop.v1.Item.count: (buf.validate.field).cel[some] = {id: "some", expression: "true"}'
         ' -> (buf.validate.field).cel[some] = {id: "some", message: "none", expression: "true"}')),
    "an option": ("int64 total = 3", "int64 total = 3 [deprecated = true]",
        ("ADDED option shop.v1.Order.total:  -> deprecated = true")),
    "a method": ("returns (Item)", "returns (stream Item)",
        ("CHANGED method shop.v1.Shop.Buy: rpc Buy(shop.v1.Order) returns (shop.v1.Item);"
         " -> rpc Buy(shop.v1.Order) returns (stream shop.v1.Item);")),
    "a comment": ("// An order.", "// An order, paid or not.",
        ("COMMENT message shop.v1.Order: An order. -> An order, paid or not.")),
    "a message up": ("  message Note { string text = 1; }\n}", "}\nmessage Note { string text = 1; }",
        ("CHANGED message shop.v1.Note: message shop.v1.Order.Note -> message shop.v1.Note")),
    "fields in another order": ("int64 total = 3;", "", None),
    "a syntax": ('syntax = "proto3"', 'edition = "2023"',
        ('CHANGED syntax o.proto: syntax = "proto3"; -> edition = "2023";')),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_one_difference(side: Compile, edit: str) -> None:
    """What somebody does to a schema is said in one line, by what it is about."""
    before, after, expected = EDITS[edit]
    new = (HEAD + ORDER).replace(before, after)
    if expected is None:
        new = new.replace("message Order {", "message Order {\n  int64 total = 3;")
        expected = "MOVED field shop.v1.Order.total: position 3 -> position 1"
    found = diff(side({"o.proto": HEAD + ORDER}), side({"o.proto": new}))
    assert lines(found) == [expected]
    assert found.count == len(found.differences)
    assert found.text


def test_a_message_that_moves_to_another_file_is_moved(side: Compile) -> None:
    """A message in another file is no other message: it moved, and the files say what they lost or are."""
    item = "message Item { string sku = 1; }\n"
    one = {"a.proto": f"{HEAD}{item}message Other {{}}"}
    two = {"a.proto": f"{HEAD}message Other {{}}", "b.proto": HEAD + item}
    assert lines(diff(side(one), side(two))) == [
        "ADDED file b.proto:  -> 1 message",
        "MOVED message shop.v1.Item: a.proto -> b.proto",
    ]


def test_comments_count_only_where_both_sides_have_them(side: Compile) -> None:
    """A side whose comments nobody knows, such as one from a descriptor set, lost none."""
    commented = side({"o.proto": HEAD + ORDER})
    bare = Side("bare", commented.descriptor_set, commented.own_files)
    assert diff(commented, bare) == diff(bare, commented) == Diff((), 0, "")


LINES = st.lists(st.sampled_from("abcdefgh"), max_size=30)


@given(LINES, LINES)
def test_unified_diffs_patch(left: list[str], right: list[str]) -> None:
    """The text of a difference leads from one text to the other."""
    one, two = ("".join(f"{line}\n" for line in each) for each in (left, right))
    patch = list(unified(one, two, "x", "x"))
    assert patched({"x": one}, "\n".join(patch)) == {"x": two} or (one, two) == ("", "")
    assert (not patch) == (left == right)


@given(st.permutations("abcdefgh"), st.permutations("abcdefghij"))
def test_unified_diffs_are_short(left: list[str], right: list[str]) -> None:
    """Of texts whose lines differ from each other, no more is told than what must be."""
    one, two = ("".join(f"{line}\n" for line in each) for each in (left, right))
    changed = [
        line for line in unified(one, two, "x", "x") if line[0] in "+-" and line[1:3] not in {"++", "--"}
    ]
    kept = [right.index(line) for line in left]
    longest = [0] * len(kept)
    for index, place in enumerate(kept):
        longest[index] = 1 + max((longest[i] for i in range(index) if kept[i] < place), default=0)
    assert len(changed) == len(left) + len(right) - 2 * max(longest)


@given(st.permutations(range(8)))
def test_few_elements_move(order: Sequence[int]) -> None:
    """What is left when the moved ones are taken out is in order, and nothing longer is."""
    places = list(enumerate(order))
    kept = [new for old, new in places if (old, new) not in moved(places)]
    assert kept == sorted(kept)
    longest = [0] * len(order)
    for index, number in enumerate(order):
        longest[index] = 1 + max((longest[i] for i in range(index) if order[i] < number), default=0)
    assert len(kept) == len(rising(order)) == max(longest)


def test_large_differences_are_bounded(side: Compile) -> None:
    """Of thousands of elements that come, go and move, what is told is bounded in number, length and time."""
    old, new = (side({"o.proto": HEAD + _shuffled(Random(seed))}) for seed in range(2))
    begun = time.process_time()
    found = diff(old, new)
    assert time.process_time() - begun < 10
    assert len(found.differences) == 10_000 < found.count
    assert len(found.text.encode()) < MAX_TEXT_BYTES + 100
    assert found.text.endswith("this is the first MiB\n")


def _shuffled(random: Random) -> str:
    """Answers messages whose fields stand in any order, and others that only one version has."""
    messages = []
    for index in range(100):
        fields = (f"string {'f' * 40}{number} = {number};\n" for number in random.sample(range(1, 250), 200))
        messages.append(f"message M{index} {{\n{''.join(fields)}}}\n")
    messages += [f"message A{random.randrange(2**40)} {{}}\n" for _ in range(2_000)]
    random.shuffle(messages)
    return "".join(messages)
