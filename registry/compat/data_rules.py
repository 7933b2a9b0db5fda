"""The rules about who can read what: what one version writes, in binary or JSON, and another one reads."""

from __future__ import annotations

from registry.compat.rule import breaks, fine, notice, rule

_ELSEWHERE = fine("Whether data can still be read is what the WIRE and WIRE_JSON rules of the same name say.")
_ACCESSORS = "The field's accessors change, so code that uses them no longer compiles or behaves."
_NULLABLE = notice("The values are the same, but one side can't tell an unset field from a zero.")
_SERVICE = breaks("Clients and servers of the two versions can't talk to each other.")
_RESERVED_TEXT = "Text must be UTF-8 whatever is checked, so only data that breaks this rule is refused."

TYPE_RULES = (
    rule(
        "FIELD_WIRE_COMPATIBLE_TYPE",
        "a field keeps a type of the same binary encoding",
        wire=breaks(
            "The types are encoded in different ways, or are different messages or enums, so that values are "
            "misread, lost or refused. One way may work: every string can be read as bytes. Integers and "
            "enums are the same numbers, so that is told only, unless numbers get lost."
        ),
    ),
    rule(
        "FIELD_SAME_RANGE",
        "a field's type keeps room for its values",
        wire=breaks(
            "Both types are encoded alike, but where the reader's has less room, values are cut off "
            "or change sign: an int64 of 4294967296 is 0 as an int32. The other way works."
        ),
        json=breaks("Where the reader's type has less room, it refuses the number."),
        buf=False,
    ),
    rule(
        "FIELD_WIRE_JSON_COMPATIBLE_TYPE",
        "a field keeps a type of the same JSON",
        wire=fine("FIELD_WIRE_COMPATIBLE_TYPE says whether binary data can still be read."),
        json=breaks(
            "JSON writes the types differently: 64-bit integers as strings, bytes as base64, enums by name. "
            "Some ProtoJSON readers take more than one form; other readers of JSON don't."
        ),
        implied_by=("FIELD_WIRE_COMPATIBLE_TYPE",),
    ),
    rule(
        "FIELD_SAME_TYPE",
        "a field keeps its type",
        wire=_ELSEWHERE,
        source=breaks(_ACCESSORS),
        implied_by=("FIELD_WIRE_COMPATIBLE_TYPE", "FIELD_WIRE_JSON_COMPATIBLE_TYPE", "FIELD_SAME_RANGE"),
    ),
    rule(
        "FIELD_WIRE_COMPATIBLE_CARDINALITY",
        "a field stays singular, required or repeated",
        wire=breaks(
            "A reader that knows one value takes the last of many, and no number at all out of a packed "
            "list. A reader that knows many takes one as a list of one, which is told only."
        ),
        json=breaks("In JSON one value and a list of one are different texts, which neither reader takes."),
        implied_by=("MESSAGE_SAME_REQUIRED_FIELDS",),
    ),
    rule(
        "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY",
        "a field stays singular, required, repeated or a map",
        wire=fine("A map is encoded as a list of its entries."),
        json=breaks("In JSON a map is an object, a list of entries an array, and one value neither."),
        implied_by=("FIELD_WIRE_COMPATIBLE_CARDINALITY", "MESSAGE_SAME_REQUIRED_FIELDS"),
    ),
    rule(
        "FIELD_SAME_CARDINALITY",
        "a field keeps its cardinality and presence",
        wire=_NULLABLE,
        json=_NULLABLE,
        source=breaks(_ACCESSORS),
        implied_by=(
            "FIELD_WIRE_COMPATIBLE_CARDINALITY",
            "FIELD_WIRE_JSON_COMPATIBLE_CARDINALITY",
            "FIELD_SAME_ONEOF",
            "FIELD_WIRE_COMPATIBLE_TYPE",
            "MESSAGE_SAME_REQUIRED_FIELDS",
        ),
    ),
)

FIELD_RULES = (
    rule(
        "MESSAGE_SAME_REQUIRED_FIELDS",
        "a message keeps its required fields",
        wire=(
            breaks("New readers refuse old events that lack a field which they require."),
            breaks("Old readers refuse new events that lack a field which they require."),
        ),
    ),
    rule(
        "FIELD_NO_DELETE",
        "fields stay declared",
        wire=(
            notice("New readers don't see what old events hold in the field."),
            notice("Old readers see the default instead of a value."),
        ),
        json=(
            notice("New readers skip the field, and those that refuse unknown names refuse old events."),
            notice("Old readers see the default instead of a value."),
        ),
        source=breaks("Code that uses the field no longer compiles."),
    ),
    rule(
        "FIELD_NO_ADD",
        "readers that refuse unknown names meet none",
        wire=fine("Unknown fields are skipped; new readers of old events see the default."),
        json=(
            fine("New readers of old events see the default."),
            notice("Old readers skip the field, unless they refuse unknown names, as many do by default."),
        ),
        buf=False,
    ),
    rule(
        "FIELD_SAME_ONEOF",
        "fields share a oneof as before",
        wire=(
            breaks("Of fields that old writers could set together, new readers see but the last one."),
            breaks("Of fields that new writers can set together, old readers see but the last one."),
        ),
        json=(
            breaks("New readers refuse JSON that sets two fields of one oneof."),
            breaks("Old readers refuse JSON that sets two fields of one oneof."),
        ),
        source=breaks(_ACCESSORS),
    ),
    rule(
        "FIELD_SAME_DEFAULT",
        "a field keeps its default",
        wire=breaks("An unset field isn't written, so the reader sees another value than the writer meant."),
    ),
    rule(
        "FIELD_SAME_NAME",
        "a field keeps its name",
        wire=notice("Fields travel by number; told only where a name stands for another number now."),
        json=breaks("Fields travel by name, so readers don't find the value; told only if json_name stays."),
        source=breaks("Code that uses the field no longer compiles."),
    ),
    rule(
        "FIELD_SAME_JSON_NAME",
        "a field keeps its name in JSON",
        wire=fine("Fields travel by number."),
        json=breaks("Fields travel by this name, so the value is not found under it."),
        implied_by=("FIELD_SAME_NAME",),
    ),
    rule(
        "FIELD_SAME_UTF8_VALIDATION",
        "a field's text is checked as before",
        wire=(notice(_RESERVED_TEXT), notice(_RESERVED_TEXT)),
        source=breaks("Text that is not UTF-8 is refused where it used to be taken, or the reverse."),
    ),
)

MESSAGE_AND_ENUM_RULES = (
    rule(
        "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
        "a message keeps its encoding",
        wire=breaks("The extensions of a MessageSet are encoded in a way of their own."),
    ),
    rule(
        "ENUM_SAME_TYPE",
        "an enum stays open or closed",
        wire=(
            breaks("A closed enum loses numbers without a name, which an open one keeps."),
            breaks("A closed enum loses numbers without a name, which an open one keeps."),
        ),
        source=breaks("Generated code treats unknown numbers, and unset fields, in another way."),
    ),
    rule(
        "ENUM_VALUE_SAME_NAME",
        "an enum value keeps its name",
        wire=notice("Values travel by number; told only where a name stands for another number now."),
        json=breaks(
            "Values travel by name, and readers refuse one that they don't know. Of several names the first "
            "is written, so that others are told only."
        ),
        source=breaks("Code that uses the name no longer compiles."),
    ),
    rule(
        "ENUM_VALUE_NO_DELETE",
        "enum values stay declared",
        wire=(
            notice("New readers see a number without a name; in a closed enum, the default."),
            fine("Nobody writes the value any more."),
        ),
        json=(
            notice("Values travel by name: new readers refuse it or, skipping the unknown, see the default."),
            fine("Nobody writes the value any more."),
        ),
        source=breaks("Code that uses the name no longer compiles."),
    ),
    rule(
        "ENUM_VALUE_NO_ADD",
        "readers meet no enum value that they don't know",
        wire=(
            fine("Old events don't have the value."),
            notice("Old readers see a number without a name; in a closed enum, the default."),
        ),
        json=(
            fine("Old events don't have the value."),
            notice("Values travel by name: old readers refuse it or, skipping the unknown, see the default."),
        ),
        buf=False,
    ),
)

SERVICE_RULES = (
    rule("RPC_SAME_REQUEST_TYPE", "a method keeps its request type", wire=_SERVICE),
    rule("RPC_SAME_RESPONSE_TYPE", "a method keeps its response type", wire=_SERVICE),
    rule("RPC_SAME_CLIENT_STREAMING", "a method keeps streaming requests or not", wire=_SERVICE),
    rule("RPC_SAME_SERVER_STREAMING", "a method keeps streaming responses or not", wire=_SERVICE),
    rule(
        "RPC_SAME_IDEMPOTENCY_LEVEL",
        "a method keeps its idempotency level",
        wire=breaks("Clients may have retried, or called by GET, what can't be repeated safely any more."),
    ),
)

DATA_RULES = (*TYPE_RULES, *FIELD_RULES, *MESSAGE_AND_ENUM_RULES, *SERVICE_RULES)
