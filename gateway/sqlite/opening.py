"""Opening: what the file says of where the log stands.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.entries import Sealer
from gateway.errors import CannotOpenLog
from gateway.sqlite.file import META, LogFile
from gateway.sqlite.key_index import KeyIndex
from gateway.sqlite.key_opening import load_recent
from gateway.sqlite.ledger import Kind, Ledger
from gateway.sqlite.reader import BATCHES, COUNT, EVENTS, FIRST, ORDINAL, SIZE, TIME
from gateway.sqlite.requests import RequestWindow

if TYPE_CHECKING:
    from typing import Any

_KINDS: Final = """
SELECT id, topic, type, schema_version,
    trimmed_through, trimmed_time, trimmed_ordinal, trimmed_events, trimmed_batches, trimmed_size,
    (SELECT min(first_sequence) FROM log_batch WHERE kind = log_kind.id),
    (SELECT max(first_sequence) FROM log_batch WHERE kind = log_kind.id)
FROM log_kind ORDER BY id
"""
_LAST: Final = "SELECT meta FROM log_batch ORDER BY first_sequence DESC LIMIT 1"
_META: Final = "SELECT meta FROM log_batch WHERE first_sequence = ?"


class State(NamedTuple):
    """What is in memory of a log: where it stands, the requests that it remembers, the index of keys."""

    ledger: Ledger
    requests: RequestWindow
    keys: KeyIndex


def load(file: LogFile) -> State:
    """Reads the state of a log.

    Raises:
        CannotOpenLog: The file can't be read.
    """
    connection = file.connect()
    try:
        requests = RequestWindow()
        requests.load(connection)
        state = State(_ledger(connection), requests, KeyIndex())
        state.keys.load(connection)
        load_recent(connection, state.keys, state.ledger)
    except sqlite3.Error as error:
        raise CannotOpenLog(
            f"{file.path}: {error}. Restore the file from a backup, or name another."
        ) from error
    else:
        return state
    finally:
        connection.close()


def _ledger(connection: sqlite3.Connection) -> Ledger:
    kinds = [_kind(connection, row) for row in connection.execute(_KINDS).fetchall()]
    head = max((kind.trimmed_through for kind in kinds), default=0)
    ordinal = max((kind.trimmed_ordinal for kind in kinds), default=0)
    time = max((kind.trimmed_time for kind in kinds), default=0)
    row = connection.execute(_LAST).fetchone()
    if row is None:
        return Ledger(head, ordinal, time, kinds)
    last = META.unpack(row[0])
    return Ledger(
        max(head, last[FIRST] + last[COUNT] - 1), max(ordinal, last[ORDINAL]), max(time, last[TIME]), kinds
    )


def _kind(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Kind:
    number, topic, event_type, version = row[:4]
    through, time, ordinal, events, batches, size = row[4:10]
    kind = Kind(
        number,
        topic,
        event_type,
        version,
        Sealer(topic, event_type, version),
        last_sequence=through,
        events=events,
        batches=batches,
        size=size,
        trimmed_through=through,
        trimmed_time=time,
        trimmed_ordinal=ordinal,
        trimmed_events=events,
        trimmed_batches=batches,
        trimmed_size=size,
    )
    first, last = row[10:]
    if first is not None:
        meta = META.unpack(connection.execute(_META, (last,)).fetchone()[0])
        kind.first_sequence = first
        kind.last_sequence = meta[FIRST] + meta[COUNT] - 1
        kind.events, kind.batches, kind.size = meta[EVENTS], meta[BATCHES], meta[SIZE]
    return kind
