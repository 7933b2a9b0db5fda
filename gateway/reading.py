"""What is asked of stored events, what a page of them is, and how far a reader of pages has come.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.sieve_request import SieveRequest
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_EVENTS, MAX_EVENTS = 100, 10_000
"""How many events a page has, if nothing is said, and at most."""

_TOKEN: Final = struct.Struct(">12s2Q")
_LAST_SEQUENCE: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """Which stored events to answer, and how.

    Attributes:
        topics: Names and patterns.
        types: Event types; empty means all.
        key: Only events of this key, with an empty one only those without; None means all.
        filter: A CEL expression; empty means all.
        type_filters: A CEL expression by event type.
        from_sequence: The first sequence; 0 means the oldest.
        end_sequence: The last sequence; 0 means the head's.
        from_time: Only what was appended at this time (ns) or later, None unless given.
        end_time: Only what was appended before this time (ns), None unless given.
        backwards: From new to old.
        page_size: How many events at most.
        page_token: Where the page before ended; empty for the first one.
        read_mask: Which fields of the data to answer; empty means all.
        as_json: Answer data as ProtoJSON.
        schema_version: Answer data as this version knows it; 0 means as it is stored.
        digest: Names everything of the request but the page: 12 bytes.
    """

    topics: tuple[str, ...]
    types: tuple[str, ...] = ()
    key: str | None = None
    filter: str = ""
    type_filters: Mapping[str, str] = field(default_factory=dict)
    from_sequence: int = 0
    end_sequence: int = 0
    from_time: int | None = None
    end_time: int | None = None
    backwards: bool = False
    page_size: int = DEFAULT_EVENTS
    page_token: str = ""
    read_mask: tuple[str, ...] = ()
    as_json: bool = False
    schema_version: int = 0
    digest: bytes = bytes(12)

    @property
    def sieve(self) -> SieveRequest:
        """Which events of the selection are answered, and in which form."""
        return SieveRequest(
            self.topics,
            self.types,
            self.filter,
            self.type_filters,
            self.read_mask,
            self.as_json,
            self.schema_version,
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """A page of stored events.

    Attributes:
        entries: Finished entries, in the order of the reading.
        next_page_token: Empty if this is the last page.
        head: The last sequence of the log.
        removed_through: All events of the topics up to this sequence were removed, 0 if none was.
        filter_failures: On how many events the filter failed.
    """

    entries: tuple[bytes, ...]
    next_page_token: str
    head: int
    removed_through: int
    filter_failures: int = 0


class Place(NamedTuple):
    """How far a reader of pages has come: what is left are the sequences ``first`` to ``last``, inclusive.

    A reader that goes forwards moves ``first``, one that goes backwards ``last``.
    """

    first: int
    last: int

    @property
    def is_end(self) -> bool:
        """Whether nothing is left."""
        return self.first > self.last

    def behind(self, sequence: int, *, backwards: bool) -> Place:
        """Answers the place once ``sequence``, and all that a reader meets before it, are dealt with."""
        return Place(self.first, sequence - 1) if backwards else Place(sequence + 1, self.last)


def make_token(place: Place, digest: bytes) -> str:
    """Answers the token of the page that goes on at a place, for the request of that digest."""
    return base64.urlsafe_b64encode(_TOKEN.pack(digest, *place)).decode()


def read_token(token: str, digest: bytes) -> Place:
    """Answers the place that a page begins at.

    Raises:
        InvalidRequest: The token is none that ``make_token`` made for this request.
    """
    try:
        owner, first, last = _TOKEN.unpack(base64.b64decode(token.encode(), b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, struct.error) as error:
        raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer") from error
    if owner != digest:
        raise InvalidRequest(
            "page_token", "belongs to another request: all but page_size must be as in the page before"
        )
    if not 1 <= first <= last <= _LAST_SEQUENCE:
        raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer")
    return Place(first, last)
