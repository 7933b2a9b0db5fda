"""Groups with asyncio: made, read, changed, moved, deleted, and their parked keys let go.

Answers are the contract's own messages, as everywhere in ``admin``.
"""

# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import field_mask_pb2

from tidegate.cursor import Start, set_start
from tidegate.group_settings import GroupSettings, filters_by_name, type_name
from tidegate.schema_values import UNCHANGED, Unchanged
from tidegate.v1 import group_pb2, group_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from tidegate.connection import Connection


class AsyncGroupAdmin:
    """The part of ``AsyncAdmin`` that is about groups."""

    _connection: Connection

    async def create_group(
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
        """Makes a group.

        Args:
            name: Of the form of a topic's name.
            topics: Names or patterns.
            start: ``EARLIEST``, ``LATEST``, a sequence (inclusive), or a time (by ``append_time``).
            types: Event types to deliver; all, if empty.
            filter: Which events to deliver: a CEL expression; see ``AsyncClient.subscribe``.
            type_filters: A filter a type.
            settings: How events are shared out; the gateway's defaults, if None.

        Raises:
            GroupAlreadyExists, InvalidFilter, TopicNotFound, SequenceOutOfRange, InvalidRequest: As they say.
        """
        group = group_pb2.Group(
            name=name,
            topics=[topics] if isinstance(topics, str) else topics,
            types=map(type_name, types),
            filter=filter,
            type_filters=filters_by_name(type_filters),
            settings=(settings or GroupSettings()).message(),
        )
        request = group_service_pb2.CreateGroupRequest(group=group)
        set_start(request, start)
        answer = await self._connection.call(
            "GroupService/CreateGroup", request, group_service_pb2.CreateGroupResponse
        )
        return answer.group

    async def get_group(self, name: str) -> group_pb2.Group:
        """Answers a group, and how it stands: its members, lag, failed events and parked keys.

        Raises:
            GroupNotFound: There is none of that name.
        """
        request = group_service_pb2.GetGroupRequest(name=name)
        answer = await self._connection.call(
            "GroupService/GetGroup", request, group_service_pb2.GetGroupResponse
        )
        return answer.group

    async def list_groups(self, pattern: str = "") -> AsyncIterator[group_pb2.Group]:
        """Yields the groups by name, without stats; only those that ``pattern`` matches (``shop.>``)."""
        request = group_service_pb2.ListGroupsRequest(pattern=pattern)
        async for page in self._connection.pages(
            "GroupService/ListGroups", request, group_service_pb2.ListGroupsResponse
        ):
            for group in page.groups:
                yield group

    async def update_group(
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
        """Changes what is given of a group, for what is delivered from now on.

        Args:
            name: The group's name.
            topics: Names or patterns.
            types: Event types to deliver; all, if empty.
            filter: Which events to deliver; all, if empty.
            type_filters: A filter a type, instead of those that there are.
            settings: Those of its fields that are not None.
            etag: The state that the group must be in.

        Raises:
            GroupNotFound, InvalidFilter, TopicNotFound, InvalidRequest: As they say.
            GroupChanged: It is not in the state that ``etag`` names any more.
        """
        group = group_pb2.Group(name=name, etag=etag)
        mask = field_mask_pb2.FieldMask()
        if not isinstance(topics, Unchanged):
            group.topics.extend([topics] if isinstance(topics, str) else topics)
            mask.paths.append("topics")
        if not isinstance(types, Unchanged):
            group.types.extend(map(type_name, types))
            mask.paths.append("types")
        if not isinstance(filter, Unchanged):
            group.filter = filter
            mask.paths.append("filter")
        if not isinstance(type_filters, Unchanged):
            group.type_filters.update(filters_by_name(type_filters))
            mask.paths.append("type_filters")
        if not isinstance(settings, Unchanged):
            group.settings.CopyFrom(settings.message())
            mask.paths.extend(settings.paths())
        request = group_service_pb2.UpdateGroupRequest(group=group, update_mask=mask)
        answer = await self._connection.call(
            "GroupService/UpdateGroup", request, group_service_pb2.UpdateGroupResponse
        )
        return answer.group

    async def seek_group(
        self, name: str, target: Start | int | datetime, *, dry_run: bool = False
    ) -> group_service_pb2.SeekGroupResponse:
        """Moves a group to another position; with ``dry_run`` only tells what that would mean.

        What its members have is taken from them; attempts and parked keys are forgotten.

        Args:
            name: The group's name.
            target: ``EARLIEST``, ``LATEST``, a sequence (inclusive), or a time (by ``append_time``).
            dry_run: Whether to change nothing.

        Raises:
            GroupNotFound, SequenceOutOfRange: As they say.
        """
        request = group_service_pb2.SeekGroupRequest(name=name, dry_run=dry_run)
        set_start(request, target)
        return await self._connection.call(
            "GroupService/SeekGroup", request, group_service_pb2.SeekGroupResponse
        )

    async def delete_group(self, name: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a group with its progress; one with members or dead letters only with ``force``.

        Raises:
            GroupNotFound, GroupInUse, GroupChanged: As they say.
        """
        request: Any = group_service_pb2.DeleteGroupRequest(name=name, force=force, etag=etag)
        await self._connection.call(
            "GroupService/DeleteGroup", request, group_service_pb2.DeleteGroupResponse
        )

    async def release_key(self, group: str, key: str) -> int:
        """Lets a parked key go on; answers the event that is tried again, 0 if its dead letter was purged.

        Raises:
            GroupNotFound, KeyNotParked: As they say.
        """
        request = group_service_pb2.ReleaseKeyRequest(group=group, key=key)
        answer = await self._connection.call(
            "GroupService/ReleaseKey", request, group_service_pb2.ReleaseKeyResponse
        )
        return answer.sequence

    async def skip_event(self, group: str, sequence: int) -> str:
        """Gives an event up, and lets its key go on behind it; answers the key, empty if it has none.

        Raises:
            GroupNotFound: There is none of that name.
            EventNotHeld: The event is neither a dead letter of the group nor one that failed.
        """
        request = group_service_pb2.SkipEventRequest(group=group, sequence=sequence)
        answer = await self._connection.call(
            "GroupService/SkipEvent", request, group_service_pb2.SkipEventResponse
        )
        return answer.key
