"""How data is changed before it is delivered: some fields of it, as another version knows it, as JSON.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass

from gateway.entries import data_of, replace_data
from gateway.mask import Mask
from gateway.plain_text import check_all_text, may_hold_other

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable

    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.decoding import Decoding

    Kind = tuple[str, int]

DATA_BYTES: Final = 3 * 1024 * 1024
"""How large the data of an event may become; larger data is withheld: no frame could hold it."""
KINDS_KEPT: Final = 64
_SLICE: Final = 8
_numbers = count()


@dataclass(frozen=True, slots=True)
class Wish:
    """How a reader wants data.

    Attributes:
        paths: Which fields, in normal form; empty means all.
        as_json: Whether as ProtoJSON.
        subject: The subject whose versions are pinned; empty if none is.
        version: The version that data of newer ones is delivered as.
    """

    paths: tuple[str, ...] = ()
    as_json: bool = False
    subject: str = ""
    version: int = 0


class Projected(NamedTuple):
    """An event as it is delivered; ``withheld`` says why it comes without its data, if it does."""

    event: bytes
    withheld: str = ""


class Projector:
    """Changes events of one type and version."""

    def __init__(self, pool: DescriptorPool, type_name: str, version: int, wish: Wish) -> None:
        """Takes the pool of the version that the events are delivered as."""
        self.version = version
        self._pool = pool
        descriptor = pool.FindMessageTypeByName(type_name)
        self._data = GetMessageClass(descriptor)
        self._mask = Mask(wish.paths, descriptor) if wish.paths else None
        self._as_json = wish.as_json
        self._checks_text = wish.as_json and may_hold_other(descriptor)

    def project(self, events: Iterable[bytes]) -> Generator[None, None, list[Projected]]:
        """Changes events, and yields every fraction of a millisecond for others to have a turn."""
        projected = []
        for index, event in enumerate(events):
            projected.append(self._projected(event))
            if index % _SLICE == 0:
                yield
        return projected

    def _projected(self, event: bytes) -> Projected:
        try:
            data = self._changed(data_of(event))
        except Exception as error:  # noqa: BLE001 - JSON's writer raises all sorts of things at hostile data
            return Projected(replace_data(event, None), f"it can't be written as JSON: {_told(error)}")
        if len(data) > DATA_BYTES:
            return Projected(
                replace_data(event, None),
                f"it would have {len(data):,} bytes; at most {DATA_BYTES:,} can be delivered",
            )
        return Projected(replace_data(event, data))

    def _changed(self, data: bytes) -> bytes:
        message: Any = self._data.FromString(data)
        message.DiscardUnknownFields()
        if self._mask is not None:
            self._mask.apply(message)
        if not self._as_json:
            changed: bytes = message.SerializePartialToString()
            return changed
        if self._checks_text:
            check_all_text(message, self._pool)
        written = json_format.MessageToDict(
            message, preserving_proto_field_name=True, descriptor_pool=self._pool
        )
        return json.dumps(written, ensure_ascii=False, separators=(",", ":")).encode()


class Projection:
    """What a wish means for events of each type and version. Whoever has one that is equal shares it.

    Attributes:
        number: Tells it from all others that there ever were in this process.
        working: Held by who computes something that others will ask for.
    """

    def __init__(self, decoding: Decoding, wish: Wish) -> None:
        self._decoding = decoding
        self._wish = wish
        self._projectors: dict[Kind, Projector | None] = {}
        self.number = next(_numbers)
        self.working = asyncio.Lock()

    async def load(self, kinds: Collection[Kind]) -> None:
        """Gets ready for events of some types and versions.

        Raises:
            StorageFailed: The registry can't be read.
        """
        for kind in kinds:
            known = kind in self._projectors
            projector = self._projectors.pop(kind) if known else await self._projector(*kind)
            self._projectors[kind] = projector
        while len(self._projectors) > max(KINDS_KEPT, len(kinds)):
            del self._projectors[next(iter(self._projectors))]

    def projector(self, kind: Kind) -> Projector | None:
        """Answers what changes events of a type and version; None if they are delivered as they are.

        Raises:
            LookupError: It was not loaded, or so many others were since.
        """
        return self._projectors[kind]

    async def _projector(self, type_name: str, version: int) -> Projector | None:
        wish, own = self._wish, version
        subject = await self._decoding.owner(type_name)
        if subject == wish.subject and version > wish.version:
            pinned = await self._decoding.version(subject, wish.version)
            own = wish.version if type_name in pinned.types else version
        if own == version and not (wish.paths or wish.as_json):
            return None
        ready = await self._decoding.version(subject, own)
        return Projector(ready.pool, type_name, own, wish)


def _told(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
