"""Rules about texts, bytes, type URLs and field masks, as sets and conditions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry.compat.allowed import Paths
from registry.compat.rule_demands import Aspect, Condition
from registry.compat.rule_options import said, set_rules

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.allowed_text import Text

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
_VALUES = ("const", "in", "not_in")


def text_aspects(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    """Answers the rules of ``string``, ``bytes`` or ``any``, by what they are about."""
    there = set_rules(typed)
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
            yield name, Aspect(said(kind, typed, (name,)), replace(everything, **held).settled())
    if "pattern" in there:
        condition = Condition("pattern", typed.pattern)
        yield "pattern", Aspect(said(kind, typed, ("pattern",)), everything, frozenset({condition}))
    if "well_known" in {it.name for it in typed.DESCRIPTOR.oneofs}:
        yield from _formats(kind, typed, everything)


def _listed_values(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    rules, there = said(kind, typed, _VALUES), set_rules(typed)
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
        rules = said(kind, typed, names)
        if rules:
            span: Any = {attribute: _span(typed, *names)}
            yield attribute, Aspect(rules, replace(everything, **span).settled())


def _span(typed: Any, exactly: str, least: str, most: str) -> tuple[int, int]:
    there = set_rules(typed)
    low = max([getattr(typed, it) for it in (exactly, least) if it in there], default=0)
    high = min([getattr(typed, it) for it in (exactly, most) if it in there], default=2**64 - 1)
    return low, high


def _formats(kind: str, typed: Any, everything: Text) -> Iterator[tuple[str, Aspect]]:
    name = typed.WhichOneof("well_known")
    if name is None or not getattr(typed, name):
        return
    rules = said(kind, typed, (name, "strict") if name == "well_known_regex" else (name,))
    text = _SIZES[name] if isinstance(everything.empty, bytes) else name
    if name == "well_known_regex":
        loose = "strict" in set_rules(typed) and not typed.strict
        text = f"{name} = {typed.well_known_regex}{' loose' if loose else ''}"
    yield "format", Aspect(rules, everything, frozenset({Condition("format", text)}))


def path_aspects(kind: str, typed: Any) -> Iterator[tuple[str, Aspect]]:
    """Answers the rules of a field mask."""
    rules, there = said(kind, typed, _VALUES), set_rules(typed)
    if rules:
        only = frozenset(getattr(typed, "in")) if "in" in there else None
        exactly = tuple(typed.const.paths) if "const" in there else None
        yield "values", Aspect(rules, Paths(only, frozenset(typed.not_in), exactly))


def with_formats(text: Text, conditions: frozenset[Condition]) -> tuple[Text, frozenset[Condition]]:
    """Answers texts with what formats say of their lengths, and the formats that follow."""
    least, most = text.length
    for it in conditions:
        if it.name == "format":
            low, high = _LENGTHS.get(it.text, (0 if it.text in _TAKE_EMPTY else 1, most))
            least, most = max(least, low), min(most, high)
    settled = replace(text, length=(least, most)).settled()
    formats = {it.text for it in conditions if it.name == "format"}
    if isinstance(text.empty, bytes):
        formats |= {name for name in ("4", "16") if settled.length == _LENGTHS[name]}
    implied = {name for it in formats for name in (it, *_IMPLIED.get(it, ()))}
    return settled, conditions | {Condition("format", name) for name in implied}


def both_texts(some: Text, more: Text) -> Text:
    """Answers what is in both; the second is of one aspect, so that each of its parts is set once."""
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
