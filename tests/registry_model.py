"""A model of the registry: the same promises, in a few dictionaries and without any concurrency."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING

from registry.candidates import gather
from registry.compat.catalogue import RULES
from registry.compat.engine import compare, judge
from registry.compat.finding import Side
from registry.compat.promise import DEFAULT_PROMISE, Direction, Promise, Verdict
from registry.compiling.compiler import Referenced
from registry.errors import InvalidSchema
from registry.schema import (
    Candidate,
    Reader,
    SchemaLimits,
    SchemaReference,
    SchemaVersion,
    SubjectMode,
)
from registry.uses import TopicUse
from tests.registries import compile_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.compiling.compiler import Compiled
    from registry.uses import LiveFilter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VARIANTS = {
    "int": "message M { int32 x = 1; }",
    "text": "message M { string x = 1; }",
    "more": "message M { int32 x = 1; int32 y = 2; }",
    "two": "message M { int32 x = 1; } message N {}",
    "other": "message N {}",
    "shared": "message M { int32 x = 1; }",
}
"""Bodies of a subject's file; ``shared`` has a second file, with a type that subjects may quarrel about."""


def sources(subject: str, variant: str, imports: Iterable[str] = ()) -> dict[str, str]:
    """Answers a schema of a subject that uses the message M of others."""
    lines = [f'import "{other}.proto";' for other in imports]
    fields = [f"{other}.M m{number} = {number};" for number, other in enumerate(imports, 1)]
    user = f"message U {{ {' '.join(fields)} }}" if fields else ""
    head = f'syntax = "proto3"; package {subject}; {" ".join(lines)}'
    files = {f"{subject}.proto": f"{head} {VARIANTS[variant]} {user}"}
    if variant == "shared":
        files[f"shared_{subject}.proto"] = 'syntax = "proto3"; package shared; message T {}'
    return files


class Refused(Exception):
    """What the registry must refuse; ``reason`` is that of its error."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Version:
    """One version of the model; ``hidden`` says what was deleted: itself or its subject."""

    number: int
    compiled: Compiled
    references: tuple[SchemaReference, ...] = ()
    hidden: str = ""


def _side(compiled: Compiled) -> Side:
    return Side("x", compiled.descriptor_set, frozenset(compiled.own_files))


@dataclass
class Lineage:
    """One subject of the model."""

    promise: Promise | None = None
    mode: SubjectMode = SubjectMode.READ_WRITE
    blocks: bool = False
    versions: dict[int, Version] = field(default_factory=dict)
    hidden: bool = False

    def live(self) -> list[Version]:
        """Answers the versions that are not hidden, oldest first."""
        return [it for number, it in sorted(self.versions.items()) if not it.hidden]

    @property
    def latest(self) -> int:
        """The number of the latest one; 0 if there is none."""
        return max((it.number for it in self.live()), default=0)


@dataclass
class Uses:
    """Who needs schemas, as the model and the registry are told: ``registry.uses.SchemaUses``."""

    accepted: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    events: set[tuple[str, int]] = field(default_factory=set)
    reading: list[Reader] = field(default_factory=list)

    def topics(self, subject: str) -> Sequence[TopicUse]:
        """Answers the topics of a subject."""
        return [TopicUse(it, types) for it, (of, types) in self.accepted.items() if of == subject]

    async def stored(self, subject: str, version: int) -> Sequence[str]:
        """Answers the topics that hold events of a version."""
        return self.stored_now(subject, version)

    def stored_now(self, subject: str, version: int) -> Sequence[str]:
        """Answers the same at once."""
        return [f"t.{of}" for of, number in self.events if of == subject and version in {0, number}]

    def readers(self, subject: str) -> Sequence[Reader]:
        """Answers the readers of a subject."""
        return [it for it in self.reading if it.subject == subject]

    def filters(self, subject: str) -> Sequence[LiveFilter]:  # noqa: ARG002
        """Answers that nobody filters: tests of live filters have a gateway."""
        return ()


@dataclass
class Model:
    """All subjects; each method does what the registry's of that name does, or raises ``Refused``."""

    uses: Uses = field(default_factory=Uses)
    default: Promise = DEFAULT_PROMISE
    subjects: dict[str, Lineage] = field(default_factory=dict)
    highest: dict[str, int] = field(default_factory=dict)
    record: list[tuple[str, str, int]] = field(default_factory=list)

    def copied(self) -> Model:
        """Answers a model that changes by itself, with the same uses."""
        return replace(
            self, **{name: copy.deepcopy(getattr(self, name)) for name in ("subjects", "highest", "record")}
        )

    def register(
        self, name: str, variant: str, references: tuple[SchemaReference, ...], version: int
    ) -> tuple[int, bool]:
        """Answers the number of the version, and whether it was made."""
        compiled = self.prepare(name, variant, references)
        return self.place(name, compiled, references, version)

    def prepare(self, name: str, variant: str, references: tuple[SchemaReference, ...]) -> Compiled:
        """Compiles what is to be registered."""
        referenced = Referenced()
        if references:
            for reference in sorted(references):
                self._live(reference)
            closure = self._closure(references)
            if any(it.subject == name for it in closure):
                raise Refused("INVALID_REQUEST")
            referenced = self._gathered(closure)
        imports = sorted({it.subject for it in references})
        try:
            return compile_once(sources(name, variant, imports), SchemaLimits(), referenced)
        except InvalidSchema:
            raise Refused("INVALID_SCHEMA") from None

    def place(
        self, name: str, compiled: Compiled, references: tuple[SchemaReference, ...], version: int
    ) -> tuple[int, bool]:
        """Makes it the next version, or answers the one that it equals."""
        lineage = self.subjects.get(name) or Lineage()
        if lineage.hidden:
            raise Refused("SCHEMA_DELETED")
        for known in lineage.versions.values():
            if known.compiled.fingerprint == compiled.fingerprint:
                if known.hidden:
                    raise Refused("SCHEMA_DELETED")
                if version not in {0, known.number}:
                    raise Refused("INVALID_REQUEST")
                return known.number, False
        number = self._number(name, lineage, version)
        for reference in references:
            self._live(reference)
        if any(compiled_types(compiled) & self._types(it) for it in self.subjects if it != name):
            raise Refused("EVENT_TYPE_TAKEN")
        self._hold(name, lineage, compiled)
        self.subjects[name] = lineage
        lineage.versions[number] = Version(number, compiled, tuple(sorted(references)))
        self.highest[name] = number
        self.record.append(("REGISTER", name, number))
        return number, True

    def _number(self, name: str, lineage: Lineage, version: int) -> int:
        highest = self.highest.get(name, 0)
        if lineage.mode is SubjectMode.READ_ONLY:
            raise Refused("SUBJECT_READ_ONLY")
        if (lineage.mode is SubjectMode.IMPORT) != bool(version) or (version and version <= highest):
            raise Refused("INVALID_REQUEST")
        return version or highest + 1

    def _hold(self, name: str, lineage: Lineage, compiled: Compiled) -> None:
        promise = lineage.promise or self.default
        if lineage.mode is not SubjectMode.IMPORT:
            live = lineage.live()
            held = live if promise.direction.transitive else live[-1:]
            if any(breaks(it.compiled, compiled, promise) for it in held):
                raise Refused("INCOMPATIBLE_SCHEMA")
        if any(set(use.types) - set(compiled.types) for use in self.uses.topics(name)):
            raise Refused("EVENT_TYPE_NEEDED")
        if lineage.mode is not SubjectMode.IMPORT and lineage.blocks:
            for reader in self.uses.readers(name):
                known = lineage.versions.get(reader.version)
                forward = Promise(Direction.FORWARD, promise.surface)
                if reader.alive and known and breaks(known.compiled, compiled, forward, lineage=False):
                    raise Refused("READERS_AFFECTED")

    def _types(self, name: str) -> set[str]:
        return {it for version in self.subjects[name].versions.values() for it in version.compiled.types}

    def _live(self, reference: SchemaReference) -> None:
        lineage = self.subjects.get(reference.subject)
        if lineage is None or lineage.hidden:
            raise Refused("SUBJECT_NOT_FOUND")
        found = lineage.versions.get(reference.version)
        if found is None or found.hidden:
            raise Refused("SCHEMA_VERSION_NOT_FOUND")

    def _closure(self, references: Iterable[SchemaReference]) -> set[SchemaReference]:
        found, waiting = set[SchemaReference](), list(references)
        while waiting:
            reference = waiting.pop()
            found.add(reference)
            waiting += self.subjects[reference.subject].versions[reference.version].references
        return found

    def _gathered(self, closure: Iterable[SchemaReference]) -> Referenced:
        try:
            return gather([self.schema(it) for it in sorted(closure)])
        except InvalidSchema:
            raise Refused("INVALID_SCHEMA") from None

    def schema(self, reference: SchemaReference) -> SchemaVersion:
        """Answers a version as the registry has it."""
        compiled = self.subjects[reference.subject].versions[reference.version].compiled
        return SchemaVersion(
            reference.subject,
            reference.version,
            compiled.types,
            EPOCH,
            compiled.fingerprint,
            compiled.descriptor_set,
            own_files=compiled.own_files,
        )

    def _changed(self, name: str) -> Lineage:
        lineage = self.subjects.get(name)
        if lineage is None:
            raise Refused("SUBJECT_NOT_FOUND")
        if lineage.mode is SubjectMode.READ_ONLY:
            raise Refused("SUBJECT_READ_ONLY")
        return lineage

    def _referenced(self, name: str, version: int) -> bool:
        return any(
            reference.subject == name and version in {0, reference.version}
            for lineage in self.subjects.values()
            for known in lineage.versions.values()
            for reference in known.references
        )

    def delete(self, name: str, version: int, *, purge: bool) -> None:
        """Hides a version or a subject, or removes it for good."""
        lineage = self._changed(name)
        known = lineage.versions.get(version)
        if version and known is None:
            raise Refused("SCHEMA_VERSION_NOT_FOUND")
        is_hidden = known.hidden if known else lineage.hidden
        if purge and not is_hidden:
            raise Refused("INVALID_REQUEST")
        if purge:
            self._purge(name, lineage, version)
        elif not is_hidden:
            self._hide(name, lineage, version)

    def _purge(self, name: str, lineage: Lineage, version: int) -> None:
        if self._referenced(name, version) or self.uses.stored_now(name, version):
            raise Refused("SCHEMA_NEEDED")
        if version:
            del lineage.versions[version]
        else:
            if self.uses.topics(name):
                raise Refused("SCHEMA_NEEDED")
            del self.subjects[name]
        self.record.append(("PURGE", name, version))

    def _hide(self, name: str, lineage: Lineage, version: int) -> None:
        left = [it for it in lineage.live() if version and it.number != version]
        types = set(left[-1].compiled.types) if left else set()
        needed = any(not left or set(use.types) - types for use in self.uses.topics(name))
        if needed or self._referenced(name, version):
            raise Refused("SCHEMA_NEEDED")
        for known in lineage.live():
            if version in {0, known.number}:
                mark = "itself" if version else "subject"
                lineage.versions[known.number] = replace(known, hidden=mark)
        lineage.hidden = not version
        self.record.append(("DELETE", name, version))

    def restore(self, name: str, version: int) -> int:
        """Makes it seen again, and answers the latest version."""
        lineage = self._changed(name)
        known = lineage.versions.get(version)
        if version and known is None:
            raise Refused("SCHEMA_VERSION_NOT_FOUND")
        if known:
            self._restore_version(name, lineage, known)
        elif lineage.hidden:
            lineage.hidden = False
            for each in list(lineage.versions.values()):
                if each.hidden == "subject":
                    lineage.versions[each.number] = replace(each, hidden="")
            self.record.append(("RESTORE", name, 0))
        return lineage.latest

    def _restore_version(self, name: str, lineage: Lineage, known: Version) -> None:
        if lineage.hidden:
            raise Refused("INVALID_REQUEST")
        if not known.hidden:
            return
        types = set(known.compiled.types)
        if known.number > lineage.latest and any(set(use.types) - types for use in self.uses.topics(name)):
            raise Refused("EVENT_TYPE_NEEDED")
        lineage.versions[known.number] = replace(known, hidden="")
        self.record.append(("RESTORE", name, known.number))

    def update(self, name: str, promise: Promise | None, mode: SubjectMode, *, blocks: bool) -> None:
        """Changes settings; makes the subject if there is none."""
        known = self.subjects.get(name)
        lineage = known or Lineage()
        if lineage.hidden:
            raise Refused("SUBJECT_NOT_FOUND")
        if mode is SubjectMode.IMPORT and lineage.mode is not mode and lineage.versions:
            raise Refused("INVALID_REQUEST")
        if known and (lineage.promise, lineage.mode, lineage.blocks) == (promise, mode, blocks):
            return
        lineage.promise, lineage.mode, lineage.blocks = promise, mode, blocks
        self.subjects[name] = lineage
        self.record.append(("CONFIGURE", name, 0))

    def update_default(self, promise: Promise) -> None:
        """Changes what subjects promise that say nothing themselves."""
        if promise != self.default:
            self.default = promise
            self.record.append(("CONFIGURE", "", 0))


def compiled_types(compiled: Compiled) -> set[str]:
    """Answers the event types of a compiled schema."""
    return set(compiled.types)


def breaks(old: Compiled, new: Compiled, promise: Promise, *, lineage: bool = True) -> bool:
    """Tells whether a schema breaks a promise to an earlier one; without ``lineage``, by its data alone."""
    return any(lineage or not RULES[it].lineage for it in _broken(old, new, promise))


@cache
def _broken(old: Compiled, new: Compiled, promise: Promise) -> frozenset[str]:
    judged = judge(compare(_side(old), _side(new)), promise)
    return frozenset(it.rule_id for it, verdict in judged if verdict is Verdict.BREAKS)


def candidate(name: str, variant: str, references: tuple[SchemaReference, ...]) -> Candidate:
    """Answers what is sent to the registry for what the model is given."""
    imports = sorted({it.subject for it in references})
    return Candidate(sources(name, variant, imports), references=references)


def reader(subject: str, version: int, *, alive: bool) -> Reader:
    """Answers a reader of all types of a subject."""
    return Reader(f"reader-{version}", subject, version, (), (), EPOCH, alive)
