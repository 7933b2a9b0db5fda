"""What protovalidate itself says of messages of one schema version."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import protovalidate
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message


_MESSAGES_ASKED = 500


class RuleTrial:
    """Tries messages of one schema version. Pool and validator are made when first needed.

    A ``Validator`` of its own, since protovalidate tells types by their names alone.
    """

    def __init__(self, load: Callable[[], DescriptorPool]) -> None:
        """Makes it for the pool that ``load`` answers, which nobody validates with otherwise."""
        self._load = load
        self._refused: dict[str, set[int]] = {}

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
            protovalidate.CompilationError: A rule can't be evaluated on anything.
        """
        return self._validator.collect_violations(message)

    def takes_default(self, message_name: str, number: int) -> bool:
        """Tells whether a field passes its rules in a message in which nothing is set.

        Of very many messages, the last ones are not asked: their fields count as refused.
        """
        if message_name not in self._refused and len(self._refused) < _MESSAGES_ASKED:
            self._refused[message_name] = self._refused_empty(message_name)
        return number not in self._refused.get(message_name, {number})

    def _refused_empty(self, message_name: str) -> set[int]:
        """Answers the numbers of the fields that are refused if nothing is set."""
        message = self._pool.FindMessageTypeByName(message_name)
        try:
            found = self.objections(GetMessageClass(message)())
        except (protovalidate.EvaluationError, protovalidate.CompilationError):
            return set(message.fields_by_number)
        paths = (it.proto.field for it in found)
        return {path.elements[0].field_number for path in paths if path is not None and path.elements}
