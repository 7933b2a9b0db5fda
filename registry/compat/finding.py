"""What a comparison finds, as plain values: the change, whom it breaks, and the proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from registry.compat.promise import Surface, Verdict, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.compat.promise import Promise


class Audience(Enum):
    """Who notices a change; the value is how a report names them."""

    OLD_READERS = "old readers of new events"
    NEW_READERS = "new readers of old events"
    JSON_READERS = "JSON readers"
    GENERATED_CODE = "code generated from it"
    OLD_PRODUCERS = "producers of the old version"


class Encoding(Enum):
    """How an event travels."""

    BINARY = "binary"
    JSON = "JSON"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: a compiled schema version, or a candidate.

    Attributes:
        name: How people call it: ``version 3``, ``the new schema``.
        descriptor_set: Serialized canonical ``FileDescriptorSet``, imports included, each file behind those
            that it imports.
        own_files: Names of the files that are its own: neither supplied by the registry nor of a reference.
        sources: From name of an own file to its text as registered; None if there are none.
        source_info: Serialized ``FileDescriptorSet`` whose files have a name and ``source_code_info`` alone;
            empty if positions and comments are not known.
    """

    name: str
    descriptor_set: bytes
    own_files: frozenset[str]
    sources: Mapping[str, str] | None = None
    source_info: bytes = b""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a .proto file.

    Attributes:
        file: The file's name, as others import it.
        line: From 1 on; 0 if it is not known.
        column: From 1 on; 0 if it is not known.
        text: The line itself without the spaces around it; empty without sources.
    """

    file: str
    line: int = 0
    column: int = 0
    text: str = ""


@dataclass(frozen=True, slots=True)
class CounterExample:
    """A small event that shows a finding: as one side writes it and as the other reads it.

    Attributes:
        type: The message that was written: an event type, or a message of one.
        reader: ``OLD_READERS`` or ``NEW_READERS``.
        encoding: How it travels.
        written: ProtoJSON of the writer's version, in one line.
        payload: What travels: hexadecimal digits of the binary encoding, or the ProtoJSON text.
        read: ProtoJSON of the reader's version, in one line; empty if reading fails.
        error: Why reading fails; empty if it does not.
    """

    type: str
    reader: Audience
    encoding: Encoding
    written: str
    payload: str
    read: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One change that matters to somebody.

    Attributes:
        rule_id: The rule's id, which ``catalogue`` explains; Buf's, where Buf has the rule.
        path: Full name of the element as the old version has it; as the new one has it if only that does.
        change: What changed, a phrase: ``type changed from int32 to string``.
        cells: What it does, by way and surface. What is not there is FINE.
        audiences: Who notices.
        effect: What they notice, a sentence.
        suggestion: What to write instead, ready to be pasted; or the safe way to the same end.
        old_place: Where the element stands in the old version; None if it doesn't or is not known.
        new_place: Where it, or what would hold it, stands in the new version; None if it is not known.
        counter_examples: Events that show it.
        against_version: The version that was compared with; 0 if it has no number.
    """

    rule_id: str
    path: str
    change: str
    cells: Mapping[tuple[Way, Surface], Verdict]
    audiences: tuple[Audience, ...]
    effect: str
    suggestion: str
    old_place: Place | None = None
    new_place: Place | None = None
    counter_examples: tuple[CounterExample, ...] = field(default=())
    against_version: int = 0

    def verdict(self, promise: Promise) -> Verdict:
        """Answers how a promise fares.

        BREAKS if one of its ways breaks; NOTICE if that is so for the other way only, or if somebody merely
        sees something else; FINE if its surface doesn't notice at all.
        """
        on_surface = [(way, self.cells.get((way, promise.surface), Verdict.FINE)) for way in Way]
        if any(it is Verdict.BREAKS and way in promise.direction.ways for way, it in on_surface):
            return Verdict.BREAKS
        return Verdict.NOTICE if any(it is not Verdict.FINE for _, it in on_surface) else Verdict.FINE

    def breaks(self) -> list[str]:
        """Answers the promises that it breaks: ``["BACKWARD SOURCE", "BACKWARD WIRE"]``, sorted."""
        broken = (key for key, verdict in self.cells.items() if verdict is Verdict.BREAKS)
        return sorted(f"{way.value} {surface.value}" for way, surface in broken)
