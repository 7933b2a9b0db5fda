"""The rules about enums that both versions have: values that came, went or were renamed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.catalogue import ANY
from registry.compat.pair import found, json_not_held
from registry.compat.promise import Verdict
from registry.compat.reserved import Removed, compare_reserved, unreserved
from registry.compat.words import reserve

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.rule import Ways
    from registry.compat.shape import EnumShape

_BACKWARD: Ways = (Verdict.BREAKS, Verdict.FINE)
_FORWARD: Ways = (Verdict.FINE, Verdict.BREAKS)


def compare_enums(pair: Pair, names: Iterable[str]) -> Iterator[Finding]:
    """Answers what changed in those of some enums that both versions have."""
    for name in names:
        old, new = pair.old.enums.get(name), pair.new.enums.get(name)
        if old is not None and new is not None and old is not new:
            yield from _kind(pair, old, new)
            yield from _values(pair, old, new)
            yield from compare_reserved(old, new)


def _kind(pair: Pair, old: EnumShape, new: EnumShape) -> Iterator[Finding]:
    if old.closed is not new.closed:
        ways = _BACKWARD if new.closed else _FORWARD
        words = ("open", "closed") if new.closed else ("closed", "open")
        yield found(
            "ENUM_SAME_TYPE",
            old.name,
            f"changed from {words[0]} to {words[1]}",
            pair.by_way("lose numbers without a name", ways),
            f"set `option features.enum_type = {words[0].upper()};`, in edition 2023",
            data=ways,
        )
    if old.json_allowed and not new.json_allowed:
        yield json_not_held("ENUM_SAME_JSON_FORMAT", old.name)


def _values(pair: Pair, old: EnumShape, new: EnumShape) -> Iterator[Finding]:
    for number, names in old.values.items():
        kept = new.values.get(number)
        if kept is None:
            yield from _removed(pair, old, new, number)
        elif set(names) != set(kept):
            yield _renamed(pair, old, new, number)
    for number in new.values.keys() - old.values.keys():
        yield _added(pair, old, new, number)


def _removed(pair: Pair, old: EnumShape, new: EnumShape, number: int) -> Iterator[Finding]:
    names = old.values[number]
    path, change = f"{old.name}.{names[0]}", f"value {number} is gone"
    seen = "the default" if new.closed else f"{number}, a number without a name,"
    effect = (
        f"{pair.new_readers(f'see {seen} instead of {names[0]}')}; strict readers refuse the name in JSON"
    )
    keep = f"keep `{names[0]} = {number};`, and mark it deprecated"
    yield found("ENUM_VALUE_NO_DELETE", path, change, effect, keep)
    missing = [it for it in names if it not in new.reserved_names and it not in new.numbers]
    line = reserve(None if number in new.reserved else number, missing, new.syntax)
    removed = Removed("ENUM_VALUE", path, number, names)
    yield from unreserved(removed, new, change, f"add `{line}` to enum {new.name}")


def _renamed(pair: Pair, old: EnumShape, new: EnumShape, number: int) -> Finding:
    names, now = old.values[number], new.values[number]
    gone, came = [it for it in names if it not in now], [it for it in now if it not in names]
    data = _written(names, gone), _written(now, came)
    known = gone or came
    effect = pair.by_way(f"don't know the name {known[0]} in JSON", data)
    instead = f"keep {names[0]} first; with `option allow_alias = true;` other names can have the number, too"
    is_taken = any(it in new.numbers for it in gone) or any(it in old.numbers for it in came)
    if is_taken:
        effect = pair.all_readers(f"take {names[0]} for {now[0]}")
        instead = f"keep `{names[0]} = {number};`, and give new values new numbers"
    return found(
        "ENUM_VALUE_SAME_NAME",
        f"{old.name}.{(gone or list(names))[0]}",
        f"renamed from {', '.join(names)} to {', '.join(now)}",
        effect,
        instead,
        ways=(max(data[0], Verdict.BREAKS if gone else Verdict.FINE), data[1]),
        data=data,
        wire=ANY if is_taken else (Verdict.FINE, Verdict.FINE),
    )


def _written(names: tuple[str, ...], unknown: list[str]) -> Verdict:
    """Answers how a reader fares that does not know some of the writer's names: one alone is written."""
    if names[0] in unknown:
        return Verdict.BREAKS
    return Verdict.NOTICE if unknown else Verdict.FINE


def _added(pair: Pair, old: EnumShape, new: EnumShape, number: int) -> Finding:
    name = new.values[number][0]
    seen = "the default" if old.closed else f"{number}, a number without a name,"
    effect = f"{pair.old_readers(f'see {seen} instead of {name}')}; strict readers refuse the name in JSON"
    suggestion = "let readers take on this version before anybody writes the value"
    return found("ENUM_VALUE_NO_ADD", f"{old.name}.{name}", f"value {number} is new", effect, suggestion)
