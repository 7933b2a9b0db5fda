"""An event's data as ProtoJSON, decoded with its own schema version."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from tidegate.v1 import event_pb2

from gateway.wire import batch_of
from registry.descriptors import build_pool

if TYPE_CHECKING:
    from gateway.groups.values import DeadLetter
    from registry.registry import Registry

_UNSAYABLE = (ValueError, TypeError, AttributeError, json_format.SerializeToJsonError)


class EventJson:
    """Decodes events one by one, for people."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def data(self, letter: DeadLetter) -> str:
        """Answers the data of a dead letter as ProtoJSON; empty if it can't be written so.

        Raises:
            StorageFailed: The registry can't be read.
        """
        schema = await self._registry.get_by_type(letter.type, letter.schema_version)
        (event,) = event_pb2.EventBatch.FromString(batch_of(letter.entry)).events
        return await asyncio.to_thread(_to_json, schema.descriptor_set, letter.type, event.data)


def _to_json(descriptor_set: bytes, event_type: str, data: bytes) -> str:
    pool = build_pool(descriptor_set)
    message: Any = GetMessageClass(pool.FindMessageTypeByName(event_type)).FromString(data)
    try:
        return json_format.MessageToJson(message, preserving_proto_field_name=True, descriptor_pool=pool)
    except _UNSAYABLE:  # such as an Any of a type that nobody knows: there is no JSON of it
        return ""
