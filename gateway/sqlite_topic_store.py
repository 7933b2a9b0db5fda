"""Topics, kept in a table of the embedded engine's file."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from sqlite_utils import Database

from gateway.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_T = TypeVar("_T")

_BUSY_SECONDS = 10.0
"""How long a change waits for the log's writer, which holds the file for milliseconds at a time."""


class SqliteTopicStore:
    """A ``TopicStore`` in the table ``topic_settings``, on a connection of its own.

    Calls run one after another on threads, never on the event loop.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._table = Database(connection).table("topic_settings")
        self._lock = threading.Lock()

    @classmethod
    async def open(cls, path: Path) -> SqliteTopicStore:
        """Opens the file at ``path`` and makes the table if need be."""
        return await asyncio.to_thread(cls._open, path)

    @classmethod
    def _open(cls, path: Path) -> SqliteTopicStore:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, check_same_thread=False, isolation_level=None
        )
        connection.execute("PRAGMA synchronous = FULL")
        store = cls(connection)
        store._table.create({"name": str, "etag": str, "settings": str}, pk="name", if_not_exists=True)
        return store

    async def load(self) -> list[Topic]:
        """Answers all topics."""
        return await self._run(lambda: [_topic(row) for row in self._table.rows])

    async def put(self, topic: Topic, expected_etag: str) -> bool:
        """Stores ``topic`` if the stored one's etag is ``expected_etag`` ('' for none); tells if it did."""
        row = (topic.etag, _settings(topic), topic.name)
        if expected_etag:
            return await self._change(
                "UPDATE topic_settings SET etag = ?, settings = ? WHERE name = ? AND etag = ?",
                (*row, expected_etag),
            )
        return await self._change(
            "INSERT INTO topic_settings (etag, settings, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row
        )

    async def delete(self, name: str, expected_etag: str) -> bool:
        """Deletes a topic if the stored one's etag is ``expected_etag``; tells if it did."""
        return await self._change(
            "DELETE FROM topic_settings WHERE name = ? AND etag = ?", (name, expected_etag)
        )

    async def close(self) -> None:
        """Closes the connection."""
        await self._run(self._connection.close)

    async def _change(self, statement: str, values: tuple[str, ...]) -> bool:
        return await self._run(lambda: self._connection.execute(statement, values).rowcount == 1)

    async def _run(self, work: Callable[[], _T]) -> _T:
        def locked() -> _T:
            with self._lock:
                return work()

        return await asyncio.to_thread(locked)


def _settings(topic: Topic) -> str:
    return json.dumps(
        {
            "subject": topic.subject,
            "types": topic.types,
            "allow_unknown": topic.allow_unknown,
            "max_age": topic.max_age.total_seconds() if topic.max_age else None,
            "max_bytes": topic.max_bytes,
            "create_time": topic.create_time.isoformat(),
            "update_time": topic.update_time.isoformat(),
        }
    )


def _topic(row: dict[str, Any]) -> Topic:
    settings = json.loads(row["settings"])
    max_age = settings["max_age"]
    return Topic(
        name=row["name"],
        subject=settings["subject"],
        types=tuple(settings["types"]),
        allow_unknown=settings["allow_unknown"],
        max_age=timedelta(seconds=max_age) if max_age else None,
        max_bytes=settings["max_bytes"],
        create_time=datetime.fromisoformat(settings["create_time"]).astimezone(UTC),
        update_time=datetime.fromisoformat(settings["update_time"]).astimezone(UTC),
        etag=row["etag"],
    )
