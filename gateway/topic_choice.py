"""Which topics and event types a reader names, held against the topics that there are.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.selection import Selection, is_topic_name, is_topic_pattern
from registry.errors import InvalidRequest, LimitExceeded
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.topics import Topics

_TYPE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def choose(
    topics: Topics, named: Sequence[str], types: Sequence[str], most: int, prefix: str = ""
) -> Selection:
    """Answers the selection of topics by name or pattern, and of event types; empty types mean all.

    Args:
        topics: Those that there are.
        named: Names, which must exist, and patterns.
        types: Event types.
        most: How many of each there may be (the setting ``max_subscription_topics``).
        prefix: What stands before the names of the request's fields.

    Raises:
        InvalidRequest, LimitExceeded, TopicNotFound.
    """
    for what, values in (("topics", named), ("types", types)):
        if len(values) > most:
            raise LimitExceeded(
                "max_subscription_topics", most, len(values), f"the number of {what}", prefix + what
            )
    if not named:
        raise InvalidRequest(
            f"{prefix}topics", "must hold at least one topic or pattern, such as shop.orders or shop.>"
        )
    for index, topic in enumerate(named):
        _require_topic(topics, topic, f"{prefix}topics[{index}]")
    for index, event_type in enumerate(types):
        _require_type_name(event_type, f"{prefix}types[{index}]")
    return select(named, types)


def select(named: Sequence[str], types: Sequence[str]) -> Selection:
    """Answers the selection of topics and types that were chosen before."""
    return Selection(
        frozenset(filter(is_topic_name, named)),
        tuple(filter(is_topic_pattern, named)),
        frozenset(types),
    )


def _require_type_name(event_type: str, field: str) -> None:
    if not _TYPE_NAME.fullmatch(event_type):
        raise InvalidRequest(
            field,
            f"{shown(event_type)!r} can't be an event type: full message names are meant, without wildcards, "
            f"such as shop.v1.OrderPlaced",
        )


def _require_topic(topics: Topics, topic: str, field: str) -> None:
    if is_topic_name(topic):
        topics.get(topic)
    elif not is_topic_pattern(topic):
        raise InvalidRequest(
            field,
            f"{topic!r} is neither a topic name nor a pattern: levels of letters, digits, _ and - are "
            f"separated by dots; in a pattern a level may be *, and the last one >",
        )
