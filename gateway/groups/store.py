"""Where groups are kept: what a store of them must guarantee. Imports nothing of gRPC or of the stubs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gateway.groups.values import Changes, DeadLetter, Definition, Progress
    from gateway.log import StoredBatch, StoredKind


class Write(NamedTuple):
    """What to write down of a group's progress.

    Attributes:
        group: The group's name.
        create_time: Its ``Definition.create_time`` in ISO format.
        changes: What changed.
        dead: A letter for each of ``changes.dead``.
        done: Redriven events that are settled: what was kept of them goes.
    """

    group: str
    create_time: str
    changes: Changes
    dead: Sequence[DeadLetter]
    done: Sequence[int] = ()


class Kept(NamedTuple):
    """A group as it is kept: what it is, how far, and which redriven events it has that are not settled."""

    definition: Definition
    progress: Progress
    redriven: tuple[int, ...] = ()


class GroupStore(Protocol):
    """Keeps groups, their progress and their dead letters.

    Several gateways may share one, so changes of definitions compare and set. Any call may raise
    ``StorageFailed``, and those that write ``StorageFull`` and ``StorageReadOnly``; nothing was stored then.
    """

    async def load(self) -> list[Kept]:
        """Answers all groups."""
        ...

    async def put(self, group: Definition, expected_etag: str, progress: Progress | None = None) -> bool:
        """Stores a group if the stored one's etag is ``expected_etag`` ('' for none); tells if it did.

        ``progress`` comes with a new group.
        """
        ...

    async def delete(self, name: str, expected_etag: str) -> bool:
        """Deletes a group, its progress and its dead letters, if its etag is the expected one; tells if."""
        ...

    async def save(self, writes: Sequence[Write]) -> None:
        """Writes down progress and dead letters of several groups: all or nothing.

        Of a dead letter that is revived the event is kept until it is done, for the log may not have it any
        more. What belongs to a group that is not there any more, or was made anew, is passed over. Costs as
        little as the changes are, whatever is stored. Writing the same again, before anything else, changes
        nothing.
        """
        ...

    async def letters(
        self, group: str, *, after: int, limit: int, max_bytes: int, among: Collection[int] | None = None
    ) -> list[DeadLetter]:
        """Answers dead letters with sequences above ``after``, by sequence; one at least, if there are.

        With ``among`` only those of these sequences.
        """
        ...

    async def find_letters(self, group: str, sequences: Collection[int]) -> list[DeadLetter]:
        """Answers those of the named dead letters that there are, by sequence."""
        ...

    async def redriven(self, group: str, sequences: Collection[int]) -> list[StoredBatch]:
        """Answers those of the named events that are kept since they were redriven, as batches of one."""
        ...

    async def remove_letters(self, group: str, sequences: Collection[int]) -> int:
        """Removes dead letters for good; answers how many there were."""
        ...

    async def count_letters(self, group: str, above: int = 0) -> int:
        """Answers how many dead letters have sequences above one. Cheap."""
        ...

    async def letter_kinds(self) -> frozenset[StoredKind]:
        """Answers of which topics, event types and schema versions events are kept, of any group."""
        ...
