"""The rules about a subject's history: what was given a meaning once gets no other one, in any direction."""

from __future__ import annotations

from registry.compat.rule import Cell, breaks, fine, rule

_NUMBER = breaks(
    "A later version could give the number another meaning, and old events would be read with it. Versions "
    "are compared with the latest one only, so the number must stay reserved."
)
_NAME = breaks("A later version could give the name another meaning, and old JSON would be read with it.")
_BY_NUMBER = fine("Only JSON and source code go by names.")
_ONLY_JSON = fine("It is about JSON alone.")
_JSON_SUPPORT = breaks("JSON was held to work and is a best effort now, so names in it may clash unseen.")
_TYPES = breaks(
    "Stored events name their type, so it must stay declared. Buf finds this in source code only; a message "
    "that merely moved to another file, or is no event type, counts there only with us, too."
)


def _moved(what: str) -> Cell:
    return breaks(f"Code that imports the {what} from its file, or uses it at all, no longer compiles.")


LINEAGE_RULES = (
    rule(
        "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
        "numbers of removed fields are reserved",
        wire=_NUMBER,
        lineage=True,
    ),
    rule(
        "FIELD_NO_DELETE_UNLESS_NAME_RESERVED",
        "names of removed fields are reserved",
        wire=_BY_NUMBER,
        json=_NAME,
        lineage=True,
        implied_by=("FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",),
    ),
    rule(
        "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
        "numbers of removed enum values are reserved",
        wire=_NUMBER,
        lineage=True,
    ),
    rule(
        "ENUM_VALUE_NO_DELETE_UNLESS_NAME_RESERVED",
        "names of removed enum values are reserved",
        wire=_BY_NUMBER,
        json=_NAME,
        lineage=True,
        implied_by=("ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",),
    ),
    rule(
        "RESERVED_MESSAGE_NO_DELETE",
        "what is reserved in a message stays reserved",
        wire=breaks(
            "Old events may hold a removed field under the number, and could be read as another one. A name "
            "that is not reserved any more counts in JSON and source code only with us."
        ),
        lineage=True,
    ),
    rule(
        "RESERVED_ENUM_NO_DELETE",
        "what is reserved in an enum stays reserved",
        wire=breaks(
            "Old events may hold a removed value under the number, and could be read as another one. A name "
            "that is not reserved any more counts in JSON and source code only with us."
        ),
        lineage=True,
    ),
    rule(
        "MESSAGE_NO_DELETE",
        "event types stay declared",
        wire=_TYPES,
        source=_moved("message"),
        lineage=True,
    ),
    rule(
        "EXTENSION_NO_DELETE",
        "extensions stay declared",
        wire=breaks(
            "Another schema could give the extension's number another meaning. Buf finds this in source "
            "code only; an extension that merely moved, or whose number is reserved, counts there only "
            "with us, too."
        ),
        source=_moved("extension"),
        lineage=True,
    ),
    rule(
        "MESSAGE_SAME_JSON_FORMAT",
        "a message keeps its JSON support",
        wire=_ONLY_JSON,
        json=_JSON_SUPPORT,
        lineage=True,
    ),
    rule(
        "ENUM_SAME_JSON_FORMAT",
        "an enum keeps its JSON support",
        wire=_ONLY_JSON,
        json=_JSON_SUPPORT,
        lineage=True,
    ),
    rule(
        "FILE_SAME_PACKAGE",
        "a file keeps its package",
        wire=breaks("All that it declares gets another full name, by which stored events name their type."),
        lineage=True,
    ),
)
