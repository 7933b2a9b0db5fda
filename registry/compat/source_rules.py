"""The rules about code that is generated from a schema: binary data and JSON don't notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.rule import breaks, fine, rule

if TYPE_CHECKING:
    from registry.compat.rule import Rule

_LANGUAGES = {
    "FILE_SAME_JAVA_PACKAGE": "Java's classes move to another package",
    "FILE_SAME_JAVA_OUTER_CLASSNAME": "Java's outer class gets another name",
    "FILE_SAME_JAVA_MULTIPLE_FILES": "Java's classes move into or out of the outer class",
    "FILE_SAME_JAVA_GENERIC_SERVICES": "Java's generic services come or go",
    "FILE_SAME_GO_PACKAGE": "Go's code moves to another package",
    "FILE_SAME_OBJC_CLASS_PREFIX": "Objective-C's classes get other names",
    "FILE_SAME_CSHARP_NAMESPACE": "C#'s classes move to another namespace",
    "FILE_SAME_SWIFT_PREFIX": "Swift's types get other names",
    "FILE_SAME_PHP_CLASS_PREFIX": "PHP's classes get other names",
    "FILE_SAME_PHP_NAMESPACE": "PHP's classes move to another namespace",
    "FILE_SAME_PHP_METADATA_NAMESPACE": "PHP's metadata classes move to another namespace",
    "FILE_SAME_RUBY_PACKAGE": "Ruby's classes move to another module",
    "FILE_SAME_OPTIMIZE_FOR": "C++'s and Java's classes get another base, with less or more in it",
    "FILE_SAME_CC_GENERIC_SERVICES": "C++'s generic services come or go",
    "FILE_SAME_PY_GENERIC_SERVICES": "Python's generic services come or go",
    "FILE_SAME_CC_ENABLE_ARENAS": "C++'s messages gain or lose their arenas",
}
_OPTION = fine("The option is about generated code alone.")
_NO_DATA = fine("Nothing that is written or read depends on it.")
_GONE = "Code that uses it no longer compiles."
_NAMED = fine("MESSAGE_NO_DELETE says it of event types, and other rules of the fields that used the others.")


def option_rule(option: str) -> str:
    """Answers the id of the rule that holds a file's option."""
    return f"FILE_SAME_{option.upper()}"


def _option(rule_id: str, consequence: str) -> Rule:
    option = rule_id.removeprefix("FILE_SAME_").lower()
    why = f"{consequence}, so code that uses them no longer compiles."
    return rule(rule_id, f"a file keeps its option {option}", wire=_OPTION, source=breaks(why))


def _gone(rule_id: str, title: str, *implied_by: str) -> Rule:
    return rule(rule_id, title, wire=_NO_DATA, source=breaks(_GONE), implied_by=implied_by)


SOURCE_RULES = (
    *(_option(rule_id, consequence) for rule_id, consequence in _LANGUAGES.items()),
    rule(
        "FILE_SAME_SYNTAX",
        "a file keeps its syntax",
        wire=fine("What it decides (presence, closed enums, checked text) has rules of its own."),
        source=breaks("Generated code gains or loses presence, defaults and unknown enum values."),
    ),
    rule("FILE_NO_DELETE", "files stay", wire=_NAMED, source=breaks("Code that imports it fails.")),
    rule("PACKAGE_NO_DELETE", "packages stay", wire=_NAMED, source=breaks(_GONE)),
    rule(
        "PACKAGE_MESSAGE_NO_DELETE",
        "messages stay in their package",
        wire=_NAMED,
        source=breaks(_GONE),
        implied_by=("MESSAGE_NO_DELETE",),
    ),
    _gone("ENUM_NO_DELETE", "enums stay in their file"),
    _gone("PACKAGE_ENUM_NO_DELETE", "enums stay in their package", "ENUM_NO_DELETE"),
    _gone("SERVICE_NO_DELETE", "services stay in their file"),
    _gone("PACKAGE_SERVICE_NO_DELETE", "services stay in their package", "SERVICE_NO_DELETE"),
    _gone("PACKAGE_EXTENSION_NO_DELETE", "extensions stay in their package", "EXTENSION_NO_DELETE"),
    _gone("RPC_NO_DELETE", "methods stay in their service"),
    _gone("ONEOF_NO_DELETE", "oneofs stay in their message"),
    rule(
        "EXTENSION_MESSAGE_NO_DELETE",
        "a message stays extendable",
        wire=fine("What is written doesn't change; that extensions stay is EXTENSION_NO_DELETE's to say."),
        source=breaks("Extensions with a number of the range no longer compile, wherever they are."),
    ),
    rule(
        "MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR",
        "a message keeps its descriptor accessor",
        wire=_OPTION,
        source=breaks("C++ code that asks the message for its descriptor no longer compiles."),
    ),
    rule(
        "FIELD_SAME_JSTYPE",
        "a field keeps its JavaScript type",
        wire=_OPTION,
        source=breaks("JavaScript code gets a string where it had a number, or the reverse."),
    ),
    rule(
        "FIELD_SAME_CPP_STRING_TYPE",
        "a field keeps its C++ string type",
        wire=_OPTION,
        source=breaks("The field's C++ accessors take and give another type."),
    ),
    rule(
        "FIELD_SAME_JAVA_UTF8_VALIDATION",
        "a field's text is checked by Java as before",
        wire=fine("It is about Java alone; FIELD_SAME_UTF8_VALIDATION speaks of all languages."),
        source=breaks("Java refuses text that is not UTF-8 where it used to take it, or the reverse."),
        implied_by=("FIELD_SAME_UTF8_VALIDATION",),
    ),
)
