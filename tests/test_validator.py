"""The check of a batch: what passes and in which form, what is refused and in which words."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import protovalidate
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import event_pb2, event_service_pb2

from registry.checking.envelope import NORMAL, VERBATIM, typed_batch
from registry.checking.validator import BatchValidator
from registry.checking.wire import length_delimited, tag
from registry.compiling.compiler import compile_sources
from registry.descriptors import build_pool
from registry.errors import InvalidEvents

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

ROOT = Path(__file__).parent.parent

ORDER = """
syntax = "proto3";
package shop.v1;
message Order {
  string id = 1;
  int64 amount_cents = 2;
  repeated Item items = 3;
  map<string, Item> by_name = 4;
  oneof payment { Item card = 5; Item cash = 6; }
  repeated int32 numbers = 7;
}
message Item { string name = 1; double price = 2; }
"""
LEGACY = """
syntax = "proto2";
package old.v1;
enum Color { RED = 1; BLUE = 2; }
message Record {
  required string id = 1;
  optional Color color = 2;
  map<string, int32> counts = 5;
  optional Record child = 6;
  repeated group Line = 7 { required int32 number = 1; }
  map<int32, Record> parts = 8;
  extensions 100 to 200;
}
message Extra { required bool set = 1; }
extend Record { optional Extra extra = 100; }
"""
RULES = """
syntax = "proto2";
package ruled.v1;
import "buf/validate/validate.proto";
message Payment {
  option (buf.validate.message).cel = {
    id: "payment.limit", message: "a payment is at most 1000", expression: "this.amount_cents <= 1000"
  };
  optional string id = 1 [(buf.validate.field).string.max_len = 4];
  optional int64 amount_cents = 2 [(buf.validate.field).int64.gte = 0];
  map<string, Line> lines = 3;
  repeated Line more = 4;
  optional Line divided = 5 [(buf.validate.field).cel = {
    id: "line.divided", message: "must divide", expression: "10 / size(this.name) > 0"
  }];
}
message Line { optional string name = 1 [(buf.validate.field).string.pattern = "^[a-z]*$"]; }
"""
TREE = """
syntax = "proto2";
package deep.v1;
message Node {
  optional Node below = 1;
  repeated Node beside = 2;
  map<string, Node> named = 3;
  optional group Inner = 4 { optional Node below = 1; }
}
"""


def pool_of(source: str) -> DescriptorPool:
    return build_pool(compile_sources({"test.proto": source}).descriptor_set)


@pytest.fixture(scope="module")
def pools() -> dict[str, DescriptorPool]:
    """The pools of all schemas, compiled once."""
    return {name: pool_of(globals()[name]) for name in ("ORDER", "LEGACY", "RULES", "TREE")}


@pytest.fixture(scope="module")
def orders(pools: dict[str, DescriptorPool]) -> BatchValidator:
    return BatchValidator(pools["ORDER"], "shop.v1.Order", 3)


@pytest.fixture(scope="module")
def legacy(pools: dict[str, DescriptorPool]) -> BatchValidator:
    return BatchValidator(pools["LEGACY"], "old.v1.Record", 1)


@pytest.fixture(scope="module")
def payments(pools: dict[str, DescriptorPool]) -> BatchValidator:
    return BatchValidator(pools["RULES"], "ruled.v1.Payment", 1)


def event(*fields: bytes) -> bytes:
    """Writes an event as part of a batch."""
    return length_delimited(16, b"".join(fields))


def data(payload: bytes = b"") -> bytes:
    return length_delimited(3, payload)


def refusals(
    validator: BatchValidator, batch: bytes, *, allow_unknown: bool = False
) -> list[tuple[str, str]]:
    with pytest.raises(InvalidEvents) as caught:
        validator.check(batch, allow_unknown=allow_unknown, path="batches[0]")
    return [
        (violation.field.removeprefix("batches[0]"), violation.description)
        for violation in caught.value.violations
    ]


def accepted(validator: BatchValidator, batch: bytes, *, allow_unknown: bool = False) -> bytes:
    return validator.check(batch, allow_unknown=allow_unknown, path="batches[0]").data


HEADER = length_delimited(1, b"shop.orders") + length_delimited(2, b"shop.v1.Order") + b"\x18\x03"
TIME = length_delimited(4, b"\x08\x01\x10\x02")
ATTRIBUTE = length_delimited(5, length_delimited(1, b"trace") + length_delimited(2, b"x"))
FULL = event(length_delimited(1, b"id"), length_delimited(2, b"key"), data(), TIME, ATTRIBUTE)


@pytest.mark.parametrize("twin", [NORMAL, VERBATIM])
def test_twins_have_the_fields_of_the_contract(twin: Any) -> None:
    """Each plain twin has the contract's fields, by name, number, cardinality and wire type."""
    opaque = (FieldDescriptorProto.TYPE_BYTES, FieldDescriptorProto.TYPE_MESSAGE)
    for name in ("EventBatch", "Event"):
        theirs = event_pb2.DESCRIPTOR.message_types_by_name[name].fields_by_number
        mine = twin.DESCRIPTOR.file.message_types_by_name[name].fields_by_number
        assert sorted(mine) == sorted(theirs)
        for number, field in theirs.items():
            assert (mine[number].name, mine[number].is_repeated) == (field.name, field.is_repeated)
            assert mine[number].type == field.type or {mine[number].type, field.type} == set(opaque)


def test_merged_frame_lies_where_a_delivered_batch_lies(orders: BatchValidator) -> None:
    """The frame in which a batch is checked has the contract's numbers, down to every field of an event."""
    frame = orders._frame.DESCRIPTOR
    contract = event_service_pb2.SubscribeResponse.DESCRIPTOR
    for name in ("batches", "batches", "events"):
        assert frame.fields_by_name[name].number == contract.fields_by_name[name].number
        frame, contract = (kind.fields_by_name[name].message_type for kind in (frame, contract))
    assert {f.name: f.number for f in frame.fields} == {f.name: f.number for f in contract.fields}


def test_a_canonical_batch_is_stored_as_it_came(orders: BatchValidator) -> None:
    """Canonical bytes come back as the same object, with the count of their events."""
    batch = HEADER + FULL + event(data(b"\x10\x05"))
    checked = orders.check(batch, allow_unknown=False, path="batches[0]")
    assert checked.data is batch
    assert checked.count == 2


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        pytest.param(
            event(data(), length_delimited(1, b"id")), event(length_delimited(1, b"id"), data()), id="order"
        ),
        pytest.param(event(b"\x0a\x00", b"\x12\x00", data()), event(data()), id="explicit defaults"),
        pytest.param(event(data(b"\x10\x01"), data(b"\x10\x02")), event(data(b"\x10\x02")), id="data twice"),
        pytest.param(
            event(data(), length_delimited(4, b"\x08\x01"), length_delimited(4, b"\x10\x02")),
            event(data(), TIME),
            id="a time in two parts",
        ),
        pytest.param(b"\x82\x01\x82\x00\x1a\x00", event(data()), id="a length of too many bytes"),
        pytest.param(event(data()) + b"\x18\x03", b"\x18\x03" + event(data()), id="header behind"),
        pytest.param(b"\x18\x01\x18\x03" + event(data()), b"\x18\x03" + event(data()), id="header twice"),
        pytest.param(b"\x28\x00\x3a\x00" + event(data()), event(data()), id="gateway's fields, empty"),
    ],
)
def test_the_envelope_is_put_into_canonical_form(orders: BatchValidator, sent: bytes, stored: bytes) -> None:
    """What other encoders legally write is stored canonically, and means the same."""
    assert accepted(orders, sent) == stored
    assert accepted(orders, stored) is stored


def test_the_data_is_never_rewritten(orders: BatchValidator) -> None:
    """Non-canonical data is legal and stays byte for byte."""
    payload = b"\x10\x00" + b"\x0a\x01b\x0a\x01a" + length_delimited(7, b"\x01\x02") + b"\x38\x83\x00"
    batch = event(data(payload))
    assert accepted(orders, batch) is batch


@pytest.mark.parametrize(
    ("batch", "path", "words"),
    [
        (event(length_delimited(1, b"id")), ".events[0].data", "is absent"),
        (event(data(b"\x0a\x05ab")), ".events[0].data", "does not parse as shop.v1.Order: field 1 at byte 0"),
        (event(data(b"\x0a\x01\xff")), ".events[0].data.id", "is not UTF-8"),
        (
            event(data(b"\x98\x06\x01")),
            ".events[0].data",
            "unknown field 99: shop.v1.Order has no such",
        ),
        (event(data(b"\x98\x06\x01")), ".events[0].data", "in schema version 3"),
        (event(data(b"\x08\x01")), ".events[0].data.id", "number 1 is encoded as a varint"),
        (event(data(b"\x1a\x02\x18\x01")), ".events[0].data.items[0]", "unknown field 3: shop.v1.Item"),
        (
            event(data(length_delimited(4, b"\x0a\x01k\x12\x02\x18\x01"))),
            '.events[0].data.by_name["k"]',
            "unknown field 3: shop.v1.Item",
        ),
        (event(data(b"\x3a\x01\x80")), ".events[0].data.numbers[0]", "is packed, and the number at byte"),
        (event(data(), b"\x30\x01"), ".events[0]", "unknown field 6: tidegate.v1.Event"),
        (event(data(), length_delimited(4, b"\x18\x01")), ".events[0].time", "unknown field 3"),
        (event(data(), length_delimited(5, b"\x18\x01")), ".events[0].attributes[0]", "unknown field 3"),
        (event(data(), length_delimited(5, b"\x0a\x01\xff")), ".events[0].attributes[0].key", "is not UTF-8"),
        (event(b"\x0a\x01\xff", data()), ".events[0].id", "is not UTF-8"),
        (b"\x40\x01" + event(data()), "", "unknown field 8: tidegate.v1.EventBatch"),
        (b"\x0a\x01\xff" + event(data()), ".topic", "is not UTF-8"),
        (event(data()) + b"\x82\x01\x05\x1a", "", "field 16 at byte 5 needs 5 bytes, 1 are left"),
        (b"\x07", "", "byte 0 begins no field"),
    ],
)
def test_a_refusal_says_where_and_what(orders: BatchValidator, batch: bytes, path: str, words: str) -> None:
    """A fault is named by its path, and in words that say what is wrong."""
    [(field, description)] = refusals(orders, batch)
    assert field == path
    assert words in description


def test_one_violation_an_event(orders: BatchValidator) -> None:
    """Each event at fault is listed once, with its place in the batch."""
    bad = event(data(b"\x98\x06\x01\xa0\x06\x01"))
    batch = event(data()) * 70 + bad + event(data()) * 80 + event() + event(data()) + b"\x82\x01\x02\x1a\x05"
    assert [field for field, _ in refusals(orders, batch)] == [
        ".events[70].data",
        ".events[151].data",
        ".events[153]",
    ]


def test_at_most_a_hundred_violations_are_listed(orders: BatchValidator) -> None:
    """Of more than a hundred events at fault a hundred are listed, and the count is a lower bound."""
    with pytest.raises(InvalidEvents, match="at least 101 events") as caught:
        orders.check(event(data(b"\x98\x06\x01")) * 300, allow_unknown=False, path="batches[0]")
    assert len(caught.value.violations) == 100
    assert caught.value.at_least
    with pytest.raises(InvalidEvents, match=r"^100 events") as caught:
        orders.check(event(data(b"\x98\x06\x01")) * 100, allow_unknown=False, path="batches[0]")
    assert not caught.value.at_least


def test_allow_concerns_data_alone(orders: BatchValidator) -> None:
    """Under ALLOW the data may have unknown fields at any depth, the envelope still none."""
    batch = event(data(b"\x1a\x02\x18\x01\x98\x06\x01"))
    assert accepted(orders, batch, allow_unknown=True) is batch
    assert (
        refusals(orders, event(data(b"\x98\x06\x01"), b"\x30\x01"), allow_unknown=True)[0][0] == ".events[0]"
    )
    assert refusals(orders, event(data(b"\x98\x06")), allow_unknown=True)[0][0] == ".events[0].data"


def test_a_later_event_does_not_hide_an_earlier_one(orders: BatchValidator) -> None:
    """An unknown field stays found when later events set another member of its oneof, or the same field."""
    unknown = event(data(length_delimited(5, b"\x18\x01")))
    for later in (length_delimited(6, b""), length_delimited(5, b""), b""):
        assert refusals(orders, unknown + event(data(later)))[0][0] == ".events[0].data.card"


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b"", ".id"),
        (b"\x0a\x00\x32\x00", ".child.id"),
        (b"\x0a\x00\x2a\x05\x0a\x01a\x10\x01\x32\x00", ".child.id"),
        (b"\x0a\x00\x3b\x3c", ".line[0].number"),
        (b"\x0a\x00\x42\x02\x08\x07", ".parts[7].id"),
        (b"\x0a\x00\x42\x06\x08\x07\x12\x02\x32\x00", ".parts[7].child.id"),
        (b"\x0a\x00\xa2\x06\x00", ".[old.v1.extra].set"),
    ],
)
def test_missing_required_fields_are_found(legacy: BatchValidator, payload: bytes, path: str) -> None:
    """A required field is missed wherever its message lies, behind maps and in extensions too."""
    [(field, description)] = refusals(legacy, event(data(payload)))
    assert field == f".events[0].data{path}"
    assert description == "required field 1 is missing"


def test_required_fields_may_come_in_two_parts(legacy: BatchValidator) -> None:
    """A message whose occurrences merge has what any of them brought."""
    batch = event(data(b"\x0a\x00\x32\x00\x32\x02\x0a\x00"))
    assert accepted(legacy, batch) is batch


def test_unknown_values_of_closed_enums_are_unknown_fields(legacy: BatchValidator) -> None:
    """A value that a closed enum does not have is refused by its number, or allowed."""
    batch = event(data(b"\x0a\x00\x10\x09"))
    [(field, description)] = refusals(legacy, batch)
    assert field == ".events[0].data.color"
    assert "9 is no value of the closed enum old.v1.Color in schema version 1" in description
    assert accepted(legacy, batch, allow_unknown=True) is batch


def test_an_entry_that_is_in_no_map_is_named_by_its_field() -> None:
    """Descriptors made by hand may have a map's entry outside of a map: what is wrong in it has its path."""
    source = 'syntax = "proto3"; package lone.v1; message M { map<string, int32> counts = 1; }'
    files = FileDescriptorSet.FromString(compile_sources({"test.proto": source}).descriptor_set)
    files.file[0].message_type[0].field[0].label = FieldDescriptorProto.LABEL_OPTIONAL
    validator = BatchValidator(build_pool(files.SerializeToString()), "lone.v1.M", 1)
    entry = length_delimited(1, b"key") + b"\xe8\x04\x01"
    [(field, description)] = refusals(validator, event(data(length_delimited(1, entry))))
    assert field == ".events[0].data.counts"
    assert "unknown field 77" in description


def payment(pool: DescriptorPool, **fields: Any) -> bytes:
    message: Any = GetMessageClass(pool.FindMessageTypeByName("ruled.v1.Payment"))(**fields)
    return event(data(message.SerializePartialToString()))


@pytest.mark.parametrize(
    ("fields", "path", "rule"),
    [
        ({"amount_cents": -1}, ".amount_cents", "int64.gte"),
        ({"id": "abcde"}, ".id", "string.max_len"),
        ({"amount_cents": 1001}, "", "payment.limit"),
        ({"lines": {'a"b': {"name": "A"}}}, '.lines["a"b"].name', "string.pattern"),
        ({"more": [{"name": "a"}, {"name": "A"}]}, ".more[1].name", "string.pattern"),
        ({"divided": {}}, "", ""),
    ],
)
def test_broken_rules_are_named(
    payments: BatchValidator, pools: dict[str, DescriptorPool], fields: dict[str, Any], path: str, rule: str
) -> None:
    """A broken rule is refused with the field's path, the rule's id and its message; so is one that fails."""
    batch = payment(pools["RULES"], id="ok") + payment(pools["RULES"], **fields)
    with pytest.raises(InvalidEvents) as caught:
        payments.check(batch, allow_unknown=False, path="batches[0]")
    [violation] = caught.value.violations
    assert violation.field == f"batches[0].events[1].data{path}"
    assert violation.rule_id == rule
    assert violation.description


def test_text_that_rules_cannot_read_is_refused(payments: BatchValidator) -> None:
    """Invalid UTF-8 in a proto2 string, which parses, fails where rules are to read it."""
    assert refusals(payments, event(data(b"\x0a\x01\xff")))[0][0] == ".events[0].data"


@given(amounts=st.lists(st.integers(-3, 1003) | st.sampled_from([-1, 0, 1000, 1001]), max_size=150))
def test_rules_find_the_events_that_break_them(
    payments: BatchValidator, pools: dict[str, DescriptorPool], amounts: list[int]
) -> None:
    """Of any batch exactly those events are refused that break a rule by themselves."""
    bad = [f".events[{index}]" for index, amount in enumerate(amounts) if not 0 <= amount <= 1000]
    batch = b"".join(payment(pools["RULES"], amount_cents=amount) for amount in amounts)
    if not bad:
        assert accepted(payments, batch) is batch
    else:
        assert [field.partition(".data")[0] for field, _ in refusals(payments, batch)] == bad[:100]


def test_each_schema_version_has_its_own_rules() -> None:
    """Two versions of one event type are checked by their own rules, though their names are the same."""
    batch = event(data(length_delimited(1, b"abcdef")))
    for version, limit in ((1, 4), (2, 9), (3, 4)):
        pool = pool_of(RULES.replace("max_len = 4", f"max_len = {limit}"))
        validator = BatchValidator(pool, "ruled.v1.Payment", version)
        if limit == 9:
            assert accepted(validator, batch) is batch
        else:
            assert refusals(validator, batch)[0][0] == ".events[0].data.id"


def test_validators_can_be_built_again(pools: dict[str, DescriptorPool]) -> None:
    """A pool serves several event types, nested and recursive ones, and each of them again and again."""
    for name in ("old.v1.Record", "old.v1.Record.Line", "old.v1.Extra", "old.v1.Record"):
        validator = BatchValidator(pools["LEGACY"], name, 1)
        assert refusals(validator, event(data()))[0][1].startswith("required field 1")
    with pytest.raises(KeyError):
        BatchValidator(pools["LEGACY"], "old.v1.Nothing", 1)


LEVELS = {
    "messages": (lambda below: length_delimited(1, below), 1),
    "repeated messages": (lambda below: length_delimited(2, below), 1),
    "maps": (lambda below: length_delimited(3, length_delimited(2, below)), 2),
    "groups": (lambda below: tag(4, 3) + length_delimited(1, below) + tag(4, 4), 2),
    "unknown groups": (lambda below: tag(9, 3) + below + tag(9, 4), 1),
}


def typed_frame(pool: DescriptorPool, type_name: str) -> Any:
    """What a reader of a typed stream decodes, built without the validator's own frame."""
    batch = typed_batch(pool, pool.FindMessageTypeByName(type_name), 1)
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    file = FileDescriptorProto(name="reader.proto", package="reader", dependency=[batch.DESCRIPTOR.file.name])
    below = batch.DESCRIPTOR.full_name
    for name, number in (("Batches", 1), ("Frame", 2)):
        field = file.message_type.add(name=name).field.add(name="batches", number=number, label=3)
        field.type, field.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".{below}"
        below = f"reader.{name}"
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("reader.Frame"))


@pytest.mark.parametrize("kind", LEVELS)
def test_nothing_is_accepted_that_readers_can_not_decode(kind: str) -> None:
    """Data nests exactly as deep as readers of delivered frames can go, and unknown fields are seen there."""
    pool = pool_of(TREE)
    validator, reader = BatchValidator(pool, "deep.v1.Node", 1), typed_frame(pool, "deep.v1.Node")
    wrap, step = LEVELS[kind]
    payload, verdicts = b"", []
    for _ in range(104 // step):
        payload = wrap(payload)
        batch = event(data(payload))
        try:
            reader.FromString(length_delimited(2, length_delimited(1, batch)))
        except DecodeError:
            verdicts.append(False)
            refusals(validator, batch, allow_unknown=True)
        else:
            verdicts.append(True)
            assert accepted(validator, batch, allow_unknown=True) is batch
    assert verdicts.count(True) in (96 // step, 95 // step)
    assert verdicts == sorted(verdicts, reverse=True)


@pytest.mark.parametrize("kind", ["messages", "repeated messages", "maps", "groups"])
@pytest.mark.parametrize("bushes", [0, 1])
def test_unknown_fields_are_found_at_every_depth(
    pools: dict[str, DescriptorPool], kind: str, bushes: int
) -> None:
    """An unknown field is refused however deep it lies, and whatever else the event has."""
    validator = BatchValidator(pools["TREE"], "deep.v1.Node", 1)
    wrap, step = LEVELS[kind]
    bush = b""
    for _ in range(7):
        bush = b"".join(wrap_(bush) for wrap_, _ in list(LEVELS.values())[:3])
    known, unknown = b"", b"\x58\x01"
    for level in range(96 // step):
        known, unknown = (wrap(payload) if level else payload for payload in (known, unknown))
        if bushes and level % 12:
            continue
        clean, dirty = (event(data(bush * bushes + payload)) for payload in (known, unknown))
        assert accepted(validator, clean) is clean
        assert "unknown field 11" in refusals(validator, dirty)[0][1]


def test_words_for_a_huge_event_stay_short(pools: dict[str, DescriptorPool]) -> None:
    """A fault behind more records than are worth a walk is refused without its place."""
    validator = BatchValidator(pools["ORDER"], "shop.v1.Order", 1)
    filler = b"\x10\x01" * 30_000
    [(field, description)] = refusals(validator, event(data(filler + b"\x98\x06\x01")))
    assert (field, description[:10]) == (".events[0].data", "has fields")
    [(field, description)] = refusals(validator, event(data(filler + b"\x98")))
    assert (field, description) == (".events[0].data", "does not parse as shop.v1.Order")
    packed = length_delimited(7, b"\x01" * 30_000)
    [(field, description)] = refusals(validator, event(data(packed + b"\x98\x06\x01")))
    assert (field, description[:10]) == (".events[0].data", "has fields")
    [(field, description)] = refusals(validator, b"\x18\x01" * 30_000 + b"\x82")
    assert (field, description.partition(": ")[2]) == ("", "something is wrong behind field 20,000")


def test_the_seven_bytes_that_end_a_process_are_refused() -> None:
    """A missing required field behind a map's entry is refused; serializing it would crash Protobuf."""
    program = f"""
from tests.test_validator import LEGACY, BatchValidator, data, event, pool_of, refusals
validator = BatchValidator(pool_of({LEGACY!r}), "old.v1.Record", 1)
for payload in ("0a01612a003200", "0a01612a050a01611001" "3200", "0a0161420208073200"):
    for allow_unknown in (False, True):
        assert refusals(validator, event(data(bytes.fromhex(payload))), allow_unknown=allow_unknown)
print("alive")
"""
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (0, "alive\n"), run.stderr


DANGEROUS = {"ByteSize", "SerializeToString", "FindInitializationErrors"}
NO_USERS_MESSAGE = {
    "registry/checking/validator.py": "twins of the envelope: no map, no message of a user",
    "registry/compiling/compiler.py": "descriptors",
    "registry/descriptors.py": "descriptors",
    "registry/rules/options.py": "descriptors",
    "registry/compiling/sandbox.py": "descriptors",
    "registry/supplied.py": "descriptors",
    "gateway/": "answers of the contract's own messages: no required fields",
}


def test_no_message_of_a_user_is_serialized_the_dangerous_way() -> None:
    """Calls that crash on users' messages stand only where there is no such message."""
    for path in [*ROOT.glob("registry/*.py"), *ROOT.glob("gateway/*.py")]:
        name = str(path.relative_to(ROOT))
        called = {
            node.attr for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)
        } & DANGEROUS
        assert not called or any(map(name.startswith, NO_USERS_MESSAGE)), f"{name} calls {called}"
        if name == "registry/checking/validator.py":
            assert path.read_text().count("SerializeToString()") == 2


def test_validators_share_nothing(pools: dict[str, DescriptorPool]) -> None:
    """An event type without rules holds no protovalidate validator, one with rules has its own."""
    first, second = (BatchValidator(pools["RULES"], "ruled.v1.Payment", 1) for _ in range(2))
    assert isinstance(first._demands._rules, protovalidate.Validator)
    assert first._demands._rules is not second._demands._rules
    assert BatchValidator(pools["ORDER"], "shop.v1.Order", 1)._demands._rules is None
