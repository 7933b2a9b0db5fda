"""What can happen to a schema: every kind of edit that a compatibility rule may have an opinion about.

Each mutation takes a drawing and edits its files roughly; ``mutate`` draws some and mends what they left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2 as pb

from tests.schema_surgery import (
    LONG,
    SCALARS,
    TEXTS,
    Kind,
    enums,
    extensions,
    map_entry,
    mend,
    messages,
    nested,
    rename_type,
    set_syntax,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.schema_drawing import Drawing

    Mutation = Callable[[Drawing], None]

_LIKE = (
    tuple(Kind.Type.Value(f"TYPE_{it}") for it in ("INT32", "INT64", "UINT32", "UINT64", "BOOL")),
    (Kind.TYPE_SINT32, Kind.TYPE_SINT64),
    (Kind.TYPE_FIXED32, Kind.TYPE_SFIXED32, Kind.TYPE_FLOAT),
    (Kind.TYPE_FIXED64, Kind.TYPE_SFIXED64, Kind.TYPE_DOUBLE),
    TEXTS,
)
_FILE_OPTIONS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        ("go_package", "java_package", "java_outer_classname", "csharp_namespace", "objc_class_prefix",
         "swift_prefix", "php_class_prefix", "php_namespace", "php_metadata_namespace", "ruby_package"),
        ("", "Some", "Other"),
    ),
    **dict.fromkeys(
        ("java_multiple_files", "cc_generic_services", "java_generic_services", "py_generic_services",
         "cc_enable_arenas", "deprecated"),
        (True, False),
    ),
    "optimize_for": (pb.FileOptions.SPEED, pb.FileOptions.CODE_SIZE),
}  # fmt: skip


class Inapplicable(Exception):
    """The schema has nothing that the mutation could change."""


class Refused(Exception):
    """What the mutations left is no schema."""


def mutate(drawing: Drawing, count: int) -> tuple[str, ...]:
    """Applies ``count`` mutations that find something to change, and answers their names.

    Raises:
        Refused: Files import each other now.
    """
    names: list[str] = []
    while len(names) < count:
        mutation = drawing.random.choice(MUTATIONS)
        try:
            mutation(drawing)
        except Inapplicable:
            continue
        mend(drawing.files)
        if _circular(drawing.files):
            raise Refused
        names.append(mutation.__name__)
    return tuple(names)


def _circular(files: list[pb.FileDescriptorProto]) -> bool:
    names = {file.name for file in files}
    return len(files) > 1 and all(names.intersection(file.dependency) for file in files)


def _pick(drawing: Drawing, items: Iterable[Any]) -> Any:
    found = list(items)
    if not found:
        raise Inapplicable
    return drawing.random.choice(found)


def _message(drawing: Drawing) -> Any:
    return _pick(drawing, messages(drawing.files))


def _enum(drawing: Drawing) -> Any:
    return _pick(drawing, enums(drawing.files))


def _field(drawing: Drawing, wanted: Callable[[Kind], bool] = lambda _: True) -> Any:
    """Picks a field, with the message that has it."""
    found = [(it, field) for it in messages(drawing.files) for field in it.element.field if wanted(field)]
    return _pick(drawing, found)


def _plain(field: Kind) -> bool:
    return not field.type_name.endswith("Entry")


def _service(drawing: Drawing) -> Any:
    return _pick(drawing, [(file, service) for file in drawing.files for service in file.service])


def _method(drawing: Drawing) -> Any:
    return _pick(drawing, [(file, it) for file in drawing.files for s in file.service for it in s.method])


def _number(drawing: Drawing, used: Iterable[int]) -> int:
    return _pick(drawing, set(range(1, 12)) - set(used))


# Fields


def field_removed(drawing: Drawing) -> None:
    """Removes a field, and reserves its number, its name, both, or none."""
    it, field = _field(drawing)
    if drawing.chance(0.5):
        it.element.reserved_range.add(start=field.number, end=field.number + 1)
    if drawing.chance(0.5):
        it.element.reserved_name.append(field.name)
    it.element.field.remove(field)


def field_renamed(drawing: Drawing) -> None:
    """Renames a field, and sometimes keeps its name in JSON."""
    _, field = _field(drawing, _plain)
    if drawing.chance(0.3):
        field.json_name = field.json_name or field.name
    field.name = drawing.name("f")


def field_renumbered(drawing: Drawing) -> None:
    """Gives a field another number."""
    it, field = _field(drawing)
    field.number = _number(drawing, [other.number for other in it.element.field])


def fields_swapped(drawing: Drawing) -> None:
    """Lets two fields swap their numbers, or their names."""
    it, field = _field(drawing, _plain)
    other = _pick(drawing, [other for other in it.element.field if other is not field and _plain(other)])
    what = drawing.random.choice(("number", "name"))
    mine, theirs = getattr(field, what), getattr(other, what)
    setattr(field, what, theirs)
    setattr(other, what, mine)


def field_retyped(drawing: Drawing) -> None:
    """Gives a field any other type."""
    it, field = _field(drawing, _plain)
    drawing.retype(field, it.file)


def field_retyped_alike(drawing: Drawing) -> None:
    """Gives a field another type that is encoded in a similar way."""
    _, field = _field(drawing, lambda field: field.type in SCALARS)
    like = next(types for types in _LIKE if field.type in types)
    field.ClearField("default_value")
    field.type = _pick(drawing, [it for it in like if it != field.type])


def field_as_enum_or_integer(drawing: Drawing) -> None:
    """Makes an integer an enum, an enum another enum, or an integer."""
    it, field = _field(drawing, lambda field: field.type in {Kind.TYPE_ENUM, *_LIKE[0]})
    field.ClearField("default_value")
    if field.type == Kind.TYPE_ENUM and drawing.chance(0.5):
        field.type = drawing.random.choice(_LIKE[0])
    else:
        drawing.make_enum(field, it.file)


def field_as_bytes_or_message(drawing: Drawing) -> None:
    """Makes a message bytes or text, or bytes or text a message."""
    it, field = _field(drawing, lambda f: _plain(f) and f.type in {Kind.TYPE_MESSAGE, *TEXTS})
    field.ClearField("default_value")
    if field.type == Kind.TYPE_MESSAGE:
        field.type = drawing.random.choice(TEXTS)
    else:
        field.type = Kind.TYPE_MESSAGE
        field.type_name = _pick(drawing, drawing.visible(it.file, messages)).name


def field_as_group_or_message(drawing: Drawing) -> None:
    """Lets a message be delimited by tags, or by its length."""
    it, field = _field(drawing, lambda f: _plain(f) and f.type in {Kind.TYPE_MESSAGE, Kind.TYPE_GROUP})
    if it.file.syntax == "proto3":
        raise Inapplicable
    if field.type == Kind.TYPE_GROUP:
        field.type = Kind.TYPE_MESSAGE
    elif it.file.syntax == "proto2":
        field.type, field.name = Kind.TYPE_GROUP, field.type_name.rpartition(".")[2].lower()
    else:
        field.options.features.message_encoding = 3 - (field.options.features.message_encoding or 1)


def field_relabelled(drawing: Drawing) -> None:
    """Gives a field another cardinality: implicit, optional, required or repeated."""
    _, field = _field(drawing, _plain)
    drawing.relabel(field)
    field.ClearField("oneof_index")


def field_into_oneof(drawing: Drawing) -> None:
    """Moves a field into a oneof, or into another one; a new one at times."""
    it, field = _field(drawing, lambda field: field.label == Kind.LABEL_OPTIONAL)
    if drawing.chance(0.4):
        it.element.oneof_decl.add(name=drawing.name("o"))
    field.proto3_optional = False
    field.oneof_index = _pick(drawing, range(len(it.element.oneof_decl)))


def field_out_of_oneof(drawing: Drawing) -> None:
    """Takes a field out of its oneof."""
    _, field = _field(drawing, lambda field: field.HasField("oneof_index"))
    field.ClearField("oneof_index")
    field.proto3_optional = drawing.chance(0.5)


def field_into_map_or_out(drawing: Drawing) -> None:
    """Makes a field a map, or a map repeated messages of the entry's shape or of another one."""
    it, field = _field(drawing)
    if _plain(field):
        drawing.make_map(it.element, it.name, field, it.file)
    else:
        drawing.retype(field, it.file)
        if drawing.chance(0.5):
            field.type, field.type_name = Kind.TYPE_MESSAGE, it.name


def map_retyped(drawing: Drawing) -> None:
    """Gives a map other keys and values."""
    it, field = _field(drawing, lambda field: not _plain(field))
    entry = map_entry(it.element, field)
    it.element.nested_type.remove(entry)
    drawing.make_map(it.element, it.name, field, it.file)


def field_json_name(drawing: Drawing) -> None:
    """Gives a field another name in JSON, or none of its own."""
    _, field = _field(drawing)
    if field.json_name and drawing.chance(0.5):
        field.ClearField("json_name")
    else:
        field.json_name = drawing.name("json")


def field_default(drawing: Drawing) -> None:
    """Gives a field another default, or none."""
    _, field = _field(drawing, lambda f: f.type not in {Kind.TYPE_MESSAGE, Kind.TYPE_GROUP})
    if field.HasField("default_value") and drawing.chance(0.4):
        field.ClearField("default_value")
    else:
        drawing.set_default(field)


def field_options(drawing: Drawing) -> None:
    """Changes options of a field that generators or encoders look at."""
    _, field = _field(drawing)
    if field.type in LONG:
        field.options.jstype = drawing.random.choice((0, 1, 2))
    if field.type in TEXTS:
        field.options.ctype = drawing.random.choice((0, 1, 2))
    field.options.packed = drawing.chance(0.5)
    field.options.deprecated = drawing.chance(0.5)


def field_features(drawing: Drawing) -> None:
    """Changes features of a field."""
    it, field = _field(drawing)
    if it.file.syntax != "editions":
        raise Inapplicable
    features = field.options.features
    name = drawing.random.choice(("field_presence", "utf8_validation", "repeated_field_encoding"))
    setattr(features, name, drawing.random.choice((2, 3) if name == "utf8_validation" else (1, 2)))


def field_added(drawing: Drawing) -> None:
    """Adds a field, perhaps a required one, perhaps with a number that was reserved."""
    it = _message(drawing)
    number = 20 if drawing.chance(0.2) else _number(drawing, [field.number for field in it.element.field])
    if number not in {field.number for field in it.element.field}:
        drawing.add_field(it.element, it.file, number)


# Oneofs, reserved things, extensions


def oneof_removed(drawing: Drawing) -> None:
    """Takes all fields out of a oneof, or removes them with it."""
    it, member = _field(drawing, lambda field: field.HasField("oneof_index"))
    freed, index = drawing.chance(0.5), member.oneof_index
    for field in [field for field in it.element.field if field.HasField("oneof_index")]:
        if field.oneof_index == index and freed:
            field.ClearField("oneof_index")
        elif field.oneof_index == index:
            it.element.field.remove(field)


def oneof_renamed(drawing: Drawing) -> None:
    """Renames a oneof."""
    it = _pick(drawing, [it for it in messages(drawing.files) if it.element.oneof_decl])
    it.element.oneof_decl[0].name = drawing.name("o")


def reserved_added(drawing: Drawing) -> None:
    """Reserves more."""
    element = _pick(drawing, [_message(drawing), _enum(drawing)]).element
    if any(span.end >= 2_000_000 for span in element.reserved_range):
        raise Inapplicable
    element.reserved_range.add(start=2_000_000, end=2_000_002)
    element.reserved_name.append(drawing.name("f"))


def reserved_removed(drawing: Drawing) -> None:
    """Reserves fewer numbers, or a name less."""
    declared = (*messages(drawing.files), *enums(drawing.files))
    element = _pick(drawing, [it for it in declared if it.element.reserved_range]).element
    if element.reserved_name and drawing.chance(0.4):
        del element.reserved_name[0]
    elif drawing.chance(0.5):
        del element.reserved_range[0]
    else:
        element.reserved_range[0].start += 1
        element.reserved_range[0].end = max(
            element.reserved_range[0].end, element.reserved_range[0].start + 1
        )


def extension_range_changed(drawing: Drawing) -> None:
    """Leaves fewer numbers to extensions, or more."""
    found = [it.element for it in messages(drawing.files) if it.element.extension_range]
    element = _pick(drawing, found)
    if drawing.chance(0.4):
        del element.extension_range[0]
    else:
        element.extension_range[0].end += drawing.random.choice((-1, 1))


def extension_changed(drawing: Drawing) -> None:
    """Removes an extension, renames, retypes, relabels or moves it."""
    file, holder, field = _pick(drawing, extensions(drawing.files))
    match drawing.random.randrange(5):
        case 0:
            holder.extension.remove(field)
        case 1:
            field.name = drawing.name("x")
        case 2:
            drawing.retype(field, file)
        case 3:
            drawing.relabel(field)
        case _:
            other = _pick(drawing, [file, *file.message_type])
            other.extension.append(field)
            if other is not holder:
                holder.extension.remove(field)
            else:
                del holder.extension[-1]


# Enums


def value_removed(drawing: Drawing) -> None:
    """Removes a value, and reserves its number, its name, both, or none."""
    enum = _enum(drawing).element
    value = _pick(drawing, enum.value)
    if drawing.chance(0.5):
        enum.reserved_range.add(start=value.number, end=value.number)
    if drawing.chance(0.5):
        enum.reserved_name.append(value.name)
    enum.value.remove(value)


def value_renamed(drawing: Drawing) -> None:
    """Renames a value."""
    _pick(drawing, _enum(drawing).element.value).name = drawing.name("V_")


def value_renumbered(drawing: Drawing) -> None:
    """Gives a value another number, perhaps one that is taken."""
    _pick(drawing, _enum(drawing).element.value).number = drawing.random.randrange(-2, 10)


def value_added(drawing: Drawing) -> None:
    """Adds a value, at times a second name for a number."""
    enum = _enum(drawing).element
    value = enum.value.add(name=drawing.name("V_"), number=drawing.random.randrange(-2, 21))
    if drawing.chance(0.3):
        enum.value.insert(1, value)
        del enum.value[-1]


def enum_features(drawing: Drawing) -> None:
    """Closes an enum, opens it, or says another thing about its JSON."""
    it = _pick(drawing, [it for it in enums(drawing.files) if it.file.syntax == "editions"])
    if drawing.chance(0.7):
        closed = it.element.options.features.enum_type == pb.FeatureSet.CLOSED
        it.element.options.features.enum_type = pb.FeatureSet.OPEN if closed else pb.FeatureSet.CLOSED
    else:
        it.element.options.features.json_format = drawing.random.choice((1, 2))


# Whatever has a name


def type_renamed(drawing: Drawing) -> None:
    """Renames a message or an enum."""
    it = _pick(drawing, [_message(drawing), _enum(drawing)])
    name = drawing.name(it.element.name[0])
    rename_type(drawing.files, it.name, f"{it.name.rpartition('.')[0]}.{name}")
    it.element.name = name


def type_removed(drawing: Drawing) -> None:
    """Removes a message or an enum."""
    it = _pick(drawing, [_message(drawing), _enum(drawing)])
    (it.holder.enum_type if isinstance(it.element, pb.EnumDescriptorProto) else nested(it.holder)).remove(
        it.element
    )


def type_added(drawing: Drawing) -> None:
    """Adds a message with fields, and an enum."""
    file = _pick(drawing, drawing.files)
    drawing.enum(file.enum_type.add())
    message = file.message_type.add(name=drawing.name("M"))
    drawing.add_field(message, file, 1)


def type_moved(drawing: Drawing) -> None:
    """Moves a message or an enum into another message, out of its message, or into another file."""
    it = _pick(drawing, [_message(drawing), _enum(drawing)])
    others = [(f".{file.package}", file) for file in drawing.files]
    others += [(other.name, other.element) for other in messages(drawing.files)]
    is_enum = isinstance(it.element, pb.EnumDescriptorProto)
    scope, holder = _pick(
        drawing,
        [
            (s, other)
            for s, other in others
            if other is not it.holder and not f"{s}.".startswith(f"{it.name}.")
        ],
    )
    rename_type(drawing.files, it.name, f"{scope}.{it.element.name}")
    copied = type(it.element).FromString(it.element.SerializeToString())
    (it.holder.enum_type if is_enum else nested(it.holder)).remove(it.element)
    (holder.enum_type if is_enum else nested(holder)).append(copied)


def message_options(drawing: Drawing) -> None:
    """Changes options of a message."""
    options = _message(drawing).element.options
    if drawing.chance(0.5):
        options.no_standard_descriptor_accessor = not options.no_standard_descriptor_accessor
    else:
        options.features.json_format = drawing.random.choice((1, 2))


# Services


def service_changed(drawing: Drawing) -> None:
    """Adds a service, removes or renames one, or moves it to another file."""
    file, service = _service(drawing)
    match drawing.random.randrange(4):
        case 0:
            drawing.service(file)
        case 1:
            file.service.remove(service)
        case 2:
            service.name = drawing.name("S")
        case _:
            other = _pick(drawing, [it for it in drawing.files if it is not file])
            other.service.append(service)
            file.service.remove(service)


def method_changed(drawing: Drawing) -> None:
    """Renames a method, gives it other messages, streams or idempotency."""
    file, method = _method(drawing)
    match drawing.random.randrange(7):
        case 0:
            method.name = drawing.name("R")
        case 1:
            method.input_type = _pick(drawing, drawing.visible(file, messages)).name
        case 2:
            method.output_type = _pick(drawing, drawing.visible(file, messages)).name
        case 3:
            method.client_streaming = not method.client_streaming
        case 4:
            method.server_streaming = not method.server_streaming
        case _:
            method.options.idempotency_level = drawing.random.choice((1, 2))


def method_removed(drawing: Drawing) -> None:
    """Removes a method."""
    _, service = _service(drawing)
    service.method.remove(_pick(drawing, service.method))


# Files


def file_option(drawing: Drawing) -> None:
    """Changes options of a file."""
    options = _pick(drawing, drawing.files).options
    for name in drawing.random.sample(sorted(_FILE_OPTIONS), 8):
        setattr(options, name, drawing.random.choice(_FILE_OPTIONS[name]))


def file_features(drawing: Drawing) -> None:
    """Changes what the fields and enums of a file are unless they say otherwise."""
    file = _pick(drawing, [file for file in drawing.files if file.syntax == "editions"])
    match drawing.random.randrange(5):
        case 0:
            file.options.features.utf8_validation = drawing.random.choice((2, 3))
        case 1:
            file.options.features.repeated_field_encoding = drawing.random.choice((1, 2))
        case 2:
            file.options.features.json_format = drawing.random.choice((1, 2))
        case 3:
            file.options.features.message_encoding = drawing.random.choice((1, 2))
        case _:
            file.options.features.field_presence = drawing.random.choice((1, 2))


def file_syntax(drawing: Drawing) -> None:
    """Declares another syntax."""
    set_syntax(_pick(drawing, drawing.files), drawing.random.choice(("proto2", "proto3", "editions")))


def file_renamed(drawing: Drawing) -> None:
    """Gives a file another name."""
    _pick(drawing, drawing.files).name = f"{drawing.package}/{drawing.name('renamed')}.proto"


def file_emptied(drawing: Drawing) -> None:
    """Moves all that a file declares to the other one, and removes it."""
    first, *others = drawing.files
    if not others or others[0].package != first.package:
        raise Inapplicable
    for part in ("message_type", "enum_type", "service", "extension"):
        getattr(first, part).extend(getattr(others[0], part))
    drawing.files.remove(others[0])


def file_removed(drawing: Drawing) -> None:
    """Removes a file with all that it declares."""
    drawing.files.remove(_pick(drawing, drawing.files[1:]))


def package_changed(drawing: Drawing) -> None:
    """Moves a file to another package."""
    file = _pick(drawing, drawing.files)
    package = f"{drawing.package}.{drawing.name('p')}"
    for it in (*messages([file]), *enums([file])):
        if it.holder is file:
            rename_type(drawing.files, it.name, f".{package}.{it.element.name}")
    file.package = package


MUTATIONS: tuple[Mutation, ...] = (
    field_removed,
    field_renamed,
    field_renumbered,
    fields_swapped,
    field_retyped,
    field_retyped_alike,
    field_as_enum_or_integer,
    field_as_bytes_or_message,
    field_as_group_or_message,
    field_relabelled,
    field_into_oneof,
    field_out_of_oneof,
    field_into_map_or_out,
    map_retyped,
    field_json_name,
    field_default,
    field_options,
    field_features,
    field_added,
    oneof_removed,
    oneof_renamed,
    reserved_added,
    reserved_removed,
    extension_range_changed,
    extension_changed,
    value_removed,
    value_renamed,
    value_renumbered,
    value_added,
    enum_features,
    type_renamed,
    type_removed,
    type_added,
    type_moved,
    message_options,
    service_changed,
    method_changed,
    method_removed,
    file_option,
    file_features,
    file_syntax,
    file_renamed,
    file_emptied,
    file_removed,
    package_changed,
)
