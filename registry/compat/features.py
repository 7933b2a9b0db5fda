"""What a file's syntax and its features say about its elements, resolved without a descriptor pool.

Editions 2023 and later name each behaviour; proto2 and proto3 are such editions with all of them given.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import (
    Edition,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, OneofDescriptorProto
    from google.protobuf.message import Message

    _Inheriting = DescriptorProto | EnumDescriptorProto | FieldDescriptorProto | OneofDescriptorProto

CPP_FEATURES, JAVA_FEATURES = 1000, 1001
"""The numbers under which ``FeatureSet`` is extended by google/protobuf/{cpp,java}_features.proto."""
CPP_STRING_TYPES = {1: "VIEW", 2: "CORD", 3: "STRING"}
_JAVA_VERIFY = 2
_STANDARD = frozenset({"field_presence", "enum_type", "utf8_validation", "message_encoding", "json_format"})


@dataclass(frozen=True, slots=True)
class Features:
    """What is resolved for one element; values as in ``google.protobuf.FeatureSet``.

    Attributes:
        field_presence: Whether a field knows that it was not set.
        enum_type: Open, or closed.
        utf8_validation: Whether text is checked.
        message_encoding: Behind its length, or between tags as groups are.
        json_format: Whether JSON is held to work.
        cpp_string_type: A value of ``CPP_STRING_TYPES``.
        java_verify: Whether Java checks text, whatever the others do.
    """

    field_presence: int
    enum_type: int
    utf8_validation: int
    message_encoding: int
    json_format: int
    cpp_string_type: str
    java_verify: bool

    def overridden(self, given: FeatureSet) -> Features:
        """Answers them with what an element gives by itself."""
        changed: dict[str, Any] = {
            field.name: value for field, value in given.ListFields() if field.name in _STANDARD
        }
        languages: Any = _languages().FromString(given.SerializePartialToString())
        if languages.cpp.text:
            changed["cpp_string_type"] = CPP_STRING_TYPES.get(languages.cpp.text, "STRING")
        if languages.java.text:
            changed["java_verify"] = languages.java.text == _JAVA_VERIFY
        return replace(self, **changed) if changed else self


_PROTO2 = Features(
    field_presence=FeatureSet.EXPLICIT,
    enum_type=FeatureSet.CLOSED,
    utf8_validation=FeatureSet.NONE,
    message_encoding=FeatureSet.LENGTH_PREFIXED,
    json_format=FeatureSet.LEGACY_BEST_EFFORT,
    cpp_string_type="STRING",
    java_verify=False,
)
_2023 = replace(
    _PROTO2, enum_type=FeatureSet.OPEN, utf8_validation=FeatureSet.VERIFY, json_format=FeatureSet.ALLOW
)
_PROTO3 = replace(_2023, field_presence=FeatureSet.IMPLICIT)
_2024 = replace(_2023, cpp_string_type="VIEW")


def syntax_of(file: FileDescriptorProto) -> str:
    """Answers ``proto2``, ``proto3``, or ``editions``."""
    return file.syntax or "proto2"


def file_features(file: FileDescriptorProto) -> Features:
    """Answers what holds for a whole file."""
    syntax = syntax_of(file)
    if syntax == "proto2":
        return _PROTO2
    if syntax == "proto3":
        return _PROTO3
    features = _2023 if file.edition <= Edition.EDITION_2023 else _2024
    return features.overridden(file.options.features) if file.options.HasField("features") else features


def resolved(inherited: Features, element: _Inheriting) -> Features:
    """Answers the features of an element; most give none, and then nothing is made."""
    if element.HasField("options") and element.options.HasField("features"):
        return inherited.overridden(element.options.features)
    return inherited


@cache
def _languages() -> type[Message]:
    """Answers a twin of ``FeatureSet`` that has but the features of languages, of which we lack the files.

    What we read of a language is about text and has number 2: C++'s ``string_type``, Java's
    ``utf8_validation``.
    """
    file = FileDescriptorProto(name="languages.proto", syntax="proto2")
    label = FieldDescriptorProto.LABEL_OPTIONAL
    language = file.message_type.add(name="Language")
    language.field.add(name="text", number=2, label=label, type=FieldDescriptorProto.TYPE_INT32)
    features = file.message_type.add(name="Features")
    for name, number in (("cpp", CPP_FEATURES), ("java", JAVA_FEATURES)):
        field = features.field.add(name=name, number=number, label=label, type_name=".Language")
        field.type = FieldDescriptorProto.TYPE_MESSAGE
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("Features"))
