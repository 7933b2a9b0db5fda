"""Looking at dead letters: which of a group's are meant, and reading them page by page.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import DeadLetterNotFound
from registry.errors import EventTypeNotFound, SchemaVersionNotFound

if TYPE_CHECKING:
    from gateway.groups.filters import GroupFilters, LetterFilter
    from gateway.groups.groups import Groups
    from gateway.groups.store import GroupStore
    from gateway.groups.values import DeadLetter
    from gateway.log import StoredKind
    from registry.registry import Registry

READ_AT_ONCE: Final = 500
READ_BYTES: Final = 1024 * 1024
"""How many dead letters are read at once, and how large they may be, besides one that is larger by itself."""
LOOKED_THROUGH: Final = 10_000
"""How many dead letters are looked through for a page."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which dead letters are meant; all of the conditions must hold.

    Attributes:
        sequences: These alone; None means whichever.
        type: Those of this event type; empty means of any.
        filter: Those that this CEL expression holds of; empty means all.
        reason: Those whose last reason contains this.
    """

    sequences: frozenset[int] | None = None
    type: str = ""
    filter: str = ""
    reason: str = ""

    @property
    def looks_inside(self) -> bool:
        """Whether a dead letter must be read to tell whether it is meant."""
        return bool(self.type or self.filter or self.reason)


class Stretch(NamedTuple):
    """What was found among some dead letters that follow each other.

    Attributes:
        letters: Those that are meant.
        looked: How many were looked at; 0 means that there are no more.
        through: The last sequence that was looked at.
    """

    letters: list[DeadLetter]
    looked: int
    through: int


class LetterReader:
    """Reads a choice of one group's dead letters, stretch by stretch."""

    def __init__(self, store: GroupStore, group: str, choice: Choice, fits: LetterFilter | None) -> None:
        self._store = store
        self._group = group
        self._choice = choice
        self._fits = fits

    async def read(self, after: int, *, limit: int = READ_AT_ONCE, max_bytes: int = READ_BYTES) -> Stretch:
        """Looks at some letters behind ``after``.

        Raises:
            StorageFailed: The store can't be read.
        """
        among = self._choice.sequences
        found = await self._store.letters(
            self._group, after=after, limit=limit, max_bytes=max_bytes, among=among
        )
        through = found[-1].dead.sequence if found else after
        return Stretch(await self._chosen(found), len(found), through)

    async def count(self, through: int) -> int:
        """Answers how many letters are meant, up to a sequence.

        Raises:
            StorageFailed: The store can't be read.
        """
        if not self._choice.looks_inside and self._choice.sequences is None:
            every = await self._store.count_letters(self._group)
            return every - await self._store.count_letters(self._group, through)
        counted, after = 0, 0
        while (stretch := await self.read(after)).looked:
            counted += sum(letter.dead.sequence <= through for letter in stretch.letters)
            after = stretch.through
        return counted

    async def _chosen(self, letters: list[DeadLetter]) -> list[DeadLetter]:
        choice = self._choice
        if choice.type:
            letters = [letter for letter in letters if letter.type == choice.type]
        if choice.reason:
            letters = [letter for letter in letters if choice.reason in last_reason(letter)]
        if self._fits is None or not letters:
            return letters
        fits = await self._fits.matches(letters)
        return [letter for letter, holds in zip(letters, fits, strict=True) if holds]


class DeadLetters:
    """The dead letters of all groups, to be looked at."""

    def __init__(self, groups: Groups, store: GroupStore, filters: GroupFilters) -> None:
        self._groups = groups
        self._store = store
        self._filters = filters

    async def reader(self, group: str, choice: Choice) -> LetterReader:
        """Answers a reader of a choice of a group's dead letters.

        Raises:
            GroupNotFound, InvalidFilter.
        """
        self._groups.get(group)
        fits = None
        if choice.filter:
            fits = await self._filters.of_letters(choice.filter, choice.type, "selection.filter")
        return LetterReader(self._store, group, choice, fits)

    async def page(self, group: str, choice: Choice, after: int, size: int, max_bytes: int) -> Stretch:
        """Answers a page of dead letters behind ``after``; there are no more if ``looked`` is 0.

        Raises:
            GroupNotFound, InvalidFilter, StorageFailed.
        """
        reader = await self.reader(group, choice)
        await self._groups.flush.try_now()  # so that what was given up just now is seen
        page: list[DeadLetter] = []
        looked = 0
        while looked < LOOKED_THROUGH and len(page) < size and max_bytes > 0:
            limit = READ_AT_ONCE if choice.looks_inside else size - len(page)
            stretch = await reader.read(after, limit=limit, max_bytes=min(max_bytes, READ_BYTES))
            if not stretch.looked:
                return Stretch(page, 0, after)
            looked += stretch.looked
            for letter in stretch.letters:
                if page and (len(page) == size or max_bytes < letter_size(letter)):
                    return Stretch(page, looked, page[-1].dead.sequence)
                page.append(letter)
                max_bytes -= letter_size(letter)
            after = stretch.through
        more = (await reader.read(after, limit=1)).looked
        return Stretch(page, more, after)

    async def get(self, group: str, sequence: int) -> DeadLetter:
        """Answers a dead letter.

        Raises:
            GroupNotFound, DeadLetterNotFound, StorageFailed.
        """
        self._groups.get(group)
        await self._groups.flush.try_now()
        found = await self._store.find_letters(group, (sequence,))
        if not found:
            raise DeadLetterNotFound(group, sequence)
        return found[0]


async def letter_kinds_of(subject: str, groups: Groups, registry: Registry) -> set[StoredKind]:
    """Answers the topics, event types and versions of which there are dead letters that need a subject.

    Their topic may be gone, or another subject's by now: what counts is whose the event type is.

    Raises:
        StorageFailed, StorageFull, StorageReadOnly.
    """
    found: set[StoredKind] = set()
    for kind in await groups.letter_kinds():
        with suppress(EventTypeNotFound, SchemaVersionNotFound):
            owner = await registry.get_by_type(kind.type, kind.schema_version)
            if owner.subject == subject:
                found.add(kind)
    return found


def last_reason(letter: DeadLetter) -> str:
    """Answers what was said last of a dead letter."""
    attempts = letter.dead.attempts
    return attempts[-1].reason if attempts else ""


def letter_size(letter: DeadLetter) -> int:
    """Answers about how many bytes a dead letter is as a message; not more than it is."""
    attempts = [
        it.member_id + it.client_name + it.reason
        for it in (*letter.dead.attempts, *letter.dead.attempts[-1:])
    ]
    return (
        len(letter.entry) + len("".join(attempts).encode()) + 32 * len(attempts) + len(letter.dead.key) + 64
    )
