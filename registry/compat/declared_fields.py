"""Reads the shape of one field from its ``FieldDescriptorProto`` and the features that it inherits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FeatureSet, FieldDescriptorProto, FieldOptions

from registry.compat.shape import Cardinality, FieldShape

if TYPE_CHECKING:
    from registry.compat.features import Features

_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_JS_TYPES = {number: name for name, number in FieldOptions.JSType.items()}
_C_TYPES = {number: name for name, number in FieldOptions.CType.items()}
_NO_OPTIONS = FieldOptions()


@dataclass(frozen=True, slots=True)
class FieldReader:
    """Reads the fields of one file; ``java_checks`` is what the file says about text in Java, if it does."""

    java_checks: bool | None = None

    def read(
        self,
        path: str,
        it: FieldDescriptorProto,
        inherited: Features,
        *,
        oneof: str = "",
        is_map: bool = False,
        label: str = "",
    ) -> FieldShape:
        """Answers a field; ``label`` is given for key and value of a map."""
        options = it.options if it.HasField("options") else _NO_OPTIONS
        features = inherited.overridden(options.features) if options.HasField("features") else inherited
        kind = _TYPES[it.type]
        if kind == "message" and not (is_map or label) and _is_delimited(features):
            kind = "group"
        verified = features.utf8_validation == FeatureSet.VERIFY
        java_verify = features.java_verify if self.java_checks is None else self.java_checks
        has_ctype = options.HasField("ctype")
        return FieldShape(
            path=path,
            name=it.name,
            label=label or it.name,
            number=it.number,
            type=kind,
            type_name=it.type_name[1:],
            cardinality=Cardinality.MAP if is_map else _cardinality(it, kind, features),
            oneof=oneof,
            json_name=it.json_name if it.HasField("json_name") else _json_name(it.name),
            default=it.default_value if it.HasField("default_value") else None,
            verified=verified,
            jstype=_JS_TYPES[options.jstype],
            cpp_string=_C_TYPES[options.ctype] if has_ctype else features.cpp_string_type,
            java_verified=verified or java_verify,
            extendee=it.extendee[1:],
        )


def _is_delimited(features: Features) -> bool:
    return features.message_encoding == FeatureSet.DELIMITED


def _cardinality(it: FieldDescriptorProto, kind: str, features: Features) -> Cardinality:
    if it.label == FieldDescriptorProto.LABEL_REPEATED:
        return Cardinality.REPEATED
    if it.label == FieldDescriptorProto.LABEL_REQUIRED:
        return Cardinality.REQUIRED
    if it.HasField("oneof_index") or it.extendee:
        return Cardinality.EXPLICIT
    if features.field_presence == FeatureSet.LEGACY_REQUIRED:
        return Cardinality.REQUIRED
    has_presence = kind in ("message", "group") or features.field_presence == FeatureSet.EXPLICIT
    return Cardinality.EXPLICIT if has_presence else Cardinality.IMPLICIT


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(it[:1].upper() + it[1:] for it in others)
