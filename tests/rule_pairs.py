"""Pairs of ``buf.validate`` rules as hypothesis draws them, and values that show where they differ.

Each pair sits on one field of one message: ``e.M0``, ``e.M1``, ... All constants are small, so that few
values are enough to tell sets of allowed values apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from math import inf, nan
from typing import TYPE_CHECKING, Any

import protovalidate
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from registry.descriptors import build_pool
from registry.supplied import VALIDATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

Kind = pb.FieldDescriptorProto
NUMBERS = range(-2, 5)
PARTS = ("", "a", "b", "ab", "é")
TEXTS = (
    *("".join(it) for length in range(4) for it in product("abé", repeat=length)),
    *("".join(it) for length in (4, 5) for it in product("ab", repeat=length)),
    *("ééaé", "éééé", "abéé", "ééab", "abéb", "\U0001f600", "\U0001f600a", "\u20ac", "\u20aca", "a" * 12),
    *("1.2.3.4", "::1", "a@b.co", "a b", "/a", "http://a.b/c", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
    *("123e4567-e89b-42d3-a456-426614174000", "123e4567e89b42d3a456426614174000"),
)
LISTS: list[list[int]] = [
    [], [0], [1], [-1], [1, 1], [1, 2], [0, 1], [1, 2, 3], [1, 2, 3, 4], [1, 1, 2, 2], [1, 2, 3, 4, 5],
    [2] * 5,
]  # fmt: skip
FORMATS = ("email", "hostname", "ip", "ipv4", "ipv6", "uri", "uri_ref", "address", "uuid", "tuuid", "ulid")
SIZES = (0, 1, 2, 3, 4)
DOUBLES = (-inf, -2.5, -2, -1.5, -1, -0.5, 0.0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, inf, nan)
WIDE = (*range(-4, 8), 2**31 - 1, -(2**31))


@dataclass(frozen=True, slots=True)
class Ruled:
    """A field with rules: its type, its rules as text format, and whether it has presence."""

    kind: str
    rules: str
    presence: bool

    @property
    def values(self) -> Iterable[Any]:
        """Values among which any two sets that rules of this module allow differ, if they do at all."""
        return {
            "int32": WIDE,
            "sint64": (*WIDE, 2**40),
            "uint32": range(8),
            "enum": WIDE,
            "bool": (False, True),
            "double": DOUBLES,
            "string": TEXTS,
            "bytes": [text.encode() for text in TEXTS] + [bytes(16)],
            "repeated": LISTS,
        }[self.kind]


@st.composite
def ruled_pairs(draw: st.DrawFn) -> tuple[Ruled, Ruled]:
    """Draws one field as two versions have it; often they have some of their rules in common."""
    kind = draw(
        st.sampled_from(
            ["int32", "sint64", "uint32", "enum", "bool", "double", "string", "string", "bytes", "repeated"]
        )
    )
    presence = kind != "repeated" and draw(st.booleans())
    old, new = draw(_rules(kind)), draw(_rules(kind))
    if draw(st.booleans()):
        new = {**old, **dict(list(new.items())[:1])}
    same = draw(st.integers(0, 4)) > 0 or kind == "repeated"
    return Ruled(kind, _text(kind, old), presence), Ruled(
        kind, _text(kind, new), presence if same else not presence
    )


def _text(kind: str, rules: dict[str, str]) -> str:
    own = " ".join(f"{name}: {text}" for name, text in rules.items() if name not in ("required", "ignore"))
    outer = " ".join(f"{name}: {text}" for name, text in rules.items() if name in ("required", "ignore"))
    return f"{outer} {kind} {{ {own} }}" if own else outer


@st.composite
def _rules(draw: st.DrawFn, kind: str) -> dict[str, str]:
    families = {
        "string": _TEXT,
        "bytes": _BYTES,
        "repeated": _LIST,
        "bool": {"const": st.sampled_from(["true", "false"])},
    }
    table = families.get(kind, _NUMBER | ({"defined_only": st.just("true")} if kind == "enum" else {}))
    if kind == "enum":
        table = {name: it for name, it in table.items() if name in ("const", "in", "not_in", "defined_only")}
    if kind == "double":
        table = table | {"finite": st.just("true")}
    names = draw(st.sets(st.sampled_from(sorted(table)), max_size=3))
    if {"lt", "lte"} <= names:
        names -= {"lt"}
    if {"gt", "gte"} <= names:
        names -= {"gt"}
    rules = {name: draw(table[name]) for name in sorted(names)}
    if kind == "uint32":
        rules = {name: text.replace("-", "") for name, text in rules.items()}
    match draw(st.integers(0, 9)):
        case 0:
            rules["required"] = "true"
        case 1:
            rules["ignore"] = "IGNORE_IF_ZERO_VALUE"
        case 2:
            rules["ignore"] = "IGNORE_ALWAYS"
    if kind == "string" and draw(st.integers(0, 3)) == 0:
        rules[draw(st.sampled_from(FORMATS))] = "true"
    return rules


def _list(items: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(items, min_size=1, max_size=4).map(lambda it: f"[{', '.join(it)}]")


_SMALL = st.sampled_from(NUMBERS).map(str)
_PART = st.sampled_from(PARTS).map(lambda it: f'"{it}"')
_SIZE = st.sampled_from(SIZES).map(str)
_NUMBER = dict.fromkeys(("const", "lt", "lte", "gt", "gte"), _SMALL) | dict.fromkeys(
    ("in", "not_in"), _list(_SMALL)
)
_BYTES = (
    dict.fromkeys(("const", "prefix", "suffix", "contains"), _PART)
    | dict.fromkeys(("in", "not_in"), _list(_PART))
    | dict.fromkeys(("len", "min_len", "max_len"), _SIZE)
)
_TEXT = _BYTES | dict.fromkeys(("len_bytes", "min_bytes", "max_bytes"), _SIZE) | {"not_contains": _PART}
_LIST = {
    "min_items": _SIZE,
    "max_items": _SIZE,
    "unique": st.just("true"),
    "items": st.sampled_from(
        [
            "{ int32 { gt: 0 } }",
            "{ int32 { gte: 1 lte: 2 } }",
            "{ int32 { gt: 0 } ignore: IGNORE_IF_ZERO_VALUE }",
        ]
    ),
}


@cache
def _classes() -> tuple[type[Message], Any]:
    alone = pb.FileDescriptorSet(file=[pb.FileDescriptorProto(name=VALIDATE_FILE)])
    pool = build_pool(alone.SerializeToString())
    return GetMessageClass(
        pool.FindMessageTypeByName("google.protobuf.FieldOptions")
    ), pool.FindExtensionByName("buf.validate.field")


def schema_of(fields: Iterable[Ruled]) -> bytes:
    """Answers a descriptor set with a message for each field, which is its ``f``."""
    from google.protobuf import text_format

    options, extension = _classes()
    file = pb.FileDescriptorProto(name="e.proto", package="e", syntax="proto3", dependency=[VALIDATE_FILE])
    enum = file.enum_type.add(name="E")
    for number in (0, 1, 3):
        enum.value.add(name=f"E_{number}", number=number)
    for index, it in enumerate(fields):
        message = file.message_type.add(name=f"M{index}")
        field = message.field.add(name="f", number=1, label=Kind.LABEL_OPTIONAL)
        kind = "int32" if it.kind == "repeated" else it.kind
        field.type = Kind.Type.Value(f"TYPE_{kind.upper()}")
        if it.kind == "repeated":
            field.label = Kind.LABEL_REPEATED
        if it.kind == "enum":
            field.type_name = ".e.E"
        if it.presence:
            message.oneof_decl.add(name="_f")
            field.oneof_index, field.proto3_optional = 0, True
        carrier: Any = options()
        text_format.Merge(it.rules, carrier.Extensions[extension])
        field.options.ParseFromString(carrier.SerializePartialToString())
    validate = pb.FileDescriptorProto(name=VALIDATE_FILE)
    pool: DescriptorPool = build_pool(pb.FileDescriptorSet(file=[validate]).SerializeToString())
    own = pool.FindFileByName(VALIDATE_FILE)
    files = [pb.FileDescriptorProto.FromString(it.serialized_pb) for it in (*own.dependencies, own)]
    return pb.FileDescriptorSet(file=[*files, file]).SerializeToString()


class Oracle:
    """What protovalidate accepts, by message."""

    def __init__(self, descriptor_set: bytes) -> None:
        self._pool = build_pool(descriptor_set)
        self._validator = protovalidate.Validator()

    def accepts(self, index: int, payload: bytes) -> bool:
        """Tells whether an event of the message with that index passes its rules."""
        message: Any = GetMessageClass(self._pool.FindMessageTypeByName(f"e.M{index}")).FromString(payload)
        return not self._validator.collect_violations(message)

    def written(self, index: int, values: Iterable[Any]) -> list[bytes]:
        """Answers the events that the message can hold: nothing, and each of the values."""
        factory: Any = GetMessageClass(self._pool.FindMessageTypeByName(f"e.M{index}"))
        return sorted({b"", *(factory(f=value).SerializePartialToString() for value in values)})
