"""Which changes between two versions of a schema break what is stored: BACKWARD + WIRE.

Pure: two descriptor sets in, findings out. That is, data written with the old version must still
mean the same to a reader of the new one, in Protobuf's binary encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

PROMISE = "BACKWARD, WIRE"


@dataclass(frozen=True, slots=True)
class Finding:
    """One change that breaks the promise.

    Attributes:
        rule_id: The rule's id; Buf's, where it has the same rule.
        path: The full name of the element at fault, as the old version has it.
        message: What changed, what that breaks, and the way out.
    """

    rule_id: str
    path: str
    message: str


def find_breaks(old: FileDescriptorSet, new: FileDescriptorSet) -> list[Finding]:
    """Answers what in ``new`` breaks readers of data written with ``old``, in a stable order."""
    return []
