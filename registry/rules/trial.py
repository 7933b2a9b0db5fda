"""Tries rules on protovalidate itself: whether it compiles them, and whether they run on an example.

Only rules whose CEL passed ``cel_guard`` may come here, since protovalidate evaluates constants while
it compiles. Imports ``errors``, ``rule_options`` and ``rule_types`` of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import protovalidate
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from registry.errors import Violation
from registry.rules.types import map_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
    from google.protobuf.message import Message

    from registry.rules.options import RuleOptions

_EXAMPLE_DEPTH = 3
_EXAMPLE_FIELDS = 1000

_SUSPECTS = 200
"""How many carriers of rules are tried one by one to find those at fault."""

_NEVER_RUNS = ("No matching overloads", "no such overload", "No value with name", "unexpected type")
"""What protovalidate says of CEL that type-checks and still can't run, whatever the event."""


def compile_problems(messages: Sequence[Descriptor], options: RuleOptions) -> Iterator[Violation]:
    """What protovalidate can't compile, by the field or message that carries it."""
    validator = protovalidate.Validator()
    failed = [message for message in messages if _compile_error(validator, message)]
    suspects: list[Descriptor | FieldDescriptor] = []
    for message in failed:
        suspects += [message] if options.of(message) else []
        suspects += [field for field in message.fields if options.of(field)]
    found = False
    for carrier in suspects[:_SUSPECTS]:
        error = _error_of(carrier, options)
        if error:
            found = True
            yield Violation(carrier.full_name, f"the rule does not compile: {error}")
    if failed and not found:
        yield Violation(
            failed[0].full_name, f"a rule does not compile: {_compile_error(validator, failed[0])}"
        )


def _compile_error(validator: protovalidate.Validator, message: Descriptor) -> str:
    try:
        validator.collect_violations(GetMessageClass(message)())
    except protovalidate.CompilationError as error:
        return str(error)
    except protovalidate.EvaluationError:
        # An empty message may well lack a key or divide by zero.
        pass
    return ""


def _error_of(carrier: Any, options: RuleOptions) -> str:
    """Compiles the rules of one carrier, all others left out."""
    message = carrier if hasattr(carrier, "fields") else carrier.containing_type
    pool = DescriptorPool()
    _add(message.file, pool, lambda name: name == carrier.full_name, options, set())
    return _compile_error(protovalidate.Validator(), pool.FindMessageTypeByName(message.full_name))


def _add(
    file: FileDescriptor,
    pool: DescriptorPool,
    keep: Callable[[str], bool],
    options: RuleOptions,
    done: set[str],
) -> None:
    if file.name in done:
        return
    done.add(file.name)
    for dependency in file.dependencies:
        _add(dependency, pool, keep, options, done)
    pool.AddSerializedFile(options.file_with_rules_of(file, keep))


def run_problems(messages: Sequence[Descriptor]) -> Iterator[Violation]:
    """Rules that compile and fail on an example of a message in a way that no event can avoid."""
    validator = protovalidate.Validator()
    for message in messages:
        for example in (GetMessageClass(message)(), _Examples().of(message)):
            try:
                validator.collect_violations(example)
            except protovalidate.EvaluationError as error:
                if any(sign in str(error) for sign in _NEVER_RUNS):
                    yield Violation(message.full_name, f"a rule can't run: {error}")
                    break


class _Examples:
    """Makes messages with each of their fields set: repeated ones once, nested ones down to a small depth.

    Only constructors are called: a message may have fields and nested types named like any method.
    """

    def __init__(self) -> None:
        self._remaining = _EXAMPLE_FIELDS

    def of(self, message: Descriptor, depth: int = _EXAMPLE_DEPTH) -> Message:
        values = {}
        for field in message.fields:
            self._remaining -= 1
            if self._remaining > 0 and (depth or field.message_type is None):
                values[field.name] = self._value(field, depth)
        return GetMessageClass(message)(**values)

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        if entry := map_entry(field):
            key, value = entry
            return {self._single(key, depth): self._single(value, depth)}
        return [self._single(field, depth)] if field.is_repeated else self._single(field, depth)

    def _single(self, field: FieldDescriptor, depth: int) -> Any:
        if field.message_type is not None:
            return self.of(field.message_type, depth - 1)
        if field.enum_type is not None:
            return field.enum_type.values[0].number
        if field.cpp_type == field.CPPTYPE_STRING:
            return b"a" if field.type == field.TYPE_BYTES else "a"
        return field.cpp_type == field.CPPTYPE_BOOL or 1
