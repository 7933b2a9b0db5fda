"""Schema versions and validators that are kept ready to check data, within bounds.

A pure object: no I/O, no clock. What was asked for longest ago goes first; a version goes with all
of its validators, since each of them holds its pool.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.checking.validator import BatchValidator

VALIDATORS_KEPT = 256
"""How many validators are kept: one whose type has rules takes about 1.1 MB."""
LOADED_BYTES_KEPT = 128 * 1024 * 1024
"""What the loaded descriptors that are kept take, by ``ReadyVersion.weight``."""


@dataclass(frozen=True, slots=True)
class ReadyVersion:
    """A schema version whose descriptors are loaded.

    Attributes:
        subject: The subject's name.
        version: 1, 2, 3, ...
        types: Its event types.
        size: Bytes of its serialized descriptors.
        pool: Its private pool.
    """

    subject: str
    version: int
    types: frozenset[str]
    size: int
    pool: DescriptorPool

    @property
    def weight(self) -> int:
        """About how many bytes it takes once loaded; measured: 3 a byte of descriptors, 630 a message."""
        return 16 * 1024 + 4 * self.size + 1024 * len(self.types)


@dataclass(slots=True)
class _Entry:
    ready: ReadyVersion
    validators: set[str] = field(default_factory=set)


class ReadySchemas:
    """The versions and validators that are ready. At most as many as fit; one version always fits."""

    def __init__(
        self, validators_kept: int = VALIDATORS_KEPT, loaded_bytes_kept: int = LOADED_BYTES_KEPT
    ) -> None:
        self._validators_kept = validators_kept
        self._bytes_kept = loaded_bytes_kept
        self._bytes = 0
        self._versions: OrderedDict[tuple[str, int], _Entry] = OrderedDict()
        self._validators: OrderedDict[tuple[str, int, str], BatchValidator] = OrderedDict()

    def validator(self, subject: str, version: int, type_name: str) -> BatchValidator | None:
        """Answers the validator if it is kept."""
        validator = self._validators.get((subject, version, type_name))
        if validator is not None:
            self._validators.move_to_end((subject, version, type_name))
            self._versions.move_to_end((subject, version))
        return validator

    def version(self, subject: str, version: int) -> ReadyVersion | None:
        """Answers the version if it is kept."""
        entry = self._versions.get((subject, version))
        if entry is None:
            return None
        self._versions.move_to_end((subject, version))
        return entry.ready

    def keep_version(self, ready: ReadyVersion) -> None:
        """Keeps a version that was not kept, and lets go of others until it fits."""
        self._versions[ready.subject, ready.version] = _Entry(ready)
        self._bytes += ready.weight
        while self._bytes > self._bytes_kept and len(self._versions) > 1:
            self.drop(*next(iter(self._versions)))

    def keep_validator(self, ready: ReadyVersion, type_name: str, validator: BatchValidator) -> None:
        """Keeps a validator; its version is kept, or was let go of in between and is kept again."""
        if self.version(ready.subject, ready.version) is None:
            self.keep_version(ready)
        self._versions[ready.subject, ready.version].validators.add(type_name)
        self._validators[ready.subject, ready.version, type_name] = validator
        if len(self._validators) > self._validators_kept:
            (subject, version, dropped), _ = self._validators.popitem(last=False)
            self._versions[subject, version].validators.discard(dropped)

    def drop(self, subject: str, version: int) -> None:
        """Lets go of a version and its validators, if it is kept."""
        entry = self._versions.pop((subject, version), None)
        if entry is not None:
            self._bytes -= entry.ready.weight
            for type_name in entry.validators:
                del self._validators[subject, version, type_name]
