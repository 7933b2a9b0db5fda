"""What tests ask of groups: calls of GroupService and of EventService as plain stubs make them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tidegate.v1 import event_service_pb2 as events
from tidegate.v1 import group_pb2, group_service_pb2_grpc
from tidegate.v1 import group_service_pb2 as pb

from tests.shop import ORDERS, PATIENCE, Shop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tidegate.v1 import dead_letter_pb2

GROUP = "billing"


class Desk:
    """The groups of a shop's gateway."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.stub = group_service_pb2_grpc.GroupServiceStub(shop.channel)

    async def create(self, name: str = GROUP, topics: Iterable[str] = (ORDERS,), **fields: Any) -> Any:
        """Makes a group; ``fields`` are the group's, but for those that say where to start."""
        where = ("start_position", "from_sequence", "from_time")
        start = {field: fields.pop(field) for field in where if field in fields}
        request = pb.CreateGroupRequest(group={"name": name, "topics": topics, **fields}, **start)
        return (await asyncio.wait_for(self.stub.CreateGroup(request), PATIENCE)).group

    async def get(self, name: str = GROUP) -> group_pb2.Group:
        """A group as it is now."""
        return (await self.stub.GetGroup(pb.GetGroupRequest(name=name))).group

    async def stats(self, name: str = GROUP) -> group_pb2.GroupStats:
        """How a group stands now."""
        return (await self.get(name)).stats

    async def update(self, paths: list[str], name: str = GROUP, **fields: Any) -> group_pb2.Group:
        """Changes the fields of a group that the paths name."""
        request = pb.UpdateGroupRequest(group={"name": name, **fields}, update_mask={"paths": paths})
        return (await self.stub.UpdateGroup(request)).group

    async def delete(self, name: str = GROUP, **fields: Any) -> None:
        """Deletes a group."""
        await self.stub.DeleteGroup(pb.DeleteGroupRequest(name=name, **fields))

    async def seek(self, name: str = GROUP, **fields: Any) -> pb.SeekGroupResponse:
        """Moves a group."""
        return await self.stub.SeekGroup(pb.SeekGroupRequest(name=name, **fields))

    async def names(self, **fields: Any) -> list[str]:
        """The names that listing page by page answers."""
        found: list[str] = []
        token = ""
        while True:
            page = await self.stub.ListGroups(pb.ListGroupsRequest(page_token=token, **fields))
            assert not any(group.HasField("stats") for group in page.groups)
            found += [group.name for group in page.groups]
            token = page.next_page_token
            if not token:
                return found

    async def letters(
        self, name: str = GROUP, page_size: int = 0, **selection: Any
    ) -> list[dead_letter_pb2.DeadLetter]:
        """The dead letters that listing page by page answers."""
        found: list[dead_letter_pb2.DeadLetter] = []
        token = ""
        while True:
            request = pb.ListDeadLettersRequest(
                group=name, selection=selection, page_size=page_size, page_token=token
            )
            page = await self.stub.ListDeadLetters(request)
            assert len(page.dead_letters) <= (page_size or 100)
            found += page.dead_letters
            token = page.next_page_token
            if not token:
                return found

    async def letter(self, sequence: int, name: str = GROUP) -> dead_letter_pb2.DeadLetter:
        """A dead letter with its data."""
        request = pb.GetDeadLetterRequest(group=name, sequence=sequence)
        return (await self.stub.GetDeadLetter(request)).dead_letter

    async def purge(self, name: str = GROUP, **fields: Any) -> int:
        """Purges dead letters; answers how many."""
        request = pb.PurgeDeadLettersRequest(group=name, **fields)
        return (await asyncio.wait_for(self.stub.PurgeDeadLetters(request), PATIENCE)).purged_count

    async def redrive(self, name: str = GROUP, **fields: Any) -> list[tuple[int, int]]:
        """Redrives dead letters; answers all that it said of how far it was."""
        call = self.stub.RedriveDeadLetters(pb.RedriveDeadLettersRequest(group=name, **fields))
        return [(step.redriven_count, step.total_count) async for step in call]

    async def acknowledge(
        self, member_id: str, *settlements: Any, name: str = GROUP
    ) -> events.AcknowledgeResponse:
        """Says what became of events."""
        request = events.AcknowledgeRequest(group=name, member_id=member_id, settlements=settlements)
        return await asyncio.wait_for(self.shop.stub.Acknowledge(request), PATIENCE)
