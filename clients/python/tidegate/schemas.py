"""Message classes made from the gateway's schemas, for readers that have no generated ones.

Each schema version lives in a descriptor pool of its own: a user's schema never meets the default pool.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from tidegate.errors import TidegateError
from tidegate.v1 import schema_service_pb2

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.received import Decode

_KEPT = 256


class SchemaCache:
    """Answers the message class of an event type and schema version; keeps the 256 used last."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._classes: OrderedDict[tuple[str, int], type[Message]] = OrderedDict()

    async def message_class(self, type_name: str, version: int = 0) -> type[Message]:
        """Answers the class; version 0 means the latest one, which is asked for each time.

        Raises:
            TidegateError: The gateway has no such type or version, or can't be reached.
        """
        key = (type_name, version)
        cls = self._classes.get(key)
        if cls is None:
            cls = await self._fetch(type_name, version)
            if version:
                self._classes[key] = cls
        else:
            self._classes.move_to_end(key)
        if len(self._classes) > _KEPT:
            self._classes.popitem(last=False)
        return cls

    async def _fetch(self, type_name: str, version: int) -> type[Message]:
        answer = await self._connection.call(
            "SchemaService/GetSchema",
            schema_service_pb2.GetSchemaRequest(type=type_name, version=version),
            schema_service_pb2.GetSchemaResponse,
        )
        return build_class(answer.schema.descriptor_set, type_name)


class Decoders:
    """Answers how the data of events is decoded: with the given classes, else with the gateway's schemas."""

    def __init__(self, schemas: SchemaCache, classes: Mapping[str, type[Message]]) -> None:
        self._schemas = schemas
        self._classes = classes
        self._found: dict[tuple[str, int], Decode] = {}

    async def find(self, type_name: str, version: int) -> Decode:
        """Answers what decodes the data of an event type; if there is no schema, it raises why."""
        decode = self._found.get((type_name, version))
        if decode is None:
            cls = self._classes.get(type_name)
            if cls is None:
                try:
                    cls = await self._schemas.message_class(type_name, version)
                except TidegateError as error:
                    return _refuse(error)  # only those who ask for `message` need the schema
            decode = self._found[type_name, version] = cls.FromString
        return decode


def _refuse(error: TidegateError) -> Decode:
    def decode(_data: bytes) -> Message:
        raise error

    return decode


def build_class(descriptor_set: bytes, type_name: str) -> type[Message]:
    """Makes the class of one message of a serialized ``FileDescriptorSet``, in a pool of its own."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(type_name))
