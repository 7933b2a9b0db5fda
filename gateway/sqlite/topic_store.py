"""Topics, kept in a table of the embedded engine's file."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.topics import Topic
from registry.sqlite_access import SqliteAccess

if TYPE_CHECKING:
    from pathlib import Path


class SqliteTopicStore:
    """A ``TopicStore`` in the table ``topic_settings``.

    Any call may raise ``StorageFailed``, and those that change ``StorageFull`` and ``StorageReadOnly`` too;
    nothing of it was stored then.
    """

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @classmethod
    async def open(cls, path: Path) -> SqliteTopicStore:
        """Opens the file at ``path`` and makes the table if need be.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        access = SqliteAccess(path)
        store = cls(access)
        await access.open(store._prepare)
        return store

    async def load(self) -> list[Topic]:
        """Answers all topics."""
        return await self._access.run(self._load)

    async def put(self, topic: Topic, expected_etag: str) -> bool:
        """Stores ``topic`` if the stored one's etag is ``expected_etag`` ('' for none); tells if it did."""
        row = (topic.etag, _settings(topic), topic.name)
        if expected_etag:
            return await self._access.run(
                self._change,
                "UPDATE topic_settings SET etag = ?, settings = ? WHERE name = ? AND etag = ?",
                (*row, expected_etag),
            )
        return await self._access.run(
            self._change,
            "INSERT INTO topic_settings (etag, settings, name) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            row,
        )

    async def delete(self, name: str, expected_etag: str) -> bool:
        """Deletes a topic if the stored one's etag is ``expected_etag``; tells if it did."""
        return await self._access.run(
            self._change, "DELETE FROM topic_settings WHERE name = ? AND etag = ?", (name, expected_etag)
        )

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self._access.close()

    def _prepare(self) -> None:
        table = self._access.database.table("topic_settings")
        table.create({"name": str, "etag": str, "settings": str}, pk="name", if_not_exists=True)

    def _load(self) -> list[Topic]:
        return [_topic(row) for row in self._access.database.table("topic_settings").rows]

    def _change(self, statement: str, values: tuple[str, ...]) -> bool:
        with self._access.writing():
            return self._access.database.execute(statement, values).rowcount == 1


def _settings(topic: Topic) -> str:
    return json.dumps(
        {
            "subject": topic.subject,
            "types": topic.types,
            "allow_unknown": topic.allow_unknown,
            "max_age": topic.max_age.total_seconds() if topic.max_age else None,
            "max_bytes": topic.max_bytes,
            "index_keys": topic.index_keys,
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
        types=tuple(map(sys.intern, settings["types"])),
        allow_unknown=settings["allow_unknown"],
        max_age=timedelta(seconds=max_age) if max_age else None,
        max_bytes=settings["max_bytes"],
        create_time=datetime.fromisoformat(settings["create_time"]).astimezone(UTC),
        update_time=datetime.fromisoformat(settings["update_time"]).astimezone(UTC),
        etag=row["etag"],
        index_keys=settings.get("index_keys", False),
    )
