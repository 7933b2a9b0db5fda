"""The canonical text: protoc makes the same descriptors of it again, and its text is itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.text_encoding import CUnescape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.compiling.compiler import compile_descriptor_set
from registry.descriptors import canonical_files
from registry.errors import LimitExceeded
from registry.printer import print_files
from registry.printing.literals import quoted, quoted_bytes
from registry.supplied import is_supplied_name, supplied_set
from tests.compat_cases import CASES
from tests.generated_schemas import Schema, schemas
from tests.schema_drawing import Drawing
from tests.schema_surgery import messages
from tests.test_compiler import as_protoc_has_it

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Protoc = Callable[..., pb.FileDescriptorSet]

TESTS = Path(__file__).parent
FEW = settings(
    max_examples=max(settings().max_examples // 10, 1),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
"""Each example takes a process or two."""
DRAWN = min(settings().max_examples, 500)
UNSAYABLE = "Not in the Protobuf language"


@pytest.fixture
def protoc(tmp_path: Path) -> Protoc:
    """Compiles texts by file name, and ``names`` of supplied files, with comments and all options kept."""
    supplied = tmp_path / "supplied.binpb"
    supplied.write_bytes(supplied_set())
    runs = count()

    def compile_texts(texts: Mapping[str, str], names: Iterable[str] = ()) -> pb.FileDescriptorSet:
        folder = tmp_path / str(next(runs))
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, newline="")
        folder.mkdir(exist_ok=True)
        # What stands in the folder is taken from there, all else from the set.
        options = ["--include_imports", "--include_source_info", "--retain_options"]
        places = [
            f"-I{folder}",
            f"--descriptor_set_in={supplied}",
            f"--descriptor_set_out={folder}/all.binpb",
        ]
        command = [sys.executable, "-m", "grpc_tools.protoc", *options, *places, *texts, *names]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        return pb.FileDescriptorSet.FromString((folder / "all.binpb").read_bytes())

    return compile_texts


def canonical(files: Iterable[pb.FileDescriptorProto]) -> bytes:
    return pb.FileDescriptorSet(file=canonical_files(files)).SerializeToString(deterministic=True)


def comments(files: Iterable[pb.FileDescriptorProto]) -> bytes:
    infos = [pb.FileDescriptorProto(name=it.name, source_code_info=it.source_code_info) for it in files]
    return pb.FileDescriptorSet(file=infos).SerializeToString()


def own(files: bytes) -> set[str]:
    names = (file.name for file in pb.FileDescriptorSet.FromString(files).file)
    return {name for name in names if not is_supplied_name(name)}


def texts_below(folder: Path, pattern: str) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.glob(pattern))}


def assert_same(first: bytes, second: bytes) -> None:
    """Compares file by file: a difference of sets tells nobody anything."""
    for one, other in zip(*(pb.FileDescriptorSet.FromString(it).file for it in (first, second)), strict=True):
        assert str(one) == str(other)


def cases(moment: str) -> dict[str, str]:
    return {name: text for case in CASES for name, text in case.sources(moment).items()}


SOURCES = {
    "our contract": lambda: texts_below(TESTS.parent / "proto", "**/*.proto"),
    "the language": lambda: texts_below(TESTS, "language/*.proto"),
    "cases before": lambda: cases("before"),
    "cases after": lambda: cases("after"),
    "the example": lambda: texts_below(TESTS.parent / "examples" / "flights" / "schema" / "v1", "*.proto"),
}


@pytest.mark.parametrize("sources", SOURCES)
def test_protoc_makes_the_same_of_the_text(protoc: Protoc, sources: str) -> None:
    """Sources, their text, and the text of that are one schema, and both texts are the same."""
    files = protoc(SOURCES[sources]()).file
    schema = canonical(files)
    text = print_files(schema, own(schema), comments(files))
    again = protoc(text).file
    assert_same(schema, canonical(again))
    assert print_files(schema, own(schema), comments(again)) == text
    assert not any(UNSAYABLE in it for it in text.values())


def test_text_without_comments_is_the_same_schema(protoc: Protoc) -> None:
    """Comments are no part of the schema: without them the text compiles to the same descriptors."""
    schema = canonical(protoc(SOURCES["the language"]()).file)
    text = print_files(schema, own(schema))
    assert not any("//" in it for it in text.values())
    assert_same(schema, canonical(protoc(text).file))


def test_the_canonical_text_of_the_language(protoc: Protoc) -> None:
    """What the language has looks as these files do: each is its own canonical text, comments included."""
    sources = SOURCES["the language"]()
    files = protoc(sources).file
    assert print_files(canonical(files), set(sources), comments(files)) == sources


def test_supplied_files_survive_being_text(protoc: Protoc) -> None:
    """google/* and buf/validate/*, which use most of the language, are the same from their text."""
    names = [it.name for it in pb.FileDescriptorSet.FromString(supplied_set()).file]
    schema = canonical(protoc({}, names).file)
    text = print_files(schema, names)
    assert len(text) > 50
    assert_same(schema, canonical(protoc(text).file))


def test_comments_stay_with_what_they_are_about(protoc: Protoc) -> None:
    """Each element of the contract has the comments that it had, word by word."""
    files = protoc(SOURCES["our contract"]()).file
    schema = canonical(files)
    again = protoc(print_files(schema, own(schema), comments(files))).file
    said, kept = (
        {
            (file.name, *_name_of(file, it.path)): (it.leading_comments, it.trailing_comments)
            for file in each
            for it in file.source_code_info.location
            if it.leading_comments or it.trailing_comments
        }
        for each in (files, again)
    )
    assert len(said) > 500
    assert kept == said


def _name_of(file: pb.FileDescriptorProto, path: Sequence[int]) -> Iterator[object]:
    """Answers a path with names for numbers: the order of a file's lists is another in its text."""
    found: Any = file
    for step in path:
        found = found[step] if isinstance(found, Sequence) else _member(found, step)
        yield getattr(found, "name", step if isinstance(found, (str, int)) else type(found))


def _member(message: Any, number: int) -> Any:
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def test_drawn_schemas_survive_being_text(protoc: Protoc) -> None:
    """Whatever is drawn in proto2, proto3 and editions, protoc makes the same of its text."""
    drawings = [Drawing(Random(seed), f"p{seed}") for seed in range(DRAWN)]
    files = [file for drawing in drawings for file in drawing.files]
    for it in messages(files):
        _sort_oneofs(it.element)
    drawn = pb.FileDescriptorSet(file=files).SerializeToString()
    schema = compile_descriptor_set(drawn).descriptor_set
    text = print_files(schema, own(schema))
    assert_same(schema, canonical(protoc(text).file))


def _sort_oneofs(message: pb.DescriptorProto) -> None:
    """Sorts oneofs as their first fields are: a source has no other way to say it."""
    members = [field for field in message.field if field.HasField("oneof_index")]
    members.sort(key=lambda field: field.proto3_optional)
    order = list(dict.fromkeys(field.oneof_index for field in members))
    oneofs = [message.oneof_decl[index].name for index in order]
    for field in members:
        field.oneof_index = order.index(field.oneof_index)
    del message.oneof_decl[:]
    message.oneof_decl.extend(pb.OneofDescriptorProto(name=name) for name in oneofs)


@FEW
@given(schemas(), st.randoms())
def test_hand_made_descriptors_have_a_text(protoc: Protoc, schema: Schema, random: Random) -> None:
    """Descriptors that no source has print too; where text can't say something, it tells that."""
    compiled = compile_descriptor_set(as_protoc_has_it(list(schema.files))).descriptor_set
    text = print_files(compiled, own(compiled))
    again = canonical(protoc(text).file)
    if not any(UNSAYABLE in it for it in text.values()):
        assert_same(compiled, again)
    assert [*print_files(again, own(again))] == [*text]


@given(st.text(), st.binary())
def test_quotes_hold_anything(text: str, data: bytes) -> None:
    """Texts and bytes are in one line between quotes, and are read back as they were."""
    for line, value in ((quoted(text), text.encode()), (quoted_bytes(data), data)):
        assert line.isprintable()
        assert CUnescape(line[1:-1]) == value


def test_a_text_may_not_be_endless() -> None:
    """A text over its limit is refused by name, before it is made."""
    schema = pb.FileDescriptorSet(file=[pb.FileDescriptorProto(name="x.proto", package="x" * 100)])
    with pytest.raises(LimitExceeded, match="descriptor set"):
        print_files(schema.SerializeToString(), {"x.proto"}, maximum=100)
