"""What somebody says that a group is, held against what it may be and what it is already.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from gateway.errors import GroupDiffers
from gateway.groups.settings import FIELDS, Stated, default_backoff, make_settings
from gateway.groups.values import Definition, Settings
from gateway.selection import is_topic_name
from gateway.topic_choice import choose
from registry.errors import InvalidRequest
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from gateway.topics import Topics

_RETRY: Final = ("min_backoff", "max_backoff", "multiplier", "max_attempts")
CHANGEABLE: Final = {
    "topics": (),
    "types": (),
    "filter": (),
    "type_filters": (),
    "settings.retry": _RETRY,
    **{f"settings.{path}": (name,) for name, path in FIELDS.items() if name != "ordering"},
}
"""The paths of what can be changed of a group, with the settings that each is about."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody says that a group is; what is empty was not said.

    Attributes:
        name: Its name.
        topics: Names and patterns.
        types: Event types.
        filter: A CEL expression.
        type_filters: A CEL expression by event type.
        settings: Settings that were named.
        name_field: The request's field with the name.
        prefix: What stands before the names of the request's other fields.
        settings_prefix: What stands before the names of settings.
    """

    name: str
    topics: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    filter: str = ""
    type_filters: Mapping[str, str] = field(default_factory=dict)
    settings: Stated = field(default_factory=dict)
    name_field: str = "group.name"
    prefix: str = "group."
    settings_prefix: str = "group.settings."


class Definitions:
    """Makes and changes definitions of groups. Stores nothing; whether filters compile is others' to say."""

    def __init__(self, topics: Topics, most_topics: int) -> None:
        self._topics = topics
        self._most = most_topics

    def make(self, asked: Asked) -> Definition:
        """Answers the definition of a new group.

        Raises:
            InvalidRequest, LimitExceeded, TopicNotFound.
        """
        require_name(asked.name, asked.name_field)
        now = datetime.now(UTC)
        definition = Definition(
            name=asked.name,
            topics=_once(asked.topics),
            types=_once(asked.types),
            filter=asked.filter,
            type_filters=dict(asked.type_filters),
            settings=make_settings(asked.settings, asked.settings_prefix),
            create_time=now,
            update_time=now,
            etag=_new_etag(),
        )
        self._require(definition, asked.prefix)
        return definition

    def change(self, current: Definition, asked: Asked, paths: Collection[str]) -> Definition:
        """Answers the definition with what the paths name as it is asked for.

        Raises:
            InvalidRequest, LimitExceeded, TopicNotFound.
        """
        _require_changeable(current.name, paths)
        changes: dict[str, Any] = {}
        for path in ("topics", "types"):
            if path in paths:
                changes[path] = _once(getattr(asked, path))
        if "filter" in paths:
            changes["filter"] = asked.filter
        if "type_filters" in paths:
            changes["type_filters"] = dict(asked.type_filters)
        stated = _stated(asked.settings, paths)
        settings = make_settings(stated, asked.settings_prefix, current.settings)
        changed = replace(
            current, settings=settings, update_time=datetime.now(UTC), etag=_new_etag(), **changes
        )
        if changes:
            self._require(changed, asked.prefix)
        return changed

    def _require(self, definition: Definition, prefix: str) -> None:
        choose(self._topics, definition.topics, definition.types, self._most, prefix)


def require_name(name: str, field_name: str) -> None:
    """Raises ``InvalidRequest`` unless a group can have the name."""
    if not is_topic_name(name):
        raise InvalidRequest(
            field_name,
            f"{shown(name)!r} is no group name: levels of letters, digits, _ and -, separated by dots, "
            f"at most 255 characters, such as billing",
        )


def require_same(definition: Definition, asked: Asked) -> None:
    """Holds what a subscription says of its group against what the group has.

    Raises:
        GroupDiffers: Naming the first field that differs.
    """
    for path, has, says in _said(definition, asked):
        if has != says:
            raise GroupDiffers(definition.name, path, _text(has), _text(says))


def _said(definition: Definition, asked: Asked) -> Iterator[tuple[str, Any, Any]]:
    """Answers what was said, with what the group has in its place."""
    for name in ("topics", "types"):
        if says := getattr(asked, name):
            yield asked.prefix + name, frozenset(getattr(definition, name)), frozenset(says)
    for name in ("filter", "type_filters"):
        if says := getattr(asked, name):
            yield asked.prefix + name, getattr(definition, name), says
    for name, says in asked.settings.items():
        yield asked.settings_prefix + FIELDS[name], getattr(definition.settings, name), says


def _text(value: Any) -> str:
    match value:
        case frozenset():
            return ", ".join(sorted(value)) or "all"
        case Enum():
            return str(value.value)
        case dict():
            return "; ".join(f"{name}: {value[name]}" for name in sorted(value)) or "none"
        case float():
            return f"{value:g}"
        case _:
            return str(value) or "none"


def _require_changeable(name: str, paths: Collection[str]) -> None:
    if "settings.ordering" in paths:
        raise InvalidRequest(
            "update_mask",
            f"settings.ordering can't be changed: events of one key may be with several members, and what is "
            f"settled is kept in another form. Make another group that starts where {name!r} stands, let its "
            f"members read as that one, and delete this one.",
        )
    unknown = sorted(set(paths) - CHANGEABLE.keys())
    if unknown or not paths:
        what = f"{shown(unknown[0])!r} can't be changed" if unknown else "is empty"
        raise InvalidRequest("update_mask", f"{what}; it names fields of {', '.join(CHANGEABLE)}")


def _stated(asked: Stated, paths: Collection[str]) -> Stated:
    """Answers the settings that the paths name: as asked, or as they are by default."""
    names = {name for path in paths for name in CHANGEABLE[path]}
    defaults = Settings()
    stated = {name: asked.get(name, getattr(defaults, name)) for name in names}
    if "max_backoff" in names and "max_backoff" not in asked:
        stated["max_backoff"] = default_backoff(stated.get("min_backoff", defaults.min_backoff))
    return stated


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _new_etag() -> str:
    return secrets.token_hex(8)
