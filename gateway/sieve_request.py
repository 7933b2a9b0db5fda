"""What is asked of a sieve, as plain values. Imports nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class SieveRequest:
    """What is asked of a sieve; see ``SubscribeRequest`` of the contract.

    Attributes:
        topics: Names and patterns.
        types: Event types; empty means all.
        filter: A CEL expression; empty means all events.
        type_filters: A CEL expression by event type.
        read_mask: Which fields of the data to deliver, as paths; empty means all.
        as_json: Whether to deliver data as ProtoJSON.
        schema_version: Deliver data of newer versions as this one; 0 means as stored.
    """

    topics: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    filter: str = ""
    type_filters: Mapping[str, str] = field(default_factory=dict)
    read_mask: tuple[str, ...] = ()
    as_json: bool = False
    schema_version: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether it asks for nothing: all events are delivered as they are."""
        return not (self.filter or self.type_filters or self.read_mask or self.as_json or self.schema_version)
