"""Which fields of data to keep: a field mask, as paths and for messages of a type.

A path ends at any field, and leads there through single messages: not through lists and maps, as
``google.protobuf.FieldMask`` has it. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from registry.errors import InvalidRequest
from registry.names import close_names, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor

FIELD: Final = "read_mask"
MAX_PATHS: Final = 100
MAX_PATH: Final = 512
"""Paths of a mask, and characters of a path."""
_PATH: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)


def read_mask(paths: Sequence[str]) -> tuple[str, ...]:
    """Answers the paths of a mask in normal form: sorted, each once.

    Raises:
        InvalidRequest: One of them is no path, or they are too many.
    """
    if len(paths) > MAX_PATHS:
        raise InvalidRequest(FIELD, f"has {len(paths):,} paths; at most {MAX_PATHS} are allowed")
    for index, path in enumerate(paths):
        if len(path) > MAX_PATH or _PATH.fullmatch(path) is None:
            raise InvalidRequest(
                f"{FIELD}.paths[{index}]", f"{shown(path)!r} is no path: names of fields, separated by dots"
            )
    return tuple(sorted(set(paths)))


def check_path(path: str, types: Sequence[Descriptor]) -> None:
    """Checks that a path leads to a field of at least one type; types that nobody knows have any.

    Raises:
        InvalidRequest: It leads nowhere.
    """
    problems = []
    for descriptor in types:
        problem = _problem(path, descriptor)
        if problem is None:
            return
        problems.append(problem)
    if problems:
        more = len(problems) - 1
        others = f"; nor does it fit {more:,} other type{'s' if more > 1 else ''}" if more else ""
        raise InvalidRequest(FIELD, f"{shown(path)!r}: {problems[0]}{others}")


def _problem(path: str, descriptor: Descriptor) -> str | None:
    """Answers why a path leads nowhere in messages of a type."""
    name, _, rest = path.partition(".")
    field = descriptor.fields_by_name.get(name)
    if field is None:
        near = close_names(name, descriptor.fields_by_name)
        hint = f"; close to it: {', '.join(near)}" if near else ""
        return f"{shown(name)!r} is no field of {descriptor.full_name}{hint}"
    if not rest:
        return None
    if field.is_repeated or field.message_type is None:
        what = "repeated" if field.is_repeated else "no message"
        return f"{name} of {descriptor.full_name} is {what}: a path ends there"
    return _problem(rest, field.message_type)


class Mask:
    """A mask for messages of one type. What its paths don't name is left out; required fields stay."""

    __slots__ = ("_below", "_kept")

    def __init__(self, paths: Iterable[str], descriptor: Descriptor) -> None:
        """Takes paths; those that lead nowhere in this type are passed over."""
        named = [path.partition(".")[::2] for path in paths]
        whole = {name for name, rest in named if not rest}
        whole |= {field.name for field in descriptor.fields if field.is_required}
        fields: Mapping[str, FieldDescriptor] = descriptor.fields_by_name
        self._kept = {fields[name].number for name in whole if name in fields}
        self._below: dict[int, Mask] = {}
        for name in {name for name, rest in named if rest} - whole:
            field = fields.get(name)
            if field is not None and field.message_type is not None and not field.is_repeated:
                rest = [rest for other, rest in named if other == name]
                self._below[field.number] = Mask(rest, field.message_type)

    def apply(self, message: Any) -> None:
        """Leaves out of a message what the mask doesn't name; unknown fields are its caller's business."""
        for field, value in message.ListFields():
            if field.is_extension:
                message.ClearExtension(field)
            elif field.number in self._below:
                self._below[field.number].apply(value)
            elif field.number not in self._kept:
                message.ClearField(field.name)
