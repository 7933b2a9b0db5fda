"""Which buf.validate rules a schema may carry, what the refusals say, and what accepted ones may cost."""

from __future__ import annotations

import time
from typing import Any

import protovalidate
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.descriptors import build_pool
from registry.errors import InvalidSchema, Violation
from registry.rules.check import check_rules
from registry.rules.regex_cost import steps_a_character
from tests.rule_schemas import HEAD, compile_schema, field_schema, message_schema

ACCEPTED = [
    "this.ms.all(m, m.xs.all(x, x.size() > 0))",
    "this.a + this.b == 'x'",
    "this.n > 3 ? 'n is too large' : ''",
    "has(this.m) && this.m.n == 1 || !has(this.maybe)",
    "size(this.xs) > 0 && this.xs.size() < 9",
    "this.ts > now - duration('1h') && this.d < duration('5m')",
    "this.ts.getHours('Europe/Berlin') < 12 && this.ts.getFullYear() > 2000",
    "this.a.matches('^[a-z0-9-]{1,63}$')",
    "this.n in [1, 2, 3] && this.a in ['x', 'y']",
    "this.mm.all(k, this.mm[k].a.size() > 1) && 'x' in this.sm",
    "this.sm.all(k, k.startsWith('x') && this.sm[k] != '')",
    "['foo', 'bar'].exists(p, this.a.startsWith(p) || this.a.contains(p))",
    "this.ms.exists_one(m, m.ok)",
    "size(this.ms) <= 200 && this.ms.map(m, m.a).unique()",
    "this.ms.size() > 100 ? 'too many' : (this.ms.filter(m, m.ok).size() == 1 ? '' : 'not one')",
    "!(size(this.ms) > 9) && this.ms.map(m, m.n).unique()",
    "size(this.a) <= 3 && this.ms.all(m, m.a == this.a)",
    "this.ms.all(m, size(m.xs) < 50 && m.xs.map(x, x).unique())",
    "size(this.b) < 100 && this.a.contains(this.b)",
    "this.xs.unique() && this.ns.unique()",
    "this.a.isEmail() || this.a.isHostname() || this.a.isIp(4) || this.a.isIpPrefix(6, true)",
    "this.a.isUri() || this.a.isUriRef() || this.a.isHostAndPort(true)",
    "this.f.isNan() || this.f.isInf(1) || this.f.isInf()",
    "this.by.startsWith(b'x') || this.by.endsWith(b'y') || this.by.contains(b'z')",
    "'%s is %d'.format([this.a, this.n])",
    "this.q == 1 && this.u == 1u && this.w == 'x' && double(this.n) < 1.5",
    "this.a.lowerAscii().trim().split(',').size() < 5",
    "getField(this, 'a') == 'x'",
    "this.st.x == 1.0 && this.mask.paths.all(p, p != '')",
    "this == t.M{a: 'x'} || type(this.a) == string",
    "string(this.n) + string(this.ts) != ''",
    "this.n % 2 == 0 && int(this.u) * this.n - 3 >= 0",
]

REFUSED = {
    "this.nope == 1": "undefined field 'nope'",
    "this.a + 1 == ''": "no matching overload for '_+_'",
    "this.n == 'x'": "no matching overload for '_==_'",
    "this.a.isHostAndPort()": "reference to 'isHostAndPort'",
    "this.a ==": "Syntax error",
    "": "Syntax error",
    "rule == 1": "undeclared reference to 'rule'",
    "this.n": "must give a bool or a string, not INT",
    "this.q == t.Q.Q_ONE": "write the number",
    "this.ms.unique()": "can't run",
    "this.ms.map(m, m.a).unique()": "map() and filter() copy their list",
    "this.xs.all(x, x + x != '')": "joins strings, bytes or lists with +",
    "this.ms.all(m, m.a == this.a)": "for each 'm' it reads again",
    "this.xs.all(x, this.xs.exists(y, x == y))": "for each 'y' it reads again",
    "this.a.contains(this.b)": "contains() searches for a text that grows",
    "this.a.matches(this.b)": "the pattern of matches() must be written out",
    "this.a.matches('(')": "the pattern can't be read",
    "this.a.matches('a.{900}b')": "places that a text may be at together",
    "true || '" + "x" * 2048 + "' == ''": "the limit is 2,048",
}

STANDARD = """
  float a = 1 [(buf.validate.field).float = {gt: 0 lt: 9 finite: true}];
  double b = 2 [(buf.validate.field).double = {in: [1, 2]}];
  int32 c = 3 [(buf.validate.field).int32 = {gte: 0 lte: 9},
              (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  int64 d = 4 [(buf.validate.field).int64.not_in = 7];
  uint32 e = 5 [(buf.validate.field).uint32.const = 1];
  uint64 f = 6 [(buf.validate.field).uint64.gt = 1, (buf.validate.field).required = true];
  sint32 g = 7 [(buf.validate.field).sint32.lt = 1];
  sint64 h = 8 [(buf.validate.field).sint64.lt = 1];
  fixed32 i = 9 [(buf.validate.field).fixed32.gt = 1];
  fixed64 j = 10 [(buf.validate.field).fixed64.gt = 1];
  sfixed32 k = 11 [(buf.validate.field).sfixed32.gt = 1];
  sfixed64 l = 12 [(buf.validate.field).sfixed64.gt = 1];
  bool m = 13 [(buf.validate.field).bool.const = true];
  string n = 14 [(buf.validate.field).string = {min_len: 1 max_bytes: 9 pattern: "^[A-Z]{3}$" prefix: "A"}];
  string o = 15 [(buf.validate.field).string.email = true];
  string p = 16 [(buf.validate.field).string.well_known_regex = KNOWN_REGEX_HTTP_HEADER_NAME];
  bytes q = 17 [(buf.validate.field).bytes = {max_len: 4 pattern: "^x"}];
  E r = 18 [(buf.validate.field).enum = {defined_only: true not_in: 0}];
  repeated string s = 19 [(buf.validate.field).repeated = {min_items: 1 unique: true
                                                        items: {string: {uuid: true}}}];
  map<string, int32> t = 20 [(buf.validate.field).map = {max_pairs: 3 keys: {string: {ip: true}}
                                                       values: {int32: {gt: 1} cel_expression: "this < 9"}}];
  google.protobuf.Any u = 21 [(buf.validate.field).any.in = "type.googleapis.com/t.M"];
  google.protobuf.Duration v = 22 [(buf.validate.field).duration.lt = {seconds: 5}];
  google.protobuf.Timestamp w = 23 [(buf.validate.field).timestamp = {lt_now: true within: {seconds: 9}}];
  google.protobuf.FieldMask x = 24 [(buf.validate.field).field_mask.in = "a"];
  google.protobuf.StringValue y = 25 [(buf.validate.field).string.min_len = 2];
  oneof z { option (buf.validate.oneof).required = true; string z1 = 26; string z2 = 27; }
  string aa = 28 [(buf.validate.field).cel_expression = "this.size() < 9",
                (buf.validate.field).ignore = IGNORE_ALWAYS];
  repeated E bb = 29 [(buf.validate.field).cel_expression = "this.all(e, e != 0)"];
  option (buf.validate.message).oneof = { fields: ["aa", "n"] required: true };
  option (buf.validate.message).cel_expression = "this.e < this.f";
"""

FIELD_REFUSALS = {
    "int32 f = 1 [(buf.validate.field).string.min_len = 1];": ("t.M.f", "expected rule"),
    "repeated int32 f = 1 [(buf.validate.field).int32.gt = 1];": ("t.M.f", "expected rule"),
    "repeated int32 f = 1 [(buf.validate.field).repeated.items.string.len = 1];": ("t.M.f", "expected rule"),
    "map<int32, int32> f = 1 [(buf.validate.field).map.keys.string.len = 1];": ("t.M.f", "expected rule"),
    "M f = 1 [(buf.validate.field).string.min_len = 1];": ("t.M.f", "mismatched message rules"),
    "repeated M f = 1 [(buf.validate.field).repeated.unique = true];": ("t.M.f", "not supported"),
    'string f = 1 [(buf.validate.field).string.pattern = "\\\\1"];': ("t.M.f", "invalid escape"),
    'string f = 1 [(buf.validate.field).cel_expression = "this > 1"];': ("t.M.f", "no matching overload"),
    'option (buf.validate.message).oneof = {fields: "no"}; string f = 1;': ("t.M", "field no not found"),
    "repeated int32 f = 1 [(buf.validate.field).repeated.items.cel_expression = \"this == ''\"];": (
        "t.M.f",
        "no matching overload",
    ),
    'message N { string g = 1 [(buf.validate.field).cel = {id: "deep" expression: "this.x"}]; }': (
        "t.M.N.g",
        "cannot be the operand",
    ),
}

PREDEFINED = (
    HEAD.replace("proto3", "proto2")
    + """
extend buf.validate.StringRules {{
  optional string before = 1161 [(buf.validate.predefined).cel = {{id: "string.before" expression: "{0}"}}];
}}
message M {{ optional string f = 1 [(buf.validate.field).string.(t.before) = "m"]; }}
"""
)


def _check(schema: bytes) -> None:
    check_rules(build_pool(schema), ["t.M"])


def _refusal(schema: bytes) -> Violation:
    with pytest.raises(InvalidSchema) as refused:
        _check(schema)
    return refused.value.violations[0]


@pytest.mark.parametrize("expression", ACCEPTED)
def test_accepted_expression(expression: str) -> None:
    """CEL that type-checks and takes linear time passes."""
    _check(message_schema(expression))


@pytest.mark.parametrize("expression", REFUSED)
def test_refused_expression(expression: str) -> None:
    """A refusal names the message and what is wrong; CEL's own words where CEL finds it."""
    violation = _refusal(message_schema(expression))
    assert violation.field == "t.M"
    assert REFUSED[expression] in violation.description


def test_rule_id() -> None:
    """A refusal of CEL carries the rule's id."""
    assert _refusal(message_schema("1 == ''")).rule_id == "the.rule"


def test_standard_rules() -> None:
    """A standard rule of every kind passes."""
    _check(field_schema(f"enum E {{ E_ZERO = 0; }} {STANDARD}"))


@pytest.mark.parametrize("field", FIELD_REFUSALS)
def test_refused_field(field: str) -> None:
    """A rule on the wrong type of field, or one that does not compile, is refused under its carrier."""
    carrier, words = FIELD_REFUSALS[field]
    violation = _refusal(field_schema(field))
    assert violation.field == carrier
    assert words in violation.description


def test_all_at_once() -> None:
    """All rules at fault are listed, each under its own carrier."""
    with pytest.raises(InvalidSchema) as refused:
        _check(
            field_schema(
                "int32 f = 1 [(buf.validate.field).string.len = 1];"
                "int32 g = 2; int32 h = 3 [(buf.validate.field).bool.const = true];"
            )
        )
    assert [it.field for it in refused.value.violations] == ["t.M.f", "t.M.h"]


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("this < rule", ""),
        ("this + rules.prefix != rule", ""),
        ("this > 1", "no matching overload"),
        ("this.matches(rule)", "must be written out"),
    ],
)
def test_predefined_rule(expression: str, words: str) -> None:
    """A predefined rule's CEL is checked with its ``this``, ``rule`` and ``rules``."""
    schema = compile_schema(PREDEFINED.format(expression))
    if not words:
        _check(schema)
        return
    violation = _refusal(schema)
    assert (violation.field, violation.rule_id) == ("t.before", "string.before")
    assert words in violation.description


def test_rules_without_import() -> None:
    """Rules that a descriptor set carries as bare bytes, without the import, are read all the same."""
    files = FileDescriptorSet.FromString(field_schema("int32 f = 1 [(buf.validate.field).string.len = 1];"))
    file = files.file[-1]
    del file.dependency[:]
    with pytest.raises(InvalidSchema, match=r"t\.M\.f.*expected rule"):
        _check(FileDescriptorSet(file=[file]).SerializeToString())


def test_empty_without_rules() -> None:
    """A schema without rules passes."""
    _check(compile_schema('syntax = "proto3"; package t; message M { string a = 1; }'))


ATOMS = st.sampled_from(
    [
        "this.a != 'x'",
        "this.n > 0",
        "this.xs.all(x, x != 'x')",
        "this.ms.all(m, m.a != 'x')",
        "this.a.isEmail()",
        "this.sm.all(k, this.sm[k] != 'x')",
        "this.ms.all(m, m.xs.all(x, x.size() > 0))",
        "this.xs.unique()",
        "size(this.xs) <= 200 && this.xs.map(x, x).unique()",
        "this.a.split('a').size() > 2",
        "this == this",
        "this.a.matches('(a|b)*c')",
        "this.a.replace('a', 'bb') != ''",
        "this.ns.exists(n, n in [1, 2])",
        "this.xs.join(',') != 'x'",
        "this.xs.exists_one(x, x == 'x')",
        "this.st == this.st",
        "size(this.a) < 9 && this.xs.all(x, x != this.a)",
        "(this.xs + this.ys).all(x, x != 'x')",
    ]
)
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: (
        st.tuples(inner, st.sampled_from(["&&", "||", "=="]), inner).map(
            lambda it: f"({it[0]}) {it[1]} ({it[2]})"
        )
        | inner.map(lambda it: f"this.ms.all(m, {it.replace('this', 'm')})")
        | inner.map(lambda it: f"[1, 2, 3].all(i, {it})")
    ),
    max_leaves=6,
)


def _large(message_class: Any, kind: str, size: int) -> Any:
    if kind == "text":
        return message_class(a="ab" * (size // 2))
    if kind == "list":
        return message_class(xs=["a"] * (size // 3))
    if kind == "map":
        return message_class(sm={f"{it:x}": "a" for it in range(size // 12)})
    if kind == "numbers":
        return message_class(ns=[1] * size)
    if kind == "deep":
        return message_class(ms=[message_class(xs=["a"] * 100, a="b" * 100)] * (size // 400))
    return message_class(a="a" * (size // 2), xs=["a"] * (size // 6))


@settings(max_examples=40)
@given(EXPRESSIONS, st.sampled_from(["text", "list", "map", "numbers", "deep", "mixed"]))
def test_accepted_is_fast(expression: str, kind: str) -> None:
    """Whatever passes is evaluated on 100 kB in well under a second of processor time."""
    schema = message_schema(expression)
    pool = build_pool(schema)
    try:
        check_rules(pool, ["t.M"])
    except InvalidSchema:
        return
    message_class = GetMessageClass(pool.FindMessageTypeByName("t.M"))
    validator = protovalidate.Validator()
    message = _large(message_class, kind, 100_000)
    start = time.thread_time()
    try:
        validator.collect_violations(message)
    except protovalidate.EvaluationError as error:
        assert "Iteration budget exceeded" in str(error)  # noqa: PT017
    assert time.thread_time() - start < 1


@pytest.mark.parametrize(
    ("pattern", "fine"),
    [
        (r"^[a-zA-Z0-9]([a-zA-Z0-9_-]{0,253}[a-zA-Z0-9])?$", True),
        (r"^[\w.+-]+@[\w-]+\.[\w.-]+$", True),
        (r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}$", True),
        (r"(?i)^[a-z]{2}-\Qx.y\E$|^\pL{1,100}$", True),
        (r"[[:alpha:]]+[^]a]{3}[]a-]+\x41\x{1F600}", True),
        (r"a.{20}c", True),
        (r"a.{100}c", False),
        (r"^.*a.{100}c$", False),
        (r"(a?){500}a{500}b", False),
        (r"[ab]{0,1000}c", False),
    ],
)
def test_pattern_cost(pattern: str, fine: bool) -> None:  # noqa: FBT001
    """Patterns that RE2 can't search in linear time are told from those that it can."""
    assert (steps_a_character(pattern) < 100) == fine
