"""Groups, their progress and their dead letters, as the tables of ``SqliteGroupStore`` hold them.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gateway.groups.values import (
    Attempt,
    Cause,
    Dead,
    DeadLetter,
    DeadLetterPolicy,
    Definition,
    Failed,
    Ordering,
    Outcome,
    Parked,
    Settings,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.groups.values import Span
    from gateway.log import StoredKind

_ESCAPE = "\x1b"


def dump(value: object) -> str:
    """Answers a value as JSON, in as few bytes as can be."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def stored_key(key: str) -> str:
    """Answers a key as it is stored: without NUL, at which SQLite would end it."""
    if "\0" in key or _ESCAPE in key:
        return key.replace(_ESCAPE, _ESCAPE + "1").replace("\0", _ESCAPE + "0")
    return key


def read_key(stored: str) -> str:
    """Answers the key that ``stored_key`` was given."""
    if _ESCAPE in stored:
        return stored.replace(_ESCAPE + "0", "\0").replace(_ESCAPE + "1", _ESCAPE)
    return stored


def definition_text(group: Definition) -> str:
    """Answers what a group is, but for its name, create_time and etag, which have columns."""
    settings = asdict(group.settings)
    settings |= {
        "ordering": group.settings.ordering.value,
        "dead_letters": group.settings.dead_letters.value,
    }
    return dump(
        {
            "topics": group.topics,
            "types": group.types,
            "filter": group.filter,
            "type_filters": dict(group.type_filters),
            "settings": settings,
            "update_time": group.update_time.isoformat(),
        }
    )


def read_definition(name: str, create_time: str, etag: str, text: str) -> Definition:
    """Answers the group that ``definition_text`` was given."""
    stored: dict[str, Any] = json.loads(text)
    settings = stored["settings"]
    settings["ordering"] = Ordering(settings["ordering"])
    settings["dead_letters"] = DeadLetterPolicy(settings["dead_letters"])
    return Definition(
        name=name,
        topics=tuple(stored["topics"]),
        types=tuple(stored["types"]),
        filter=stored["filter"],
        type_filters=stored["type_filters"],
        settings=Settings(**settings),
        create_time=datetime.fromisoformat(create_time).astimezone(UTC),
        update_time=datetime.fromisoformat(stored["update_time"]).astimezone(UTC),
        etag=etag,
    )


def loose_text(spans: Iterable[Span]) -> str:
    """Answers spans as the column ``loose`` holds them: the first and the last of each in turn."""
    return dump([sequence for span in spans for sequence in span])


def read_loose(text: str) -> tuple[Span, ...]:
    """Answers the spans that ``loose_text`` was given."""
    flat = iter(json.loads(text))
    return tuple(zip(flat, flat, strict=True))


def failed_row(failed: Failed) -> list[object]:
    """Answers what is stored of a failed event besides its first sequence."""
    return [
        failed.last,
        failed.key,
        failed.due,
        failed.attempt_count,
        failed.redriven,
        _attempt_rows(failed.attempts),
    ]


def read_failed(first: int, text: str) -> Failed:
    """Answers the failed event that ``failed_row`` was given."""
    last, key, due, attempt_count, redriven, attempts = json.loads(text)
    return Failed(first, last, key, due, attempt_count, _attempts(attempts), redriven)


def read_parked(text: str) -> Parked:
    """Answers what is stored of a parked key; a ``Parked`` is stored as it is."""
    return Parked(*json.loads(text))


def dead_text(dead: Dead) -> str:
    """Answers what is stored of a dead letter besides its sequence, its kind and its entry."""
    return dump([dead.key, dead.time, dead.cause.value, dead.attempt_count, _attempt_rows(dead.attempts)])


def read_letter(sequence: int, text: str, entry: bytes, kind: StoredKind) -> DeadLetter:
    """Answers a dead letter, of which ``dead_text`` answered a part."""
    key, time, cause, attempt_count, attempts = json.loads(text)
    dead = Dead(sequence, key, time, Cause(cause), attempt_count, _attempts(attempts))
    return DeadLetter(dead, *kind, entry)


def _attempt_rows(attempts: Iterable[Attempt]) -> list[object]:
    return [(it.member_id, it.client_name, it.time, it.outcome.value, it.reason) for it in attempts]


def _attempts(rows: Sequence[Any]) -> tuple[Attempt, ...]:
    return tuple(
        Attempt(member, client, time, Outcome(outcome), reason)
        for member, client, time, outcome, reason in rows
    )
