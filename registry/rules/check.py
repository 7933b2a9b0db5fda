"""Checks the ``buf.validate`` rules of a schema before any event meets them.

A rule reaches us as an option of a message or field. CEL is type-checked and its cost is bounded first;
only what passed is given to protovalidate, which evaluates it. Imports the ``cel_*`` and ``rule_*``
modules, ``pattern_cost`` and ``errors`` of the registry.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from cel_expr_python import cel

from registry.errors import VIOLATIONS_LISTED, InvalidSchema, Violation
from registry.rules.cel_cost import Unbounded
from registry.rules.cel_guard import check_cost
from registry.rules.cel_library import environment
from registry.rules.cel_syntax import MalformedTree, constants_in, parse_checked
from registry.rules.options import RuleOptions
from registry.rules.pattern_cost import pattern_steps
from registry.rules.trial import compile_problems, run_problems
from registry.rules.types import PREDEFINED_THIS, field_type, map_entry, message_type, value_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

EXPRESSION_BYTES = 2048
"""How long a CEL expression may be, in bytes of UTF-8."""

CEL_RULES = 1000
"""How many CEL rules a schema version may have."""

CEL_RULES_OF_MESSAGE = 64
"""How many CEL rules a message may have, those of its fields included."""

VALUES_LISTED = 1000
"""How many values a rule may list in ``in``, ``not_in`` or the like: each value is compared with all."""

_SUPPLIED = ("google/", "buf/validate/")
_VERDICTS = ("BOOL", "STRING", "DYN")


def check_rules(pool: DescriptorPool, type_names: Sequence[str]) -> None:
    """Checks the rules of all files that ``type_names`` are declared in or depend on.

    ``pool`` holds the schema version's files and what they import; nothing is added to it. Takes
    about 1 ms a CEL rule.

    Raises:
        InvalidSchema: A rule does not compile, is for another type of field, or could cost more than
            linear time or memory in an event's size. A violation names the message or field that
            carries the rule, and the rule's id where it has one.
    """
    options = RuleOptions(pool)
    files = _files_of([pool.FindMessageTypeByName(name) for name in type_names])
    messages = [it for file in files for it in _messages_in(file.message_types_by_name.values())]
    rules = list(_cel_rules(options, messages))
    _refuse(_count_problems(rules))
    _refuse(_standard_problems(options, messages))
    _refuse(_Compiler(pool).problems(rules))
    _refuse(compile_problems(messages, options))
    _refuse(run_problems(messages))


def _refuse(problems: Iterable[Violation]) -> None:
    found = list(islice(problems, VIOLATIONS_LISTED))
    if found:
        raise InvalidSchema(found)


def _files_of(messages: Sequence[Descriptor]) -> list[FileDescriptor]:
    """The users' files that the messages need, each once."""
    found: dict[str, FileDescriptor] = {}
    waiting = [message.file for message in messages]
    while waiting:
        file = waiting.pop()
        if file.name not in found and not file.name.startswith(_SUPPLIED):
            found[file.name] = file
            waiting.extend(file.dependencies)
    return list(found.values())


def _messages_in(messages: Iterable[Descriptor]) -> Iterator[Descriptor]:
    for message in messages:
        if not message.GetOptions().map_entry:
            yield message
            yield from _messages_in(message.nested_types)


@dataclass(frozen=True, slots=True)
class CelRule:
    """A CEL expression, who carries it, and the types of the variables that it is evaluated with.

    ``message`` is the message whose validation evaluates it, empty for a predefined rule.
    """

    message: str
    carrier: str
    rule_id: str
    expression: str
    variables: dict[str, cel.Type]


def _cel_rules(options: RuleOptions, messages: Sequence[Descriptor]) -> Iterator[CelRule]:
    for message in messages:
        yield from _own_rules(message, message, options.of(message), message_type(message))
        for field in message.fields:
            yield from _field_rules(message, field, options.of(field))
    for extension, rules in options.predefined():
        standard: Any = extension.containing_type
        variables = {
            "this": PREDEFINED_THIS.get(standard.name, cel.Type.DYN),
            "rules": message_type(standard),
            "rule": field_type(extension),
        }
        for rule in rules.cel:
            yield CelRule("", extension.full_name, rule.id, rule.expression, variables)


def _own_rules(message: Descriptor, carrier: Any, rules: Any, this: cel.Type) -> Iterator[CelRule]:
    for rule in rules.cel if rules else ():
        yield CelRule(message.full_name, carrier.full_name, rule.id, rule.expression, {"this": this})
    for expression in rules.cel_expression if rules else ():
        yield CelRule(message.full_name, carrier.full_name, "", expression, {"this": this})


def _field_rules(message: Descriptor, field: FieldDescriptor, rules: Any) -> Iterator[CelRule]:
    yield from _own_rules(message, field, rules, field_type(field))
    kind = rules.WhichOneof("type") if rules else None
    if kind == "map" and map_entry(field):
        entry: Any = field.message_type
        key, value = entry.fields
        yield from _own_rules(message, field, rules.map.keys, value_type(key))
        yield from _own_rules(message, field, rules.map.values, value_type(value))
    elif kind == "repeated":
        yield from _own_rules(message, field, rules.repeated.items, value_type(field))


def _count_problems(rules: Sequence[CelRule]) -> Iterator[Violation]:
    if len(rules) > CEL_RULES:
        yield Violation("cel_rules", f"the schema has {len(rules):,} CEL rules; the limit is {CEL_RULES:,}")
    for message, count in Counter(rule.message for rule in rules if rule.message).items():
        if count > CEL_RULES_OF_MESSAGE:
            yield Violation(
                message,
                f"it has {count:,} CEL rules with those of its fields; the limit is {CEL_RULES_OF_MESSAGE}",
            )


def _standard_problems(options: RuleOptions, messages: Sequence[Descriptor]) -> Iterator[Violation]:
    for message in messages:
        for field in message.fields:
            for problem in _costs(options.of(field)):
                yield Violation(field.full_name, problem)


def _costs(rules: Any) -> Iterator[str]:
    """What costs too much in a rules message and those that it holds."""
    for field, value in rules.ListFields() if rules else ():
        held = value if field.is_repeated else [value]
        if len(held) > VALUES_LISTED:
            yield f"{field.name} lists {len(held):,} values; the limit is {VALUES_LISTED:,}"
        elif field.name == "pattern":
            try:
                pattern_steps(value)
            except Unbounded as error:
                yield str(error)
        elif field.message_type is not None:
            for it in held:
                yield from _costs(it)


class _Compiler:
    """Compiles CEL rules in environments that it makes once for each set of variables."""

    def __init__(self, pool: DescriptorPool) -> None:
        self._pool = pool
        self._environments: dict[tuple[tuple[str, str], ...], cel.Env] = {}

    def problems(self, rules: Sequence[CelRule]) -> Iterator[Violation]:
        """What is wrong with each rule, if anything is."""
        for rule in rules:
            problem = self._problem(rule)
            if problem:
                yield Violation(rule.carrier, problem, rule.rule_id)

    def _problem(self, rule: CelRule) -> str:
        size = len(rule.expression.encode())
        if size > EXPRESSION_BYTES:
            return f"the CEL expression has {size:,} bytes; the limit is {EXPRESSION_BYTES:,}"
        try:
            return self._compiled_problem(rule)
        except Unbounded as error:
            return f"the CEL expression could cost too much: {error}"
        except MalformedTree:
            return "the CEL expression nests too deeply: split it into several rules"
        except RuntimeError as error:
            return f"the CEL expression does not compile: {error}"

    def _compiled_problem(self, rule: CelRule) -> str:
        compiled = self._environment(rule.variables).compile(rule.expression)
        checked = parse_checked(compiled.serialize())
        check_cost(checked, pattern_steps)
        if compiled.return_type().name() not in _VERDICTS:
            return f"the CEL expression must give a bool or a string, not {compiled.return_type().name()}"
        constants = constants_in(checked)
        if constants:
            return f"rules can't name enum values such as {constants[0]}: write the number"
        return ""

    def _environment(self, variables: dict[str, cel.Type]) -> cel.Env:
        key = tuple((name, kind.name()) for name, kind in variables.items())
        if key not in self._environments:
            self._environments[key] = environment(self._pool, variables)
        return self._environments[key]
