"""The values of the registry: subjects, their schema versions, and the limits that schemas are held to.

Nothing but the standard library is imported here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SUBJECT_NAME_LENGTH = 255
_SUBJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True, slots=True)
class Subject:
    """The named lineage of a schema.

    Attributes:
        name: See ``check_subject_name``.
        latest_version: The number of its latest version; at least 1.
        create_time: When its first version was registered (UTC).
    """

    name: str
    latest_version: int
    create_time: datetime


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """One immutable schema under a subject.

    Attributes:
        subject: The subject's name.
        version: 1, 2, 3, ...
        types: Full names of the messages that can be event types, sorted.
        create_time: When it was registered (UTC, microseconds).
        fingerprint: SHA-256 of its canonical descriptors in hexadecimal digits; equal for equal schemas.
        descriptor_set: A serialized ``FileDescriptorSet`` with all imports, each file behind those that
            it imports. Empty in listings.
        sources: From file name to text as registered; None if a descriptor set was, and in listings.
    """

    subject: str
    version: int
    types: tuple[str, ...]
    create_time: datetime
    fingerprint: str
    descriptor_set: bytes = b""
    sources: Mapping[str, str] | None = None


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
