"""Which values the rules of a field allow: ``buf.validate`` options, read as sets and conditions.

What can be reckoned with (bounds, lists, lengths, prefixes) becomes a set of ``allowed``; what can't
(patterns, formats, CEL, rules about the present time) is a condition that is met or not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Kind
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from registry.compat.allowed import Anything, Ordered, Paths, Scale, Text, float_scale
from registry.compat.rule_carriers import is_supplied, read_rule_file
from registry.compat.shape import Numbers, Span
from registry.descriptors import build_pool
from registry.supplied import VALIDATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.compat.allowed import Allowed
    from registry.compat.rule_carriers import FieldCarrier, RuleFile

ALWAYS = 3
"""``Ignore.IGNORE_ALWAYS``."""

_INTEGERS = {
    Kind.TYPE_INT32: Scale("integer", -(2**31), 2**31 - 1),
    Kind.TYPE_INT64: Scale("integer", -(2**63), 2**63 - 1),
    Kind.TYPE_UINT32: Scale("integer", 0, 2**32 - 1),
    Kind.TYPE_UINT64: Scale("integer", 0, 2**64 - 1),
    Kind.TYPE_BOOL: Scale("integer", 0, 1),
}
_SCALES = {
    **_INTEGERS,
    Kind.TYPE_SINT32: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_SFIXED32: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_ENUM: _INTEGERS[Kind.TYPE_INT32],
    Kind.TYPE_FIXED32: _INTEGERS[Kind.TYPE_UINT32],
    Kind.TYPE_SINT64: _INTEGERS[Kind.TYPE_INT64],
    Kind.TYPE_SFIXED64: _INTEGERS[Kind.TYPE_INT64],
    Kind.TYPE_FIXED64: _INTEGERS[Kind.TYPE_UINT64],
    Kind.TYPE_FLOAT: float_scale("float"),
    Kind.TYPE_DOUBLE: float_scale("double"),
}
_COUNT = Scale("count", 0, 2**64 - 1, "count")
_TIMESTAMP = Scale("timestamp", -62_135_596_800 * 10**9, 253_402_300_799_999_999_999, "seconds")
_DURATION = Scale("duration", -315_576_000_000_999_999_999, 315_576_000_000_999_999_999, "seconds")
_WRAPPED = {
    "DoubleValue": Kind.TYPE_DOUBLE,
    "FloatValue": Kind.TYPE_FLOAT,
    "Int64Value": Kind.TYPE_INT64,
    "UInt64Value": Kind.TYPE_UINT64,
    "Int32Value": Kind.TYPE_INT32,
    "UInt32Value": Kind.TYPE_UINT32,
    "BoolValue": Kind.TYPE_BOOL,
    "StringValue": Kind.TYPE_STRING,
    "BytesValue": Kind.TYPE_BYTES,
}
_IMPLIED = {
    "ipv4": ("ip", "address"),
    "ipv6": ("ip", "address"),
    "ip": ("address",),
    "hostname": ("address",),
    "uri": ("uri_ref",),
    "ipv4_prefix": ("ip_prefix", "ipv4_with_prefixlen", "ip_with_prefixlen"),
    "ipv6_prefix": ("ip_prefix", "ipv6_with_prefixlen", "ip_with_prefixlen"),
    "ip_prefix": ("ip_with_prefixlen",),
    "ipv4_with_prefixlen": ("ip_with_prefixlen",),
    "ipv6_with_prefixlen": ("ip_with_prefixlen",),
    # Formats of bytes are their sizes.
    "4": ("4 or 16",),
    "16": ("4 or 16",),
}
_LENGTHS = {
    "uuid": (36, 36),
    "tuuid": (32, 32),
    "ulid": (26, 26),
    "4": (4, 4),
    "16": (16, 16),
    "4 or 16": (4, 16),
}
_TAKE_EMPTY = {"uri_ref", "well_known_regex = 2", "well_known_regex = 2 loose"}
_SIZES = {"ip": "4 or 16", "ipv4": "4", "ipv6": "16", "uuid": "16"}
_VALUES, _BOUNDS = ("const", "in", "not_in"), ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule that can't be reckoned with: it is met wherever an equal one is.

    Attributes:
        name: What it is about: ``pattern``, ``cel``, ...
        text: What it demands.
        at_most: Set if a smaller one of the name implies it too: nanoseconds from now.
    """

    name: str
    text: str
    at_most: int | None = None

    def follows(self, given: frozenset[Condition]) -> bool:
        """Tells whether it is met wherever those that are given are."""
        return self in given or (
            self.at_most is not None
            and any(
                it.name == self.name and it.at_most is not None and it.at_most <= self.at_most for it in given
            )
        )


@dataclass(frozen=True, slots=True)
class Aspect:
    """Rules that are looked at together.

    Attributes:
        rules: Their values as text, by name: ``{"int32.gte": "1"}``.
        allowed: The values that pass, as far as they can be reckoned with.
        conditions: What else must be met.
    """

    rules: Mapping[str, str]
    allowed: Allowed
    conditions: frozenset[Condition] = frozenset()


@dataclass(frozen=True, slots=True)
class Demand:
    """What rules ask of a value.

    Attributes:
        aspects: The rules, by what they are about.
        allowed: The values that pass all of them, as far as they can be reckoned with.
        conditions: What else must be met, with all that follows from it.
        required: Whether it must be there.
        spares_zero: Whether a value that is zero, or empty, is not looked at.
        ignored: Whether rules are there and don't count.
        parts: Demands on its elements: ``repeated.items``, ``map.keys``, ``map.values``.
    """

    aspects: Mapping[str, Aspect]
    allowed: Allowed
    conditions: frozenset[Condition] = frozenset()
    required: bool = False
    spares_zero: bool = False
    ignored: bool = False
    parts: Mapping[str, Demand] = field(default_factory=dict)

    def meets(self, aspect: Aspect, *, nonzero: bool = False) -> bool:
        """Tells whether all values (other than zero, if asked) that pass here pass an aspect."""
        allowed = self.allowed.without_zero() if nonzero else self.allowed
        return allowed.is_empty or (
            allowed.within(aspect.allowed) and all(it.follows(self.conditions) for it in aspect.conditions)
        )

    def takes_zero(self) -> bool | None:
        """Tells whether zero passes the rules about values; None if that can't be told here."""
        if not self.allowed.has_zero:
            return False
        return None if self.conditions else True


class Declared:
    """What a schema declares beside the rules and rules depend on; read when first asked for."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files

    def _read(self) -> Iterator[RuleFile]:
        return (read_rule_file(file) for file in self._files if not is_supplied(file))

    @cached_property
    def enums(self) -> Mapping[str, frozenset[int]]:
        """Numbers that have a name, by the enum's full name."""
        return {name: it for file in self._read() for name, it in file.enums.items()}

    @cached_property
    def predefined(self) -> Mapping[tuple[str, int], tuple[str, bytes]]:
        """The rules that the schema defines itself; see ``RuleFile``."""
        return {key: it for file in self._read() for key, it in file.predefined.items()}


@cache
def standard_pool() -> DescriptorPool:
    """Answers a pool of ``buf.validate`` alone."""
    alone = FileDescriptorSet(file=[FileDescriptorProto(name=VALIDATE_FILE)])
    return build_pool(alone.SerializeToString())


@lru_cache(maxsize=1024)
def read_options(kind: str, options: bytes) -> Any | None:
    """Answers the rules in serialized options, None if there are none.

    Args:
        kind: ``field``, ``message``, ``oneof`` or ``predefined``.
        options: Serialized ``FieldOptions``, ``MessageOptions`` or ``OneofOptions``.
    """
    pool = standard_pool()
    extension: Any = pool.FindExtensionByName(f"buf.validate.{kind}")
    read = GetMessageClass(extension.containing_type).FromString(options)
    return read.Extensions[extension] if read.HasExtension(extension) else None


def demand_of(carrier: FieldCarrier, declared: Declared, *, exclusive: bool = False) -> Demand:
    """Answers what a field's rules ask of its value.

    Args:
        carrier: The field.
        declared: The enums and predefined rules of its schema.
        exclusive: Whether a rule of its message lets it be set only without others.
    """
    rules = read_options("field", carrier.options)
    if rules is None:
        rules = _no_rules()
    demand = _demand(rules, carrier, declared)
    if exclusive and not rules.HasField("ignore") and not carrier.has_presence:
        return replace(demand, spares_zero=True)
    return demand


@cache
def _no_rules() -> Any:
    return GetMessageClass(standard_pool().FindMessageTypeByName("buf.validate.FieldRules"))()


def _demand(rules: Any, carrier: FieldCarrier, declared: Declared, part: str = "") -> Demand:
    """Reads rules of a field, or with ``part`` those of one of its elements: ``repeated.items.``."""
    single = bool(part)
    everything = _everything(carrier, single=single)
    if rules.ignore == ALWAYS:
        return Demand({}, everything, ignored=True)
    aspects = {
        about: replace(it, rules={f"{part}{name}": text for name, text in it.rules.items()})
        for about, it in _aspects(rules, carrier, declared, everything)
    }
    allowed, conditions = _together(everything, aspects.values())
    return Demand(
        aspects,
        allowed,
        conditions,
        required=rules.required and not single,
        spares_zero=rules.ignore == 1 and (single or not carrier.has_presence),
        parts={} if single else dict(_parts(rules, carrier, declared)),
    )


def _everything(carrier: FieldCarrier, *, single: bool) -> Allowed:
    if carrier.repeated and not single:
        return _COUNT.everything()
    if carrier.kind in _SCALES:
        return _SCALES[carrier.kind].everything()
    if carrier.kind in {Kind.TYPE_STRING, Kind.TYPE_BYTES}:
        return _text(carrier.kind)
    return _everything_known(carrier.type_name)


def _text(kind: int) -> Text:
    return Text() if kind == Kind.TYPE_STRING else Text(b"", prefix=b"", suffix=b"", part=b"")


def _everything_known(type_name: str) -> Allowed:
    name = type_name.removeprefix("google.protobuf.")
    if name in _WRAPPED and name != type_name:
        kind = _WRAPPED[name]
        return _SCALES[kind].everything() if kind in _SCALES else _text(kind)
    known: dict[str, Allowed] = {
        "google.protobuf.Timestamp": _TIMESTAMP.everything(),
        "google.protobuf.Duration": _DURATION.everything(),
        "google.protobuf.Any": Text(),
        "google.protobuf.FieldMask": Paths(),
    }
    return known.get(type_name, Anything())


def _parts(rules: Any, carrier: FieldCarrier, declared: Declared) -> Iterator[tuple[str, Demand]]:
    if carrier.entry:
        key, value = carrier.entry
        yield "map.keys", _demand(rules.map.keys, key, declared, "map.keys.")
        yield "map.values", _demand(rules.map.values, value, declared, "map.values.")
    elif carrier.repeated:
        yield "repeated.items", _demand(rules.repeated.items, carrier, declared, "repeated.items.")


def _together(everything: Allowed, aspects: Iterable[Aspect]) -> tuple[Allowed, frozenset[Condition]]:
    allowed, conditions = everything, set[Condition]()
    for aspect in aspects:
        allowed = _both(allowed, aspect.allowed)
        conditions |= aspect.conditions
    if isinstance(allowed, Text):
        allowed = _with_formats(allowed, conditions)
        if isinstance(allowed.empty, bytes) and allowed.length in (_LENGTHS["4"], _LENGTHS["16"]):
            conditions.add(Condition("format", str(allowed.length[0])))
    for it in list(conditions):
        if it.name == "format":
            conditions |= {Condition("format", implied) for implied in _IMPLIED.get(it.text, ())}
    if isinstance(allowed, Ordered) and allowed.scale is _COUNT and not allowed.numbers.without(_FEW):
        conditions.add(Condition("unique", "true"))
    return allowed, frozenset(conditions)


_FEW = Numbers([Span(0, 1)])


def _with_formats(text: Text, conditions: Iterable[Condition]) -> Text:
    """Adds what formats say of lengths."""
    least, most = text.length
    for it in conditions:
        if it.name == "format":
            low, high = _LENGTHS.get(it.text, (0 if it.text in _TAKE_EMPTY else 1, most))
            least, most = max(least, low), min(most, high)
    return replace(text, length=(least, most)).settled()


def _both(some: Allowed, more: Allowed) -> Allowed:
    """Answers what is in both; the second is of one aspect, so that each of its parts is set once."""
    if isinstance(some, Ordered) and isinstance(more, Ordered):
        return some.only(more.numbers.without(Numbers()))
    if isinstance(some, Text) and isinstance(more, Text):
        return _both_texts(some, more)
    return some if isinstance(more, Anything) else more


def _both_texts(some: Text, more: Text) -> Text:
    return replace(
        some,
        only=more.only if some.only is None else some.only,
        length=(max(some.length[0], more.length[0]), min(some.length[1], more.length[1])),
        size=(max(some.size[0], more.size[0]), min(some.size[1], more.size[1])),
        prefix=more.prefix or some.prefix,
        suffix=more.suffix or some.suffix,
        part=more.part or some.part,
        never=some.never if more.never is None else more.never,
        but=some.but | more.but,
    )


def _aspects(
    rules: Any, carrier: FieldCarrier, declared: Declared, everything: Allowed
) -> Iterator[tuple[str, Aspect]]:
    yield from cel_aspects(rules, everything)
    kind = rules.WhichOneof("type")
    if kind is None:
        return
    typed = getattr(rules, kind)
    yield from _predefined_aspects(kind, typed, declared, everything)
    if isinstance(everything, Ordered):
        yield from _ordered_aspects(kind, typed, carrier, declared, everything)
    elif isinstance(everything, Text):
        yield from _text_aspects(kind, typed, everything)
    elif isinstance(everything, Paths):
        yield from _path_aspects(kind, typed)


def cel_aspects(rules: Any, everything: Allowed) -> Iterator[tuple[str, Aspect]]:
    """Answers the CEL rules of a field, or of a message, each an aspect of its own."""
    for rule in rules.cel:
        condition = Condition("cel", rule.expression.strip())
        yield (
            f"cel {rule.id}",
            Aspect({f"cel {rule.id}": rule.expression.strip()}, everything, frozenset({condition})),
        )
    for index, expression in enumerate(rules.cel_expression):
        condition = Condition("cel", expression.strip())
        yield (
            f"cel_expression {index}",
            Aspect({"cel_expression": expression.strip()}, everything, frozenset({condition})),
        )


def _predefined_aspects(
    kind: str, typed: Any, declared: Declared, everything: Allowed
) -> Iterator[tuple[str, Aspect]]:
    """Answers rules that the schema defined itself: extensions, which are unknown fields here."""
    values: dict[int, list[Any]] = {}
    for it in UnknownFieldSet(typed):
        values.setdefault(it.field_number, []).append(it.data)
    for number, value in values.items():
        name, options = declared.predefined.get((typed.DESCRIPTOR.full_name, number), (str(number), b""))
        defined = read_options("predefined", options)
        cel = " && ".join(rule.expression for rule in defined.cel) if defined is not None else ""
        condition = Condition(name, f"{value!r} {cel}")
        rules = {f"{kind}.({name})": ", ".join(map(_shown_unknown, value)), f"the CEL of {name}": cel}
        yield name, Aspect(rules, everything, frozenset({condition}))


def _shown_unknown(data: Any) -> str:
    if isinstance(data, bytes):
        return shown_rule(data.decode() if data.isascii() else data, many=False)
    return str(data)


def _ordered_aspects(
    kind: str, typed: Any, carrier: FieldCarrier, declared: Declared, everything: Ordered
) -> Iterator[tuple[str, Aspect]]:
    if everything.scale is _COUNT:
        yield from _count_aspects(kind, typed, everything)
        return
    rules = _said(kind, typed, (*_VALUES, *_BOUNDS, "finite", "defined_only"))
    allowed = everything.only(_bounded(typed, everything))
    if "const" in _set(typed):
        allowed = allowed.only(_spots([typed.const], everything.scale))
    if "in" in _set(typed):
        allowed = allowed.only(_spots(getattr(typed, "in"), everything.scale))
    if "not_in" in _set(typed):
        allowed = allowed.but(it.first for it in _spots(typed.not_in, everything.scale))
    if "finite" in _set(typed) and typed.finite:
        allowed = allowed.only([Span(everything.scale.least + 1, everything.scale.most - 1)])
    if "defined_only" in _set(typed) and typed.defined_only:
        allowed = allowed.only(Span(it, it) for it in declared.enums.get(carrier.type_name, ()))
    if rules:
        yield "values", Aspect(rules, allowed)
    yield from _present_time(kind, typed, everything)


def _set(typed: Any) -> set[str]:
    return {descriptor.name for descriptor, _ in typed.ListFields()}


def _said(kind: str, typed: Any, names: Iterable[str]) -> dict[str, str]:
    """Answers the rules among ``names`` that are set, as text."""
    return {
        f"{kind}.{descriptor.name}": shown_rule(value, many=descriptor.is_repeated)
        for descriptor, value in typed.ListFields()
        if descriptor.name in names
    }


def shown_rule(value: Any, *, many: bool) -> str:
    """Answers a rule's value as it would stand in the source."""
    if many:
        return f"[{', '.join(shown_rule(it, many=False) for it in value)}]"
    if hasattr(value, "DESCRIPTOR"):
        return "{" + text_format.MessageToString(value, as_one_line=True) + "}"
    if isinstance(value, bytes):
        return f'"{text_encoding.CEscape(value, as_utf8=False)}"'
    return json.dumps(value, ensure_ascii=False)


def _spots(values: Iterable[Any], scale: Scale) -> list[Span]:
    """Answers the places of values. Nothing equals NaN, and what the type can't hold is not there."""
    places = (scale.place(value) for value in values)
    return [Span(it, it) for it in places if scale.least <= it <= scale.most]


def _bounded(typed: Any, everything: Ordered) -> list[Span]:
    """Answers what lies within the bounds; outside of both, if the upper one is the lower one's lower."""
    scale, there = everything.scale, _set(typed)
    lower = next((it for it in ("gt", "gte") if it in there), None)
    upper = next((it for it in ("lt", "lte") if it in there), None)
    if lower is None and upper is None:
        return everything.numbers.without(Numbers())
    first = scale.place(getattr(typed, lower)) if lower else scale.least
    last = scale.place(getattr(typed, upper)) if upper else scale.most
    if max(first, last) > scale.most:  # NaN: comparisons with it are false, so that nothing is refused
        return everything.numbers.without(Numbers()) if lower and upper else [Span(scale.least, scale.most)]
    start, end = first + (lower == "gt"), last - (upper == "lt")
    if lower and upper and last < first:
        return [Span(scale.least, end), Span(start, scale.most)]
    return [Span(start, end)] if start <= end else []


def _present_time(kind: str, typed: Any, everything: Ordered) -> Iterator[tuple[str, Aspect]]:
    for name in ("lt_now", "gt_now"):
        if name in _set(typed) and getattr(typed, name):
            yield name, Aspect({f"{kind}.{name}": "true"}, everything, frozenset({Condition(name, "true")}))
    if "within" in _set(typed):
        nanos = _DURATION.place(typed.within)
        condition = Condition("within", str(nanos), at_most=nanos)
        yield "within", Aspect(_said(kind, typed, ("within",)), everything, frozenset({condition}))


def _count_aspects(kind: str, typed: Any, everything: Ordered) -> Iterator[tuple[str, Aspect]]:
    what = "items" if kind == "repeated" else "pairs"
    rules = _said(kind, typed, (f"min_{what}", f"max_{what}"))
    if rules:
        least = getattr(typed, f"min_{what}")
        most = getattr(typed, f"max_{what}") if f"{kind}.max_{what}" in rules else everything.scale.most
        spans = [Span(least, most)] if least <= most else []
        yield "count", Aspect(rules, everything.only(spans))
    if "unique" in _set(typed) and typed.unique:
        condition = Condition("unique", "true")
        yield "unique", Aspect({"repeated.unique": "true"}, everything, frozenset({condition}))


def _text_aspects(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    there = _set(typed)
    yield from _listed_values(kind, typed, everything)
    yield from _lengths(kind, typed, everything)
    for name, attribute in (
        ("prefix",) * 2,
        ("suffix",) * 2,
        ("contains", "part"),
        ("not_contains", "never"),
    ):
        if name in there:
            held: Any = {attribute: getattr(typed, name)}
            yield name, Aspect(_said(kind, typed, (name,)), replace(everything, **held).settled())
    if "pattern" in there:
        condition = Condition("pattern", typed.pattern)
        yield "pattern", Aspect(_said(kind, typed, ("pattern",)), everything, frozenset({condition}))
    if "well_known" in {it.name for it in typed.DESCRIPTOR.oneofs}:
        yield from _formats(kind, typed, everything)


def _listed_values(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    rules, there = _said(kind, typed, _VALUES), _set(typed)
    only: frozenset[Any] | None = frozenset(getattr(typed, "in")) if "in" in there else None
    if "const" in there:
        only = frozenset({typed.const}) if only is None else only & {typed.const}
    if rules:
        but = frozenset(typed.not_in)
        yield "values", Aspect(rules, replace(everything, only=only, but=but).settled())


def _lengths(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    for attribute, names in (
        ("length", ("len", "min_len", "max_len")),
        ("size", ("len_bytes", "min_bytes", "max_bytes")),
    ):
        rules = _said(kind, typed, names)
        if rules:
            span: Any = {attribute: _span(typed, *names)}
            yield attribute, Aspect(rules, replace(everything, **span).settled())


def _span(typed: Any, exactly: str, least: str, most: str) -> tuple[int, int]:
    there = _set(typed)
    low = max([getattr(typed, it) for it in (exactly, least) if it in there], default=0)
    high = min([getattr(typed, it) for it in (exactly, most) if it in there], default=2**64 - 1)
    return low, high


def _formats(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    name = typed.WhichOneof("well_known")
    if name is None or not getattr(typed, name):
        return
    rules = _said(kind, typed, (name, "strict") if name == "well_known_regex" else (name,))
    text = _SIZES[name] if isinstance(everything.empty, bytes) else name
    if name == "well_known_regex":
        loose = "strict" in _set(typed) and not typed.strict
        text = f"{name} = {typed.well_known_regex}{' loose' if loose else ''}"
    yield "format", Aspect(rules, everything, frozenset({Condition("format", text)}))


def _path_aspects(kind: str, typed: Any) -> Iterator[tuple[str, Aspect]]:
    rules, there = _said(kind, typed, _VALUES), _set(typed)
    if rules:
        only = frozenset(getattr(typed, "in")) if "in" in there else None
        exactly = tuple(typed.const.paths) if "const" in there else None
        yield "values", Aspect(rules, Paths(only, frozenset(typed.not_in), exactly))
