"""GroupService: the groups over gRPC."""

# ruff: noqa: N802 - methods have the names that the contract gives them

from __future__ import annotations

import math
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from tidegate.v1 import group_service_pb2 as pb
from tidegate.v1.group_service_pb2_grpc import GroupServiceServicer

from gateway.group_messages import (
    group_message,
    letter_message,
    read_choice,
    read_group,
    read_required_choice,
    read_start,
    require_new,
    stats_message,
)
from gateway.paging import PAGE_BYTES, fill_page, make_token, page_size, read_number, read_token
from gateway.selection import matching
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    import grpc

    from gateway.event_json import EventJson
    from gateway.groups.dead_letters import DeadLetters
    from gateway.groups.groups import Groups
    from gateway.groups.repair import Repair
    from gateway.groups.store import GroupStore

    Context = grpc.aio.ServicerContext[Any, Any]


class GroupService(GroupServiceServicer):
    """The RPCs of ``tidegate.v1.GroupService``."""

    def __init__(
        self, groups: Groups, store: GroupStore, letters: DeadLetters, repair: Repair, event_json: EventJson
    ) -> None:
        self._groups = groups
        self._store = store
        self._letters = letters
        self._repair = repair
        self._event_json = event_json

    async def CreateGroup(self, request: pb.CreateGroupRequest, _: Context) -> pb.CreateGroupResponse:
        """Makes a group."""
        require_new(request.group)
        definition = await self._groups.create(read_group(request.group), read_start(request))
        return pb.CreateGroupResponse(group=group_message(definition))

    async def GetGroup(self, request: pb.GetGroupRequest, _: Context) -> pb.GetGroupResponse:
        """Answers a group with its stats."""
        group = self._groups.get(request.name)
        await self._groups.flush.try_now()  # so that dead letters are counted that are given up just now
        message = group_message(group.definition)
        stats = await group.runtime.report.stats()
        message.stats.CopyFrom(stats_message(stats, await self._store.count_letters(request.name)))
        return pb.GetGroupResponse(group=message)

    async def ListGroups(self, request: pb.ListGroupsRequest, _: Context) -> pb.ListGroupsResponse:
        """Lists a page of the groups, by name."""
        selection = matching(request.pattern)
        after, size = read_token(request.page_token), page_size(request.page_size)
        found = [it for it in self._groups.all() if it.name > after and selection.has_topic(it.name)]
        page = fill_page(map(group_message, found), size)
        token = make_token(page[-1].name) if len(found) > len(page) else ""
        return pb.ListGroupsResponse(groups=page, next_page_token=token)

    async def UpdateGroup(self, request: pb.UpdateGroupRequest, _: Context) -> pb.UpdateGroupResponse:
        """Changes the fields of a group that the mask names."""
        asked = read_group(request.group)
        paths = frozenset(request.update_mask.paths)
        definition = await self._groups.update(asked, request.group.etag, paths)
        return pb.UpdateGroupResponse(group=group_message(definition))

    async def SeekGroup(self, request: pb.SeekGroupRequest, _: Context) -> pb.SeekGroupResponse:
        """Moves a group, or tells what that would mean."""
        if request.WhichOneof("target") is None:
            raise InvalidRequest("target", "must be set: start_position, from_sequence or from_time")
        moved = await self._repair.seek(request.name, read_start(request), dry_run=request.dry_run)
        return pb.SeekGroupResponse(
            position=moved.seeked.position,
            repeated_events=moved.seeked.repeated,
            skipped_events=moved.seeked.skipped,
            dropped_dead_letters=moved.dropped,
        )

    async def DeleteGroup(self, request: pb.DeleteGroupRequest, _: Context) -> pb.DeleteGroupResponse:
        """Deletes a group."""
        await self._groups.delete(request.name, request.etag, force=request.force)
        return pb.DeleteGroupResponse()

    async def ListDeadLetters(
        self, request: pb.ListDeadLettersRequest, _: Context
    ) -> pb.ListDeadLettersResponse:
        """Lists a page of a group's dead letters, by sequence."""
        choice, after = read_choice(request.selection), read_number(request.page_token)
        size = page_size(request.page_size)
        page = await self._letters.page(request.group, choice, after, size, PAGE_BYTES)
        state = self._groups.get(request.group).runtime.state
        messages = [
            letter_message(it, key_parked=state.parked_behind(it.dead.key) == it.dead.sequence)
            for it in page.letters
        ]
        token = make_token(str(page.through)) if page.looked else ""
        return pb.ListDeadLettersResponse(dead_letters=messages, next_page_token=token)

    async def GetDeadLetter(self, request: pb.GetDeadLetterRequest, _: Context) -> pb.GetDeadLetterResponse:
        """Answers a dead letter with its data decoded."""
        letter = await self._letters.get(request.group, request.sequence)
        state = self._groups.get(request.group).runtime.state
        parked = state.parked_behind(letter.dead.key) == letter.dead.sequence
        data = await self._event_json.data(letter)
        return pb.GetDeadLetterResponse(dead_letter=letter_message(letter, key_parked=parked, data_json=data))

    async def RedriveDeadLetters(self, request: pb.RedriveDeadLettersRequest, context: Context) -> None:
        """Gives dead letters to their group again, and writes how far it is."""
        choice, rate = read_required_choice(request), request.events_per_second
        if not 0 <= rate < math.inf:
            raise InvalidRequest("events_per_second", f"is {rate:g}; must be at least 0")
        redriving = self._repair.redrive(request.group, choice, rate, dry_run=request.dry_run)
        async with aclosing(redriving) as steps:
            async for step in steps:
                await context.write(
                    pb.RedriveDeadLettersResponse(redriven_count=step.done, total_count=step.total)
                )

    async def PurgeDeadLetters(
        self, request: pb.PurgeDeadLettersRequest, _: Context
    ) -> pb.PurgeDeadLettersResponse:
        """Forgets dead letters for good."""
        choice = read_required_choice(request)
        purged = await self._repair.purge(request.group, choice, dry_run=request.dry_run)
        return pb.PurgeDeadLettersResponse(purged_count=purged)

    async def ReleaseKey(self, request: pb.ReleaseKeyRequest, _: Context) -> pb.ReleaseKeyResponse:
        """Lets a parked key go on."""
        sequence = await self._repair.release_key(request.group, request.key)
        return pb.ReleaseKeyResponse(sequence=sequence)

    async def SkipEvent(self, request: pb.SkipEventRequest, _: Context) -> pb.SkipEventResponse:
        """Gives an event up."""
        return pb.SkipEventResponse(key=await self._repair.skip(request.group, request.sequence))
