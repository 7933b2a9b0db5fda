"""What filters are tried on: an event type of every kind of field, events of it, expressions, and plain CEL.

The reference compiles a whole expression and evaluates it on one event after another, on a message that is
made field by field: it knows nothing of batches, parts, columns and stages.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from grpc_tools import protoc
from hypothesis import strategies as st
from tidegate.v1 import event_pb2

from registry.filters.event_message import typed_message
from registry.filters.program import Batch, Outcome, Program

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NEW, OLD = "trial.v1.New", "trial.v1.Old"
SOURCES = {
    "trial/new.proto": """
syntax = "proto3";
package trial.v1;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Mood { MOOD_UNSPECIFIED = 0; CALM = 1; ANGRY = 2; }
message Inner { string name = 1; optional int32 level = 2; Inner next = 3; }
message New {
  int32 i32 = 1;
  int64 i64 = 2;
  uint64 u64 = 3;
  double d = 4;
  float f = 5;
  bool b = 6;
  string s = 7;
  bytes raw = 8;
  Mood mood = 9;
  Inner inner = 10;
  optional string note = 11;
  repeated string tags = 12;
  map<string, int64> sizes = 13;
  oneof choice { int64 left = 14; string right = 15; }
  google.protobuf.Timestamp at = 16;
  google.protobuf.Int64Value boxed = 17;
  google.protobuf.Struct json = 18;
  string Clear = 19;
  string class = 20;
}
""",
    "trial/old.proto": """
syntax = "proto2";
package trial.v1;
import "google/protobuf/any.proto";
enum Size { SMALL = 1; LARGE = 2; }
message Old {
  required string code = 1;
  optional int32 count = 2 [default = 7];
  optional Size size = 3 [default = LARGE];
  optional string text = 4 [default = "none"];
  optional group Box = 5 { optional int64 width = 1; }
  optional bool on = 6 [default = true];
  map<string, string> words = 7;
  optional google.protobuf.Any any = 8;
  repeated string lines = 9;
  extensions 100 to 200;
}
""",
}


@cache
def descriptor_set() -> bytes:
    """The compiled sources, as a descriptor set."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write(root)
        target = root / "set"
        arguments = ["protoc", f"-I{folder}", "--include_imports", f"--descriptor_set_out={target}", *SOURCES]
        assert protoc.main([*arguments, f"-I{_included()}"]) == 0
        return target.read_bytes()


def _write(root: Path) -> None:
    for name, text in SOURCES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)


def _included() -> str:
    import grpc_tools

    return f"{grpc_tools.__path__[0]}/_proto"


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """A pool of the sources."""
    made = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set()).file:
        made.AddSerializedFile(file.SerializeToString())
    return made


@cache
def data_class(type_name: str) -> Any:
    """The class of an event type's messages."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(type_name))


class Verdicts(NamedTuple):
    """Of which events an expression holds, and on which it fails, by index."""

    passed: list[int]
    failed: list[int]


@cache
def program(type_name: str, text: str) -> Program:
    """A filter as the gateway compiles it."""
    return Program(typed_message(pool(), type_name, 3), text)


def decide(filter_: Program, batch: Batch) -> Verdicts:
    """What the gateway makes of a batch."""
    work = filter_.decide(batch)
    while True:
        try:
            next(work)
        except StopIteration as done:
            outcome: Outcome = done.value
            break
    assert bool(outcome.reason) == bool(outcome.failed)
    passed = range(batch.count) if outcome.passed is None else outcome.passed
    return Verdicts(list(passed), list(outcome.failed))


@cache
def _reference(type_name: str, text: str) -> tuple[Any, Any]:
    message = typed_message(pool(), type_name, 3)
    environment = cel.NewEnv(
        descriptor_pool=message.pool, variables={"event": cel.Type(message.descriptor.full_name)}
    )
    return environment.compile(text), message_factory.GetMessageClass(message.descriptor)


def decide_one_by_one(type_name: str, text: str, batch: Batch) -> Verdicts:
    """What CEL makes of each event of a batch."""
    expression, event_class = _reference(type_name, text)
    stored = event_pb2.EventBatch.FromString(batch.data)
    found = Verdicts([], [])
    for index, event in enumerate(stored.events):
        twin = _twin(event_class(), event, stored.source, batch, batch.first_sequence + index)
        value = expression.eval(data={"event": twin}).value()
        if value is True:
            found.passed.append(index)
        elif value is not False:
            found.failed.append(index)
    return found


def _twin(twin: Any, event: event_pb2.Event, source: str, batch: Batch, sequence: int) -> Any:
    twin.topic, twin.event_type, twin.source = batch.topic, batch.type, source
    twin.schema_version, twin.sequence = batch.schema_version, sequence
    twin.append_time.FromNanoseconds(batch.append_time)
    twin.id, twin.key = event.id or str(sequence), event.key
    twin.data.MergeFromString(event.data)
    time = event.time if event.HasField("time") else twin.append_time
    twin.time.MergeFromString(time.SerializeToString())
    twin.attributes.update(event.attributes)
    return twin


def batch_of(type_name: str, data: Sequence[event_pb2.Event], source: str = "") -> Batch:
    """Events as a stored batch."""
    stored = event_pb2.EventBatch(topic="t.one", type=type_name, source=source, events=data)
    return Batch(
        "t.one", type_name, 3, 1000, len(data), 1_700_000_000_000_000_001, stored.SerializeToString()
    )


_TEXT = st.sampled_from(["", "a", "b", "ab", "ba", "é", "\U0001f30a", "a\0", "7"])
_NUMBER = st.sampled_from([0, 1, 2, 7, -1, 2**31 - 1, -(2**31)])
_DOUBLE = st.sampled_from([0.0, -0.0, 0.1, 1.5, float("nan"), float("inf"), -1.0])
_INNER = st.fixed_dictionaries({}, optional={"name": _TEXT, "level": _NUMBER, "next": st.just({"name": "a"})})
_DATA = {
    NEW: st.fixed_dictionaries(
        {},
        optional={
            "i32": _NUMBER,
            "i64": _NUMBER,
            "u64": st.sampled_from([0, 1, 2, 2**64 - 1]),
            "d": _DOUBLE,
            "f": _DOUBLE,
            "b": st.booleans(),
            "s": _TEXT,
            "raw": st.sampled_from([b"", b"a", b"\xff"]),
            "mood": st.integers(0, 4),
            "inner": _INNER,
            "note": _TEXT,
            "tags": st.lists(_TEXT, max_size=3),
            "sizes": st.dictionaries(_TEXT, _NUMBER, max_size=2),
            "left": _NUMBER,
            "at": st.just({"seconds": 1_700_000_000}),
            "boxed": st.just({"value": 7}),
            "Clear": _TEXT,
            "class": _TEXT,
        },
    ),
    OLD: st.fixed_dictionaries(
        {"code": _TEXT},
        optional={
            "count": _NUMBER,
            "size": st.integers(1, 2),
            "text": _TEXT,
            "on": st.booleans(),
            "box": st.fixed_dictionaries({}, optional={"width": _NUMBER}),
        },
    ),
}
_ATTRIBUTES = st.dictionaries(st.sampled_from(["a", "b"]), _TEXT, max_size=2)


def events(type_name: str) -> st.SearchStrategy[event_pb2.Event]:
    """Events of a type."""

    def made(
        data: dict[str, Any], id_: str, key: str, attributes: dict[str, str], at: int
    ) -> event_pb2.Event:
        event = event_pb2.Event(
            id=id_, key=key, attributes=attributes, data=data_class(type_name)(**data).SerializeToString()
        )
        if at:
            event.time.FromSeconds(at)
        return event

    times = st.sampled_from([0, 1, 1_600_000_000, 1_700_000_000])
    return st.builds(made, _DATA[type_name], _TEXT, _TEXT, _ATTRIBUTES, times)


def is_message(type_name: str, data: bytes) -> bool:
    """Tells whether bytes parse as a type."""
    try:
        data_class(type_name).FromString(data)
    except DecodeError:
        return False
    return True


_ENVELOPE = [
    ("event.key", "string"),
    ("event.id", "string"),
    ("event.topic", "string"),
    ("event.event_type", "string"),
    ("event.source", "string"),
    ("event.sequence", "int"),
    ("event.schema_version", "int"),
    ("size(event.attributes)", "int"),
    ('event.attributes["a"]', "string"),
    ("event.attributes.b", "string"),
]
_FIELDS = {
    NEW: [
        *_ENVELOPE,
        ("event.data.i32", "int"),
        ("event.data.i64", "int"),
        ("event.data.u64", "uint"),
        ("event.data.d", "double"),
        ("event.data.f", "double"),
        ("event.data.s", "string"),
        ("event.data.raw", "bytes"),
        ("event.data.mood", "int"),
        ("event.data.inner.name", "string"),
        ("event.data.inner.level", "int"),
        ("event.data.inner.next.next.name", "string"),
        ("event.data.note", "string"),
        ("event.data.tags[0]", "string"),
        ('event.data.sizes["a"]', "int"),
        ("event.data.left", "int"),
        ("event.data.right", "string"),
        ("event.data.Clear", "string"),
        ("event.data.class", "string"),
        ("event.data.i64 + event.data.i32", "int"),
        ("10 / event.data.i32", "int"),
        ("size(event.data.s)", "int"),
    ],
    OLD: [
        *_ENVELOPE,
        ("event.data.code", "string"),
        ("event.data.count", "int"),
        ("event.data.size", "int"),
        ("event.data.text", "string"),
        ("event.data.box.width", "int"),
    ],
}
_CONSTANTS = {
    "int": ["0", "1", "7", "-1", "2", "1002"],
    "uint": ["0u", "1u", "18446744073709551615u"],
    "double": ["0.0", "-0.0", "0.1", "1.5", "double('NaN')"],
    "string": ["''", "'a'", "'b'", "'ab'", "'é'", "'1003'", "'t.one'"],
    "bytes": ["b''", "b'a'", "b'\\xff'"],
}
_CONDITIONS = {
    NEW: [
        "event.data.b",
        "has(event.data.inner)",
        "has(event.data.inner.level)",
        "has(event.data.note)",
        "has(event.data.left)",
        "has(event.data.s)",
        "has(event.data.tags)",
        "has(event.attributes.a)",
        "has(event.time)",
        "'a' in event.attributes",
        "'a' in event.data.tags",
        "event.data.tags.exists(t, t == 'a')",
        "event.data.boxed == 7",
        "event.data.boxed == null",
        "event.data.at > timestamp('2020-01-01T00:00:00Z')",
        "event.time == event.append_time",
        "event.time > timestamp('2020-01-01T00:00:00Z')",
        "event.append_time > timestamp('2020-01-01T00:00:00Z')",
        "event.data.json.x == 1",
        "event.data.mood == trial.v1.Mood.ANGRY",
        "event.data.mood in [trial.v1.Mood.ANGRY, 1]",
        "event.data.inner == trial.v1.Inner{}",
        "event.data.s.matches('^a')",
        "event.data.i32 / 0 == 1",
        "true",
        "false",
    ],
    OLD: [
        "event.data.on",
        "has(event.data.count)",
        "has(event.data.box.width)",
        "event.data.size == trial.v1.Size.SMALL",
        "'b' in event.attributes",
    ],
}


def conditions(type_name: str) -> st.SearchStrategy[str]:
    """Expressions over events of a type; each is well typed."""
    leaf = st.one_of(st.sampled_from(_CONDITIONS[type_name]), _comparisons(type_name))
    return st.recursive(
        leaf,
        lambda below: st.one_of(
            st.builds("{} && {}".format, below, below),
            st.builds("({} || {})".format, below, below),
            st.builds("!({})".format, below),
            st.builds("({} ? {} : {})".format, below, below, below),
        ),
        max_leaves=5,
    )


@st.composite
def _comparisons(draw: st.DrawFn, type_name: str) -> str:
    field, kind = draw(st.sampled_from(_FIELDS[type_name]))
    alike = [other for other, other_kind in _FIELDS[type_name] if other_kind == kind]
    operand = draw(st.sampled_from([*_CONSTANTS[kind], *alike]))
    forms = ["{0} {1} {2}", "{2} {1} {0}"]
    if kind in {"int", "string"}:
        forms.append("{0} in [{2}, {3}]")
    if kind == "string":
        forms += ["{0}.startsWith({3})", "{0}.endsWith({3})", "{0}.contains({3})"]
    operator = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
    constant = draw(st.sampled_from(_CONSTANTS[kind]))
    return draw(st.sampled_from(forms)).format(field, operator, operand, constant)
