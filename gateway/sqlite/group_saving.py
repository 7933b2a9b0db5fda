"""Writing down progress: one statement a table, however many groups and rows it is about.

Each row that Python's ``sqlite3`` steps over gives up the interpreter's lock and waits for it again, behind
whatever the event loop is doing. So a statement gets its rows as one JSON text, by group: SQLite takes it
apart by itself. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from gateway.groups.values import Changes
from gateway.log import StoredKind
from gateway.sqlite.group_rows import dead_text, dump, failed_row, loose_text, stored_key

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gateway.groups.store import Write
    from gateway.groups.values import DeadLetter, Progress

Numbered: TypeAlias = "dict[int, Write]"
"""Writes by the numbers of their groups, each of another group."""

_NUMBERS: Final = """
SELECT json_group_array(json_array(name, create_time, id)) FROM group_definition
WHERE name IN (SELECT value FROM json_each(?))
"""
_POSITIONS: Final = """
UPDATE group_definition SET
    position = json_extract(w.value, '$[0]'),
    lost_through = json_extract(w.value, '$[1]'),
    letters = letters + json_extract(w.value, '$[2]'),
    loose = coalesce(json_extract(w.value, '$[3]'), loose)
FROM json_each(?) AS w WHERE group_definition.id = CAST(w.key AS INTEGER)
"""
_FORGET: Final = tuple(
    f"DELETE FROM {table} WHERE group_id IN (SELECT value FROM json_each(?))"  # noqa: S608 - no values
    for table in ("group_key", "group_parked", "group_failed")
)
_PUT: Final = """
INSERT INTO {table} (group_id, {key}, {value})
SELECT CAST(g.key AS INTEGER), {cast}, r.value FROM json_each(?) AS g, json_each(g.value) AS r WHERE true
ON CONFLICT DO UPDATE SET {value} = excluded.{value}
"""
_REMOVE: Final = """
DELETE FROM {table} WHERE (group_id, {key}) IN
    (SELECT CAST(g.key AS INTEGER), r.value FROM json_each(?) AS g, json_each(g.value) AS r)
"""
_KEEP_REDRIVEN: Final = """
INSERT OR REPLACE INTO group_redriven (group_id, sequence, kind, entry)
SELECT group_id, sequence, kind, entry FROM group_letter
WHERE group_id = ? AND sequence IN (SELECT value FROM json_each(?))
"""
_INSERT_LETTERS: Final = "INSERT INTO group_letter (group_id, sequence, kind, dead, entry) VALUES "
_LETTERS_AT_ONCE: Final = 256


class _Table:
    """A table of what belongs to groups, by a key of theirs."""

    def __init__(self, table: str, key: str, value: str) -> None:
        cast = "CAST(r.key AS INTEGER)" if key == "first" else "r.key"
        self._put = _PUT.format(table=table, key=key, value=value, cast=cast)
        self._remove = _REMOVE.format(table=table, key=key)

    def change(self, connection: sqlite3.Connection, changes: Mapping[int, Mapping[Any, object]]) -> None:
        """Stores the values that changed and removes those that are None, by group and key."""
        put: dict[int, dict[Any, object]] = {}
        removed: dict[int, list[Any]] = {}
        for number, rows in changes.items():
            if kept := {key: value for key, value in rows.items() if value is not None}:
                put[number] = kept
            if len(kept) < len(rows):
                removed[number] = [key for key, value in rows.items() if value is None]
        if put:
            connection.execute(self._put, (dump(put),))
        if removed:
            connection.execute(self._remove, (dump(removed),))


_KEYS: Final = _Table("group_key", "key", "sequence")
_PARKED: Final = _Table("group_parked", "key", "parked")
_FAILED: Final = _Table("group_failed", "first", "failed")


def number(connection: sqlite3.Connection, writes: Iterable[Write]) -> Iterator[Numbered]:
    """Answers writes by the numbers of their groups, in rounds; leaves out groups that are not there."""
    waiting = list(writes)
    (found,) = connection.execute(_NUMBERS, (dump([write.group for write in waiting]),)).fetchone()
    numbers = {(name, create_time): at for name, create_time, at in json.loads(found)}
    while waiting:
        taken: Numbered = {}
        later: list[Write] = []
        for write in waiting:
            at = numbers.get((write.group, write.create_time))
            if at in taken:
                later.append(write)
            elif at is not None:
                taken[at] = write
        yield taken
        waiting = later


def save(connection: sqlite3.Connection, writes: Numbered) -> None:
    """Writes down what changed. To be called in a write transaction."""
    forget = [at for at, write in writes.items() if write.changes.forget]
    for statement in _FORGET if forget else ():
        connection.execute(statement, (dump(forget),))
    letters = {at: _change_letters(connection, at, write) for at, write in writes.items()}
    changes = {at: write.changes for at, write in writes.items()}
    _KEYS.change(connection, {at: _stored_keys(it.keys) for at, it in changes.items() if it.keys})
    _PARKED.change(connection, {at: _stored_keys(it.parked) for at, it in changes.items() if it.parked})
    _FAILED.change(connection, {at: _failed_rows(it) for at, it in changes.items() if it.failed})
    rows = {at: _position(it, letters[at]) for at, it in changes.items()}
    connection.execute(_POSITIONS, (dump(rows),))


def as_changes(progress: Progress) -> Changes:
    """Answers the changes that make a new group's progress what it is."""
    return Changes(
        progress.position,
        progress.lost_through,
        loose=progress.loose,
        keys=dict(progress.keys),
        parked=dict(progress.parked),
        failed=dict(progress.failed),
    )


def remove_letters(connection: sqlite3.Connection, at: int, sequences: Sequence[int]) -> int:
    """Removes dead letters of a group by sequence, but does not count; answers how many there were."""
    return _remove(connection, "group_letter", at, sequences)


def _remove(connection: sqlite3.Connection, table: str, at: int, sequences: Sequence[int]) -> int:
    if not sequences:
        return 0
    return connection.execute(
        f"DELETE FROM {table} WHERE group_id = ? AND sequence IN (SELECT value FROM json_each(?))",  # noqa: S608
        (at, dump(list(sequences))),
    ).rowcount


def _position(changes: Changes, letters: int) -> list[object]:
    row: list[object] = [changes.position, changes.lost_through, letters]
    return row if changes.loose is None else [*row, loose_text(changes.loose)]


def _stored_keys(changes: Mapping[str, object]) -> dict[str, object]:
    return {stored_key(key): value for key, value in changes.items()}


def _failed_rows(changes: Changes) -> dict[int, object]:
    return {first: failed and failed_row(failed) for first, failed in changes.failed.items()}


def _change_letters(connection: sqlite3.Connection, at: int, write: Write) -> int:
    """Removes and adds a group's dead letters; answers by how many they are more, or fewer, than before."""
    changes, more = write.changes, len(write.dead)
    if changes.revived_above is not None:
        more -= connection.execute(
            "DELETE FROM group_letter WHERE group_id = ? AND sequence > ?", (at, changes.revived_above)
        ).rowcount
    new = {letter.dead.sequence for letter in write.dead}
    if revived := [sequence for sequence in changes.revived if sequence not in new]:
        connection.execute(_KEEP_REDRIVEN, (at, dump(revived)))
    _remove(connection, "group_redriven", at, write.done)
    # New ones are removed, too: they are there already if this is written again after a failure.
    more -= remove_letters(connection, at, [*changes.revived, *new])
    kinds: dict[StoredKind, int] = {}
    for begin in range(0, len(write.dead), _LETTERS_AT_ONCE):
        _insert_letters(connection, at, write.dead[begin : begin + _LETTERS_AT_ONCE], kinds)
    return more


def _insert_letters(
    connection: sqlite3.Connection, at: int, letters: Sequence[DeadLetter], kinds: dict[StoredKind, int]
) -> None:
    values: list[object] = []
    for letter in letters:
        kind = StoredKind(letter.topic, letter.type, letter.schema_version)
        if kind not in kinds:
            kinds[kind] = _kind_number(connection, kind)
        values += (at, letter.dead.sequence, kinds[kind], dead_text(letter.dead), letter.entry)
    connection.execute(_INSERT_LETTERS + ", ".join(["(?, ?, ?, ?, ?)"] * len(letters)), values)


def _kind_number(connection: sqlite3.Connection, kind: StoredKind) -> int:
    found = connection.execute(
        "SELECT id FROM group_letter_kind WHERE topic = ? AND type = ? AND schema_version = ?", kind
    ).fetchone()
    if found is None:
        statement = "INSERT INTO group_letter_kind (topic, type, schema_version) VALUES (?, ?, ?)"
        return int(connection.execute(statement, kind).lastrowid or 0)
    return int(found[0])
