"""What subjects promise and who may change them: the settings, and what may become of them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry.changing import now
from registry.errors import InvalidRequest, SubjectChanged, SubjectNotFound
from registry.schema import Change, ChangeKind, Subject, SubjectMode, check_subject_name
from registry.store import DEFAULTS, Edit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from registry.changing import Changing
    from registry.compat.promise import Promise
    from registry.lineages import Lineages
    from registry.schema import Author
    from registry.store import SchemaStore

SETTINGS = ("promise", "mode", "block_on_readers")
"""The settings of a subject, as ``Subject`` names them."""
PROMISE = ("direction", "surface")
"""The parts of a promise, as ``Promise`` names them."""


class Settings:
    """Changes the settings of subjects, and the deployment's defaults."""

    def __init__(self, store: SchemaStore, lineages: Lineages, changing: Changing) -> None:
        self._store = store
        self._lineages = lineages
        self._changing = changing

    async def update(self, name: str, etag: str, author: Author, changes: Mapping[str, Any]) -> Subject:
        """Changes settings of a subject, which is made if there is none; an empty etag fits any state.

        What is set to what it is already changes nothing, and is not recorded.

        Raises:
            InvalidRequest: The name is malformed, or mode IMPORT is asked for too late.
            SubjectChanged: Its state is another than ``etag``.
            SubjectNotFound: It was deleted; or there is none, and an etag was given.
        """
        check_subject_name(name)
        return await self._changing.run(name, lambda: self._update(name, etag, author, changes))

    async def _update(self, name: str, etag: str, author: Author, changes: Mapping[str, Any]) -> Subject:
        before = await self._store.subject(name)
        current = made_anew(name, before) if before is None or before.purged else before
        if etag and current is not before:
            raise SubjectNotFound(name)
        if current.delete_time is not None:
            raise SubjectNotFound(name, deleted=True)
        if etag and etag != current.etag:
            raise SubjectChanged(name, current.etag)
        await self._check_mode(current, changes.get("mode", current.mode))
        after = replace(current, **await self._whole(current, changes))
        if after == before:
            return current
        detail = _told(current, after) or "made"
        return await self._changing.apply(_edit(before, after, author, detail))

    async def _whole(self, subject: Subject, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Answers the changes with one promise, where they name a direction or a surface alone."""
        parts = {name: value for name, value in changes.items() if name in PROMISE}
        others = {name: value for name, value in changes.items() if name not in PROMISE}
        if not parts:
            return others
        return others | {"promise": replace(subject.promise or await self._lineages.defaults(), **parts)}

    async def _check_mode(self, subject: Subject, mode: SubjectMode) -> None:
        if mode is not SubjectMode.IMPORT or subject.mode is SubjectMode.IMPORT:
            return
        if await self._store.list_versions(subject.name, after=0, limit=1, show_deleted=True):
            raise InvalidRequest(
                "mode", f"IMPORT is for subjects without versions, and {subject.name!r} has some"
            )

    async def update_defaults(self, promise: Promise, author: Author) -> Promise:
        """Changes what subjects promise that say nothing themselves."""
        return await self._changing.run(DEFAULTS, lambda: self._update_defaults(promise, author))

    async def _update_defaults(self, promise: Promise, author: Author) -> Promise:
        before = await self._store.subject(DEFAULTS)
        old = await self._lineages.defaults()
        if old != promise:
            after = replace(before or Subject(DEFAULTS, 0, now()), promise=promise)
            await self._store.apply(_edit(before, after, author, f"compatibility: {old} -> {promise}"))
        return promise


def made_anew(name: str, before: Subject | None, time: datetime | None = None) -> Subject:
    """Answers a subject without versions; numbers that a purged one of that name gave stay taken."""
    return Subject(
        name=name,
        latest_version=0,
        create_time=time or now(),
        etag=new_etag(),
        highest_version=before.highest_version if before else 0,
        revision=before.revision if before else 0,
    )


def new_etag() -> str:
    """Answers a name for a new state of settings."""
    return secrets.token_hex(8)


def _edit(before: Subject | None, after: Subject, author: Author, detail: str) -> Edit:
    change = Change(ChangeKind.CONFIGURE, after.name, 0, author, detail, now())
    return Edit(before, replace(after, etag=new_etag()), change)


def _told(before: Subject, after: Subject) -> str:
    pairs = ((name, _word(getattr(before, name)), _word(getattr(after, name))) for name in SETTINGS)
    named = {"promise": "compatibility"}
    return "; ".join(f"{named.get(name, name)}: {old} -> {new}" for name, old, new in pairs if old != new)


def _word(value: Any) -> str:
    if value is None:
        return "default"
    if isinstance(value, SubjectMode):
        return value.value
    return str(value).lower() if isinstance(value, bool) else str(value)
