"""Groups and dead letters for programs without an event loop: the face of ``AsyncGroupAdmin``."""

# ruff: noqa: A002 - `filter` and `type` are the contract's words

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.cursor import Start
from tidegate.schema_values import UNCHANGED, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from tidegate.aio import AsyncClient
    from tidegate.dead_letter_admin import EventType
    from tidegate.group_settings import GroupSettings
    from tidegate.loop_thread import LoopThread
    from tidegate.v1 import dead_letter_pb2, group_pb2, group_service_pb2


class GroupAdmin:
    """The part of ``Admin`` that is about groups; see ``AsyncGroupAdmin`` for arguments and errors."""

    _thread: LoopThread
    _client: AsyncClient

    def create_group(
        self,
        name: str,
        topics: str | Iterable[str],
        *,
        start: Start | int | datetime = Start.LATEST,
        types: Iterable[type[Message] | str] = (),
        filter: str = "",
        type_filters: Mapping[type[Message] | str, str] | None = None,
        settings: GroupSettings | None = None,
    ) -> group_pb2.Group:
        """Makes a group."""
        return self._thread.run(
            self._client.create_group(
                name,
                topics,
                start=start,
                types=types,
                filter=filter,
                type_filters=type_filters,
                settings=settings,
            )
        )

    def get_group(self, name: str) -> group_pb2.Group:
        """Answers a group, and how it stands: its members, lag, failed events and parked keys."""
        return self._thread.run(self._client.get_group(name))

    def list_groups(self, pattern: str = "") -> Iterator[group_pb2.Group]:
        """Yields the groups by name, without stats; only those that ``pattern`` matches (``shop.>``)."""
        return self._thread.iterate(self._client.list_groups(pattern))

    def update_group(
        self,
        name: str,
        *,
        topics: str | Iterable[str] | Unchanged = UNCHANGED,
        types: Iterable[type[Message] | str] | Unchanged = UNCHANGED,
        filter: str | Unchanged = UNCHANGED,
        type_filters: Mapping[type[Message] | str, str] | Unchanged = UNCHANGED,
        settings: GroupSettings | Unchanged = UNCHANGED,
        etag: str = "",
    ) -> group_pb2.Group:
        """Changes what is given of a group, for what is delivered from now on."""
        return self._thread.run(
            self._client.update_group(
                name,
                topics=topics,
                types=types,
                filter=filter,
                type_filters=type_filters,
                settings=settings,
                etag=etag,
            )
        )

    def seek_group(
        self, name: str, target: Start | int | datetime, *, dry_run: bool = False
    ) -> group_service_pb2.SeekGroupResponse:
        """Moves a group to another position; with ``dry_run`` only tells what that would mean."""
        return self._thread.run(self._client.seek_group(name, target, dry_run=dry_run))

    def delete_group(self, name: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a group with its progress; one with members or dead letters only with ``force``."""
        self._thread.run(self._client.delete_group(name, force=force, etag=etag))

    def release_key(self, group: str, key: str) -> int:
        """Lets a parked key go on; answers the event that is tried again, 0 if its dead letter was purged."""
        return self._thread.run(self._client.release_key(group, key))

    def skip_event(self, group: str, sequence: int) -> str:
        """Gives an event up, and lets its key go on behind it; answers the key, empty if it has none."""
        return self._thread.run(self._client.skip_event(group, sequence))


class DeadLetterAdmin:
    """The part of ``Admin`` that is about dead letters; see ``AsyncDeadLetterAdmin``."""

    _thread: LoopThread
    _client: AsyncClient

    def list_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
    ) -> Iterator[dead_letter_pb2.DeadLetter]:
        """Yields a group's dead letters by sequence, or those that are meant."""
        return self._thread.iterate(
            self._client.list_dead_letters(
                group, sequences=sequences, type=type, filter=filter, reason=reason
            )
        )

    def get_dead_letter(self, group: str, sequence: int) -> dead_letter_pb2.DeadLetter:
        """Answers a dead letter with every attempt, and its data decoded as JSON."""
        return self._thread.run(self._client.get_dead_letter(group, sequence))

    def redrive_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
        all: bool = False,
        events_per_second: float = 0.0,
        dry_run: bool = False,
    ) -> Iterator[group_service_pb2.RedriveDeadLettersResponse]:
        """Gives dead letters to the group again, as if they had never failed; yields how far it is."""
        return self._thread.iterate(
            self._client.redrive_dead_letters(
                group,
                sequences=sequences,
                type=type,
                filter=filter,
                reason=reason,
                all=all,
                events_per_second=events_per_second,
                dry_run=dry_run,
            )
        )

    def purge_dead_letters(
        self,
        group: str,
        *,
        sequences: Iterable[int] = (),
        type: EventType = "",
        filter: str = "",
        reason: str = "",
        all: bool = False,
        dry_run: bool = False,
    ) -> int:
        """Forgets dead letters for good; answers how many. Keys that are parked behind them stay parked."""
        return self._thread.run(
            self._client.purge_dead_letters(
                group,
                sequences=sequences,
                type=type,
                filter=filter,
                reason=reason,
                all=all,
                dry_run=dry_run,
            )
        )
