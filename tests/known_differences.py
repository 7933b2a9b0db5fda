"""The differences from Buf that are meant to be: `compat/known_differences.toml`, and its conditions."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2 as pb

from tests.schema_surgery import Kind, enums, extensions, is_open, messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.buf_comparison import Case, Difference
    from tests.schema_surgery import Declared, Files

KNOWN = Path(__file__).parent / "compat" / "known_differences.toml"


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant to be, as the file describes it."""

    only: str
    reason: str
    about: str = ""
    rule: str = ""
    text: str = ""
    beside: str = ""
    when: str = ""

    def covers(self, it: Difference, case: Case) -> bool:
        """Tells whether a difference of a case is this one."""
        return (
            self.only == it.only
            and _matches(self.about, it.about)
            and _matches(self.rule, it.rule_id)
            and (not self.text or re.search(self.text, it.text) is not None)
            and (not self.beside or any(_matches(self.beside, rule) for rule in it.beside))
            and (not self.when or CONDITIONS[self.when](case, it))
        )


def _matches(pattern: str, text: str) -> bool:
    return not pattern or re.fullmatch(pattern, text) is not None


@cache
def known_differences() -> tuple[Known, ...]:
    """Answers the entries of the file."""
    entries = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["difference"]
    return tuple(Known(**entry) for entry in entries)


# Conditions, by the names that the file has for them.


def file_is_gone(case: Case, _: Difference) -> bool:
    return not {file.name for file in case.old} <= {file.name for file in case.new}


def last_of_its_kind_is_gone(case: Case, it: Difference) -> bool:
    listed = {
        "PACKAGE_EXTENSION_NO_DELETE": lambda files: [
            (file, field.name) for file, _, field in extensions(files)
        ],
        "PACKAGE_ENUM_NO_DELETE": lambda files: [(found.file, found.element.name) for found in enums(files)],
        "PACKAGE_SERVICE_NO_DELETE": lambda files: [(file, s.name) for file in files for s in file.service],
    }[it.rule_id]
    package = next(file.package for file, name in listed(case.old) if name == it.element)
    return all(file.package != package for file, _ in listed(case.new))


def required_by_feature(case: Case, it: Difference) -> bool:
    found = (field_of(files, it.element) for files in (case.old, case.new))
    return any(f and f.options.features.field_presence == pb.FeatureSet.LEGACY_REQUIRED for f in found)


def default_keeps_its_name(case: Case, it: Difference) -> bool:
    old, new = (field_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and old.default_value == new.default_value != ""


def nobody_is_pushed_out(case: Case, it: Difference) -> bool:
    """Tells whether of the fields that both versions have, the same ones exclude each other."""
    name = it.element.partition("#")[0]
    exclusive: list[dict[int, str]] = []
    for files in (case.old, case.new):
        message = next(found.element for found in messages(files) if found.element.name == name)
        exclusive.append({
            field.number: message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
            for field in message.field
        })  # fmt: skip
    old, new = exclusive
    pairs = combinations(sorted(old.keys() & new.keys()), 2)
    return all((old[a] == old[b] != "") == (new[a] == new[b] != "") for a, b in pairs)


def no_number_is_lost(case: Case, it: Difference) -> bool:
    """Tells whether a field is an enum or integer on both sides, and each side takes the other's numbers."""
    old, new = (numbers_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and not (old - new or new - old)


def enum_has_the_same_values(case: Case, it: Difference) -> bool:
    old, new = (enum_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and list(old.element.value) == list(new.element.value)


def names_are_added(case: Case, it: Difference) -> bool:
    old, new = names_of(case, it)
    return set(old) < set(new)


def first_names_are_known(case: Case, it: Difference) -> bool:
    old, new = names_of(case, it)
    return old[0] in new and new[0] in old


def json_name_stays(case: Case, it: Difference) -> bool:
    return "FIELD_SAME_JSON_NAME" not in {rule.rule_id for rule in case.theirs if rule.element == it.element}


CONDITIONS: dict[str, Callable[[Case, Difference], bool]] = {
    it.__name__: it
    for it in (
        file_is_gone,
        last_of_its_kind_is_gone,
        required_by_feature,
        default_keeps_its_name,
        nobody_is_pushed_out,
        no_number_is_lost,
        enum_has_the_same_values,
        names_are_added,
        first_names_are_known,
        json_name_stays,
    )
}

ANY_NUMBER = frozenset({"any"})


def field_of(files: Files, key: str) -> pb.FieldDescriptorProto | None:
    """Answers the field, extension, or part of a map's entry that has a key."""
    name, _, number = key.partition("#")
    own = [field for *_, field in extensions(files) if field.name == name]
    for it in messages(files):
        for message in (it.element, *it.element.nested_type):
            own += [field for field in message.field if (message.name, str(field.number)) == (name, number)]
    return own[0] if own else None


def names_of(case: Case, it: Difference) -> list[list[str]]:
    """Answers the names of an enum's number in both versions."""
    name, _, number = it.element.partition("#")
    found = [[enum.element for enum in enums(files)] for files in (case.old, case.new)]
    return [
        [
            value.name
            for enum in side
            if enum.name == name
            for value in enum.value
            if str(value.number) == number
        ]
        for side in found
    ]


def enum_of(files: Files, key: str) -> Declared[pb.EnumDescriptorProto] | None:
    field = field_of(files, key)
    return next((it for it in enums(files) if field is not None and it.name == field.type_name), None)


def numbers_of(files: Files, key: str) -> frozenset[object] | None:
    """Answers the numbers that an enum or integer takes; None if it is neither."""
    enum, field = enum_of(files, key), field_of(files, key)
    if enum is not None:
        closed = not is_open(enum.file, enum.element)
        return frozenset(it.number for it in enum.element.value) if closed else ANY_NUMBER
    integers = (Kind.TYPE_INT32, Kind.TYPE_INT64, Kind.TYPE_UINT32, Kind.TYPE_UINT64, Kind.TYPE_BOOL)
    return ANY_NUMBER if field is not None and field.type in integers else None
