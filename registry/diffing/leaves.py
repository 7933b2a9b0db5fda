"""Options as single values under their paths, so that each change of one is one difference."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.printing.aggregates import is_map, pieces, value_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.printing.names import Names

_RULES = "(buf.validate."
_WHOLE = 4096
"""Characters of a value that are kept; the rest counts by its hash."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value of an option, or several of a repeated one."""

    path: str
    text: str

    @property
    def element(self) -> str:
        """``rule`` or ``option``."""
        return "rule" if self.path.startswith(_RULES) else "option"

    def __str__(self) -> str:
        return f"{self.path} = {self.text}"


def leaves(options: Any, names: Names) -> Iterator[Leaf]:
    """Answers the values of a message of options; what no file declares as one value."""
    yield from _leaves(options, "", names)
    unknown = type(options)()
    unknown.CopyFrom(options)
    for field, _ in options.ListFields():
        unknown.ClearField(field.name) if not field.is_extension else unknown.ClearExtension(field)
    if data := unknown.SerializePartialToString(deterministic=True):
        yield Leaf("what no file declares", _bounded(iter([data.hex()])))


def _leaves(message: Any, path: str, names: Names) -> Iterator[Leaf]:
    for field, value in message.ListFields():
        name = f"({names.extension('', field.full_name)})" if field.is_extension else field.name
        here = f"{path}.{name}" if path else name
        if field.full_name == "google.protobuf.MessageOptions.map_entry":
            continue
        if field.is_repeated:
            yield from _repeated(field, value, here, names)
        elif field.message_type is None:
            yield Leaf(here, _bounded(value_pieces(field, value, names, sys.maxsize)))
        elif value.ListFields():
            yield from _leaves(value, here, names)
        else:
            yield Leaf(here, "{}")


def _repeated(field: Any, value: Any, path: str, names: Names) -> Iterator[Leaf]:
    """Answers a value for each id, if the messages of a field have one, such as rules in CEL."""
    ids = _ids(field, value)
    if ids:
        for name, each in zip(ids, value, strict=True):
            yield Leaf(f"{path}[{name}]", _bounded(pieces(each, names, sys.maxsize)))
    else:
        yield Leaf(path, _bounded(value_pieces(field, value, names, sys.maxsize)))


def _ids(field: Any, value: Any) -> list[str]:
    if field.message_type is None or is_map(field) or "id" not in field.message_type.fields_by_name:
        return []
    found = [str(each.id) for each in value]
    return found if all(found) and len(set(found)) == len(found) else []


def _bounded(texts: Iterable[str]) -> str:
    kept, length, digest = [], 0, hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
        length += len(text)
        if length - len(text) < _WHOLE:
            kept.append(text[:_WHOLE])
    joined = "".join(kept)
    return joined if length <= _WHOLE else f"{joined}… ({length:,} characters, SHA-256 {digest.hexdigest()})"
