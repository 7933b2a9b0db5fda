"""Schemas to be mutated: small ones that have a little of everything, drawn with a seed.

Each lies in a package and a folder of its own, so that many make one descriptor set. The last part of a
name tells messages, enums, values and oneofs of a schema apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2 as pb

from tests.schema_surgery import (
    EMPTY,
    KEYS,
    SCALARS,
    TEXTS,
    TIME,
    Kind,
    enums,
    extensions,
    mend,
    messages,
    set_syntax,
)

if TYPE_CHECKING:
    from random import Random

SYNTAXES = ("proto2", "proto3", "editions")


class Drawing:
    """One schema in the making: its files, and names that nothing else in it has."""

    def __init__(self, random: Random, package: str) -> None:
        """Draws two files; the second may refer to the first."""
        self.random = random
        self.package = package
        self.files: list[pb.FileDescriptorProto] = []
        self._names = 0
        for letter in "ab":
            self.files.append(self.file(letter))
        for file in self.files:
            self._fill(file)
        mend(self.files)

    def name(self, prefix: str) -> str:
        """Answers a new name."""
        self._names += 1
        return f"{prefix}{self._names}"

    def chance(self, odds: float) -> bool:
        """Answers True with probability ``odds``."""
        return self.random.random() < odds

    def file(self, letter: str) -> pb.FileDescriptorProto:
        """Draws a file of messages without fields, and enums."""
        file = pb.FileDescriptorProto(name=f"{self.package}/{letter}.proto", package=self.package)
        set_syntax(file, self.random.choice(SYNTAXES))
        for _ in range(self.random.choice((1, 2))):
            self.enum(file.enum_type.add())
        for _ in range(self.random.choice((2, 3))):
            message = file.message_type.add(name=self.name("M"))
            if self.chance(0.4):
                message.nested_type.add(name=self.name("M"))
            if self.chance(0.3):
                self.enum(message.enum_type.add())
        return file

    def enum(self, enum: pb.EnumDescriptorProto) -> None:
        """Makes ``enum`` something."""
        enum.name = self.name("E")
        for number in (0, *self.random.sample((1, 2, 3, 7, -1), 3)):
            enum.value.add(name=self.name("V_"), number=number)
        if self.chance(0.3):
            enum.value.add(name=self.name("V_"), number=enum.value[-1].number)
        if self.chance(0.5):
            enum.reserved_range.add(start=20, end=self.random.choice((20, 29, 2**31 - 1)))
            enum.reserved_name.append(self.name("V_"))
        if self.chance(0.2):
            enum.options.features.enum_type = pb.FeatureSet.CLOSED

    def _fill(self, file: pb.FileDescriptorProto) -> None:
        for it in messages([file]):
            self._message(it.element, file, it.name)
        for it in messages(self.files):
            for span in it.element.extension_range:
                if self.chance(0.5) and span.start not in {
                    field.number for *_, field in extensions(self.files)
                }:
                    scope = self.random.choice((file, file.message_type[0]))
                    field = scope.extension.add(extendee=it.name)
                    self.fill_field(field, file, self.name("x"), span.start)
        if self.chance(0.7):
            self.service(file)
        if self.chance(0.5):
            file.options.go_package, file.options.java_package = "example.com/a;a", "com.example"

    def _message(self, message: pb.DescriptorProto, file: pb.FileDescriptorProto, full_name: str) -> None:
        if self.chance(0.6):
            message.oneof_decl.add(name=self.name("o"))
            message.oneof_decl.add(name=self.name("o"))
        for number in sorted(self.random.sample(range(1, 12), self.random.randint(2, 6))):
            if self.chance(0.12):
                field = message.field.add(name=self.name("f"), number=number)
                self.make_map(message, full_name, field, file)
            elif self.chance(0.05) and file.syntax == "proto2":
                self.add_group(message, full_name, number)
            else:
                self.add_field(message, file, number)
        if self.chance(0.5):
            message.reserved_range.add(start=20, end=self.random.choice((21, 30, 2**29)))
            message.reserved_name.append(self.name("f"))
        if self.chance(0.3):
            start = self.random.choice((12, 15))
            message.extension_range.add(start=start, end=start + self.random.choice((2, 3)))

    def add_field(self, message: pb.DescriptorProto, file: pb.FileDescriptorProto, number: int) -> None:
        """Adds a field of any kind but a map."""
        field = message.field.add()
        self.fill_field(field, file, self.name("f"), number)
        if message.oneof_decl and field.label == Kind.LABEL_OPTIONAL and self.chance(0.4):
            field.oneof_index = self.random.randrange(len(message.oneof_decl))

    def fill_field(self, field: Kind, file: pb.FileDescriptorProto, name: str, number: int) -> None:
        """Makes ``field`` something."""
        field.name, field.number = name, number
        self.retype(field, file)
        self.relabel(field)
        if self.chance(0.15):
            field.json_name = self.name("json")

    def retype(self, field: Kind, file: pb.FileDescriptorProto) -> None:
        """Gives ``field`` a type that its file can see, and sometimes a default."""
        field.ClearField("type_name")
        field.ClearField("default_value")
        choice = self.random.random()
        if choice < 0.7:
            field.type = self.random.choice(SCALARS)
        elif choice < 0.85:
            field.type = Kind.TYPE_MESSAGE
            field.type_name = self.random.choice([*(it.name for it in self.visible(file, messages)), TIME])
        else:
            self.make_enum(field, file)
        if self.chance(0.2):
            self.set_default(field)

    def make_enum(self, field: Kind, file: pb.FileDescriptorProto) -> None:
        """Gives ``field`` the type of an enum."""
        names = [it.name for it in self.visible(file, enums)]
        field.type = Kind.TYPE_ENUM
        field.type_name = self.random.choice(names or ["no enum is left, so `mend` makes it an integer"])

    def set_default(self, field: Kind) -> None:
        """Gives ``field`` a default value of its type."""
        if field.type == Kind.TYPE_ENUM:
            values = [
                v.name for it in enums(self.files) if it.name == field.type_name for v in it.element.value
            ]
            field.default_value = self.random.choice(values or [""])
        elif field.type == Kind.TYPE_BOOL:
            field.default_value = self.random.choice(("true", "false"))
        else:
            values = ("", "a", "b") if field.type in TEXTS else ("0", "5", "7")
            field.default_value = self.random.choice(values)

    def relabel(self, field: Kind) -> None:
        """Gives ``field`` a cardinality."""
        label = self.random.choice(("singular", "singular", "repeated", "required", "optional"))
        labels = {"repeated": Kind.LABEL_REPEATED, "required": Kind.LABEL_REQUIRED}
        field.label = labels.get(label, Kind.LABEL_OPTIONAL)
        field.proto3_optional = label == "optional"
        field.options.ClearField("features")
        if label == "optional":
            field.options.features.field_presence = pb.FeatureSet.IMPLICIT

    def visible(self, file: pb.FileDescriptorProto, kind: type) -> list:
        """Answers the messages or enums that ``file`` may refer to."""
        return kind(self.files[: self.files.index(file) + 1])

    def make_map(
        self, message: pb.DescriptorProto, full_name: str, field: Kind, file: pb.FileDescriptorProto
    ) -> None:
        """Makes ``field`` a map."""
        entry = message.nested_type.add(name=f"{field.name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=1, type=self.random.choice(KEYS))
        value = entry.field.add(name="value", number=2, label=1)
        self.retype(value, file)
        value.ClearField("default_value")
        field.ClearField("default_value")
        field.ClearField("oneof_index")
        field.label, field.type = Kind.LABEL_REPEATED, Kind.TYPE_MESSAGE
        field.type_name = f"{full_name}.{entry.name}"

    def add_group(self, message: pb.DescriptorProto, full_name: str, number: int) -> None:
        """Adds a group of one field."""
        name = self.name("G")
        message.nested_type.add(name=name).field.add(name="f", number=1, label=1, type=Kind.TYPE_INT32)
        field = message.field.add(name=name.lower(), number=number, label=1, type=Kind.TYPE_GROUP)
        field.type_name = f"{full_name}.{name}"

    def service(self, file: pb.FileDescriptorProto) -> None:
        """Adds a service of two methods."""
        service = file.service.add(name=self.name("S"))
        for _ in range(2):
            method = service.method.add(name=self.name("R"))
            names = [*(it.name for it in self.visible(file, messages)), EMPTY]
            method.input_type, method.output_type = self.random.choices(names, k=2)
            method.client_streaming, method.server_streaming = self.chance(0.3), self.chance(0.3)
