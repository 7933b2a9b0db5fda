"""What protovalidate itself says of messages of one schema version."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import protovalidate
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message


class RuleTrial:
    """Tries messages of one schema version. Pool and validator are made when first needed.

    A ``Validator`` of its own, since protovalidate tells types by their names alone.
    """

    def __init__(self, load: Callable[[], DescriptorPool]) -> None:
        """Makes it for the pool that ``load`` answers, which nobody validates with otherwise."""
        self._load = load

    @cached_property
    def _pool(self) -> DescriptorPool:
        return self._load()

    @cached_property
    def _validator(self) -> protovalidate.Validator:
        return protovalidate.Validator()

    def objections(self, message: Message) -> list[protovalidate.Violation]:
        """Answers which rules a message of this pool breaks.

        Raises:
            protovalidate.EvaluationError: A rule can't be evaluated on it, which refuses it, too.
        """
        return self._validator.collect_violations(message)

    def takes_default(self, message_name: str, number: int) -> bool:
        """Tells whether a field passes its rules in a message in which nothing is set."""
        empty: Any = GetMessageClass(self._pool.FindMessageTypeByName(message_name))()
        try:
            found = self.objections(empty)
        except protovalidate.EvaluationError:
            return False
        return not any(
            it.proto.field is not None
            and it.proto.field.elements
            and it.proto.field.elements[0].field_number == number
            for it in found
        )
