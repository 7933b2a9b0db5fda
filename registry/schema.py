"""The values of the registry: subjects, their schema versions, and the limits that schemas are held to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from registry.compat.finding import Side
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from registry.compat.promise import Promise

SUBJECT_NAME_LENGTH = 255
_SUBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class SubjectMode(Enum):
    """Who may add versions to a subject."""

    READ_WRITE = "READ_WRITE"
    """Anybody; the registry numbers the versions and holds them to the promise."""
    READ_ONLY = "READ_ONLY"
    """Nobody."""
    IMPORT = "IMPORT"
    """Each registration names its version number, which must rise, and no promise is held."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The named lineage of a schema, with its settings.

    Attributes:
        name: See ``check_subject_name``.
        latest_version: The number of its latest version that is not deleted; 0 if there is none.
        create_time: When it was made (UTC).
        promise: What its versions promise each other; None for the deployment's default.
        mode: Who may add versions.
        block_on_readers: Whether a version is refused while a reader that it would break is alive.
        etag: Names this state of the settings.
        delete_time: When the whole subject was deleted; None if it was not.
        highest_version: The highest number that was ever given; the next one is above it.
        revision: The number of the last change of it or its versions; 0 if none was recorded.
        purged: Whether it was removed for good: nothing is left of it but ``highest_version``.
    """

    name: str
    latest_version: int
    create_time: datetime
    promise: Promise | None = None
    mode: SubjectMode = SubjectMode.READ_WRITE
    block_on_readers: bool = False
    etag: str = ""
    delete_time: datetime | None = None
    highest_version: int = 0
    revision: int = 0
    purged: bool = False


@dataclass(frozen=True, slots=True, order=True)
class SchemaReference:
    """Names one schema version of a subject. In a request version 0 means the latest one."""

    subject: str
    version: int


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One immutable schema under a subject.

    Attributes:
        subject: The subject's name.
        version: 1, 2, 3, ...; with gaps only if imported with gaps.
        types: Full names of the messages that can be event types, sorted.
        create_time: When it was registered (UTC, microseconds).
        fingerprint: SHA-256 of its canonical descriptors in hexadecimal digits; equal for equal schemas.
        descriptor_set: A serialized ``FileDescriptorSet`` with all imports, each file behind those that
            it imports. Empty in listings.
        sources: From name of an own file to its text as registered; None if a descriptor set was, and in
            listings.
        own_files: Names of its own files, sorted: neither supplied by the registry nor of a reference.
        references: The versions of other subjects that it was registered with, sorted.
        source_info: Serialized ``FileDescriptorSet`` whose files have a name and ``source_code_info`` alone:
            positions and comments of its own files. Empty if they are not known, and in listings.
        delete_time: When it was deleted; None if it was not. A deleted version still decodes.
    """

    subject: str
    version: int
    types: tuple[str, ...]
    create_time: datetime
    fingerprint: str
    descriptor_set: bytes = b""
    sources: Mapping[str, str] | None = None
    own_files: tuple[str, ...] = ()
    references: tuple[SchemaReference, ...] = ()
    source_info: bytes = b""
    delete_time: datetime | None = None

    def side(self) -> Side:
        """Answers it as one side of a comparison."""
        own = frozenset(self.own_files)
        return Side(f"version {self.version}", self.descriptor_set, own, self.sources, self.source_info)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A schema as somebody sends it: exactly one of ``sources`` and ``descriptor_set`` is given.

    Attributes:
        sources: From file name to text.
        descriptor_set: A serialized ``FileDescriptorSet``.
        references: Versions of other subjects whose files it imports.
    """

    sources: Mapping[str, str] | None = None
    descriptor_set: bytes | None = None
    references: tuple[SchemaReference, ...] = ()


@dataclass(frozen=True, slots=True)
class Author:
    """Who changes something, and why: recorded with the change.

    Attributes:
        caller: The identity that the transport proved, else the address that the call came from.
        message: In the caller's words; may be empty.
    """

    caller: str = ""
    message: str = ""


class ChangeKind(Enum):
    """What was done to the registry."""

    REGISTER = "REGISTER"
    DELETE = "DELETE"
    PURGE = "PURGE"
    RESTORE = "RESTORE"
    CONFIGURE = "CONFIGURE"


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded change of the registry.

    Attributes:
        kind: What was done.
        subject: The subject; empty for the defaults.
        version: The version; 0 if it is about the whole subject.
        author: Who and why.
        detail: What exactly, in words.
        time: When (UTC, microseconds).
        number: Rises with every change; given by the store, 0 before.
    """

    kind: ChangeKind
    subject: str
    version: int
    author: Author
    detail: str
    time: datetime
    number: int = 0


@dataclass(frozen=True, slots=True)
class Reader:
    """A program that reads events, as it is remembered.

    Attributes:
        client_name: The name that it gave itself.
        subject: The subject.
        version: The schema version that it was built with.
        topics: The topics and patterns that it subscribed to, the last time, sorted.
        types: The event types that it asked for, the last time, sorted; empty means all of the subject.
        last_seen_time: When it was connected last (UTC); now, if it is.
        alive: Whether it counts as alive.
    """

    client_name: str
    subject: str
    version: int
    topics: tuple[str, ...]
    types: tuple[str, ...]
    last_seen_time: datetime
    alive: bool


@dataclass(frozen=True, slots=True)
class SchemaLimits:
    """What a schema may cost. A schema over a limit is ``InvalidSchema``, naming limit and value.

    Attributes:
        max_files: Files of one schema, without those that the registry supplies.
        max_bytes: Bytes of all sources with their names, of a descriptor set, and of the canonical
            descriptor set that either becomes.
        max_depth: Levels of messages declared in messages. protoc stops at the same depth in sources.
        max_elements: Messages, fields, enums, enum values, services, methods and extensions of one
            schema, and reserved ranges: an empty message takes 64 times its bytes once it is loaded.
        max_types: Event types: at their longest names they still fit an answer that default gRPC clients
            take (4 MiB).
        max_name_length: Characters of a full name: names are repeated wherever they are referred to.
        compile_seconds: Wall and CPU time of one compilation.
        compile_bytes: Address space of one compilation; ignored where the system has no such limit.
    """

    max_files: int = 1_000
    max_bytes: int = 10 * 1024 * 1024
    max_depth: int = 30
    max_elements: int = 50_000
    max_types: int = 5_000
    max_name_length: int = 512
    compile_seconds: int = 20
    compile_bytes: int = 1024 * 1024 * 1024


def check_subject_name(name: str) -> None:
    """Checks that ``name`` is one that a subject can have.

    Letters, digits, ``_``, ``-`` and ``.``, at most 255 characters, a letter or digit first.

    Raises:
        InvalidRequest: It is not.
    """
    if not name:
        raise InvalidRequest("subject", "is required")
    if len(name) > SUBJECT_NAME_LENGTH:
        raise InvalidRequest(
            "subject", f"has {len(name):,} characters; at most {SUBJECT_NAME_LENGTH} are allowed"
        )
    if _SUBJECT_NAME.fullmatch(name) is None:
        raise InvalidRequest(
            "subject",
            f"{name!r} is no subject name: letters, digits, `_`, `-` and `.`, a letter or digit first",
        )
