"""An event's data as ProtoJSON, decoded with its own schema version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from tidegate.v1 import event_pb2

from gateway.entries import batch_of

if TYPE_CHECKING:
    from google.protobuf.descriptor_pool import DescriptorPool

    from gateway.groups.values import DeadLetter
    from registry.decoding import Decoding

_UNSAYABLE = (ValueError, TypeError, AttributeError, json_format.SerializeToJsonError)


class EventJson:
    """Decodes events one by one, for people."""

    def __init__(self, decoding: Decoding) -> None:
        self._decoding = decoding

    async def data(self, letter: DeadLetter) -> str:
        """Answers the data of a dead letter as ProtoJSON; empty if it can't be written so.

        Raises:
            StorageFailed: The registry can't be read.
        """
        subject = await self._decoding.owner(letter.type)
        ready = await self._decoding.version(subject, letter.schema_version)
        (event,) = event_pb2.EventBatch.FromString(batch_of(letter.entry)).events
        return await asyncio.to_thread(_to_json, ready.pool, letter.type, event.data)


def _to_json(pool: DescriptorPool, event_type: str, data: bytes) -> str:
    message: Any = GetMessageClass(pool.FindMessageTypeByName(event_type)).FromString(data)
    try:
        return json_format.MessageToJson(message, preserving_proto_field_name=True, descriptor_pool=pool)
    except _UNSAYABLE:  # such as an Any of a type that nobody knows: there is no JSON of it
        return ""
