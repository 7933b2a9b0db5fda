"""Mutants of a schema: descriptors and sources with anything in them changed, whatever it means."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2 as pb

from registry.compiling.compiler import compile_sources
from tests.schema_trials import BASE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

LAST = 2**29 - 1
WORDS = (
    "", ".", "..", "a..b", "x", "é", "a b", "1", "\0", "option", "reserved", "message", "x" * 600, "google",
    ".google.protobuf.Timestamp", ".google.protobuf.FieldOptions", "google/protobuf/timestamp.proto",
    "tidegate",
    "tidegate.v1.Event", "tidegate/x.proto", ".shop.v1.Order", "shop.v1.Order", "Order", ".shop.v1.Color",
    ".shop.v1.Order.CountsEntry", ".shop.v1.Legacy.Body", "shop/v1/order.proto", "shop.v1", "key", "value",
    "CountsEntry", "proto2", "proto3", "editions", "nan", "-inf", "1e999", "true", "RED", "_paid", "pay",
    "*/", "\n",
)  # fmt: skip
NUMBERS = (0, 1, -1, 2, 3, 15, 16, 999, 1000, 19_000, LAST, LAST + 1, 2**31 - 1, -(2**31), 50_001, 1159)


@cache
def base_set() -> bytes:
    """The schema that fuzzing begins with."""
    return compile_sources(BASE).descriptor_set


def mutated(random: Random) -> bytes:
    """Answers the base with one to five fields of its descriptors changed, whatever they mean."""
    files = pb.FileDescriptorSet.FromString(base_set())
    own = [it for it in files.file if it.name.startswith("shop/")]
    for _ in range(random.randint(1, 5)):
        _mutate(random, random.choice(list(_below(random.choice(own)))))
    data = files.SerializePartialToString()
    return data if random.random() < 0.9 else _damaged(random, data)


_TOKEN = re.compile(r'"[^"\n]*"|\w+|\s+|.', re.DOTALL)


def mutated_sources(random: Random) -> bytes:
    """Answers the sources of the base with up to five words doubled, dropped or changed for others."""
    sources = dict(BASE)
    for _ in range(random.randint(1, 5)):
        name = random.choice(list(sources))
        tokens = _TOKEN.findall(sources[name])
        place = random.randrange(len(tokens))
        match random.randrange(4):
            case 0:
                tokens.insert(place, random.choice(tokens))
            case 1:
                del tokens[place : place + random.choice((1, 1, 2, 8))]
            case 2:
                tokens[place] = random.choice([*tokens, *(word or ";" for word in WORDS), "\ud800"])
            case _:
                other = random.randrange(len(tokens))
                tokens[place], tokens[other] = tokens[other], tokens[place]
        sources[name] = "".join(tokens)
    return json.dumps(sources).encode()


def _below(node: Any) -> Iterator[Any]:
    yield node
    for part, value in node.ListFields():
        if part.message_type is not None:
            for each in value if part.is_repeated else (value,):
                yield from _below(each)


def _mutate(random: Random, node: Any) -> None:
    part = random.choice(node.DESCRIPTOR.fields)
    if part.is_repeated:
        _mutate_list(random, part, getattr(node, part.name))
    elif part.message_type is not None:
        getattr(node, part.name).SetInParent()
    elif random.random() < 0.2:
        node.ClearField(part.name)
    else:
        setattr(node, part.name, _value(random, part))


def _mutate_list(random: Random, part: Any, items: Any) -> None:
    action = random.choice(("add", "add", "drop", "double", "swap"))
    if part.message_type is not None and items and action == "add":
        _rename(random, items, items.add())
    elif action == "add" or not items:
        if part.message_type is None:
            items.append(_value(random, part))
        elif isinstance(getattr(new := items.add(), "name", None), str):
            new.name = f"n{random.randrange(1000)}"
    elif action == "drop":
        del items[random.randrange(len(items))]
    elif action == "double":
        items.extend([random.choice(items)])
    else:
        kept = list(items)
        random.shuffle(kept)
        del items[:]
        items.extend(kept)


def _rename(random: Random, items: Any, new: Any) -> None:
    """Makes a new element of a list like another one, but for its name and number."""
    new.CopyFrom(random.choice(items[:-1]))
    if isinstance(getattr(new, "name", None), str):
        new.name = f"n{random.randrange(1000)}"
    if "number" in new.DESCRIPTOR.fields_by_name:
        new.number = random.choice((7, 8, 9, 21, 101, 50_002))


def _value(random: Random, part: Any) -> Any:
    if part.enum_type is not None:
        return random.choice(part.enum_type.values).number
    if part.cpp_type == part.CPPTYPE_STRING:
        word = random.choice(WORDS)
        return word.encode() if part.type == part.TYPE_BYTES else word
    if part.cpp_type == part.CPPTYPE_BOOL:
        return random.random() < 0.5
    if part.cpp_type in {part.CPPTYPE_DOUBLE, part.CPPTYPE_FLOAT}:
        return random.choice((0.0, -0.0, float("inf"), float("nan")))
    number = random.choice(NUMBERS)
    unsigned = part.cpp_type in {part.CPPTYPE_UINT32, part.CPPTYPE_UINT64}
    return abs(number) if unsigned else number


def _damaged(random: Random, data: bytes) -> bytes:
    out = bytearray(data)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(out))
        match random.randrange(3):
            case 0:
                out[place] ^= 1 << random.randrange(8)
            case 1:
                out[place:place] = random.randbytes(random.randint(1, 4))
            case _:
                del out[place : place + random.randint(1, 40)]
    return bytes(out)
