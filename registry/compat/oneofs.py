"""The rules about oneofs: which fields push each other out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from registry.compat.pair import found
from registry.compat.promise import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.shape import FieldShape, MessageShape


def compare_oneofs(pair: Pair, old: MessageShape, new: MessageShape) -> Iterator[Finding]:
    """Answers which fields moved into, out of or between oneofs, and which oneofs are gone."""
    if not (old.oneofs or new.oneofs):
        return
    both = [(field, new.fields[number]) for number, field in old.fields.items() if number in new.fields]
    before = Counter(field.oneof for field, _ in both)
    after = Counter(field.oneof for _, field in both)
    together = Counter((was.oneof, became.oneof) for was, became in both)
    for was, became in both:
        if was.oneof != became.oneof:
            stayed = together[was.oneof, became.oneof]
            # A field that is in a oneof with others now, but was not with all of them, may push these out.
            backward = bool(became.oneof) and after[became.oneof] > (stayed if was.oneof else 1)
            forward = bool(was.oneof) and before[was.oneof] > (stayed if became.oneof else 1)
            yield _moved(pair, was, became, backward=backward, forward=forward)
    for name in sorted(old.oneofs - new.oneofs):
        effect = f"code that uses the oneof `{name}` no longer compiles"
        yield found(
            "ONEOF_NO_DELETE", f"{old.name}.{name}", "the oneof is gone", effect, f"keep oneof {name}"
        )


def _moved(pair: Pair, old: FieldShape, new: FieldShape, *, backward: bool, forward: bool) -> Finding:
    data = _verdict(backward), _verdict(forward)
    effect = f"code that uses `{old.name}` finds it elsewhere"
    if backward or forward:
        what = f"lose `{old.name}` where another field of its oneof follows it"
        effect = pair.by_way(what, data)
    return found(
        "FIELD_SAME_ONEOF",
        old.path,
        f"moved from {_place(old)} to {_place(new)}",
        effect,
        f"leave it in {_place(old)}" if old.oneof else "take it out again, or add a new field to the oneof",
        data=data,
    )


def _verdict(is_lost: bool) -> Verdict:  # noqa: FBT001 - a bool is all there is
    return Verdict.BREAKS if is_lost else Verdict.FINE


def _place(field: FieldShape) -> str:
    return f"oneof {field.oneof}" if field.oneof else "no oneof"
