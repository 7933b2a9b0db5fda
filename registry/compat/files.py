"""The rules about files, packages and what they declare: what moved, what is gone, and their options.

Buf asks its questions twice: whether an element is still in its file, and whether it is still in its
package. We ask once more, whether the schema still has it at all, since that is what data depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.pair import found
from registry.compat.promise import Verdict
from registry.compat.source_rules import option_rule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.rule import Ways
    from registry.compat.shape import FieldShape, FileShape, MessageShape

_NOT_SEEN: Ways = (Verdict.FINE, Verdict.FINE)


def compare_files(pair: Pair) -> Iterator[Finding]:
    """Answers what changed about the old side's own files, and which of their declarations are gone."""
    for name in sorted(pair.old.own):
        old = pair.old.files[name]
        new = pair.new.files.get(name)
        if new is None:
            yield _file_gone(name)
            yield from _messages_gone(pair, old, old.messages)
            yield from _extensions_gone(pair, old, old.extensions)
        elif new is not old:
            yield from _file(pair, old, new)
    yield from _Packages(pair).compare()


def _file(pair: Pair, old: FileShape, new: FileShape) -> Iterator[Finding]:
    yield from _settings(old, new)
    yield from _messages_gone(pair, old, _gone(old, new, old.messages, new.messages))
    for name in _gone(old, new, old.enums, new.enums):
        yield _code_gone("ENUM_NO_DELETE", name, "enum", moved=name in pair.new.enums)
    for name in _gone(old, new, old.services, new.services):
        yield _code_gone("SERVICE_NO_DELETE", name, "service", moved=False)
    yield from _extensions_gone(pair, old, _gone(old, new, old.extensions, new.extensions))


def _settings(old: FileShape, new: FileShape) -> Iterator[Finding]:
    """Answers what a file does not say of itself any more."""
    if old.package != new.package:
        effect = (
            f"events of all its types name package {old.package or '(none)'}, which it is not in any more"
        )
        change = f"package changed from {old.package or '(none)'} to {new.package or '(none)'}"
        keep = f"keep `package {old.package};`" if old.package else "take the package off again"
        yield found("FILE_SAME_PACKAGE", old.name, change, effect, keep)
    if old.syntax != new.syntax:
        change = f"syntax changed from {old.syntax} to {new.syntax}"
        effect = "code generated from it gains or loses presence, defaults and unknown enum values"
        yield found("FILE_SAME_SYNTAX", old.name, change, effect, f"keep the syntax {old.syntax}")
    for option, was in old.options.items():
        if was != new.options[option]:
            change = f"option {option} changed from {was or '(none)'} to {new.options[option] or '(none)'}"
            effect = "code generated from it is found elsewhere, or lacks a part"
            yield found(option_rule(option), old.name, change, effect, _keep_option(option, was))


def _keep_option(option: str, value: str) -> str:
    if not value:
        return f"take the option {option} off again"
    is_text = value not in ("true", "false") and option != "optimize_for"
    return f'keep `option {option} = "{value}";`' if is_text else f"keep `option {option} = {value};`"


def _file_gone(name: str) -> Finding:
    effect = "code that imports it, or what is generated from it, fails"
    return found("FILE_NO_DELETE", name, "the file is gone", effect, "keep it, and let it import the others")


def _gone(old: FileShape, new: FileShape, before: Collection[str], after: Collection[str]) -> list[str]:
    """Answers what of a file is not under its name within the package any more."""
    return [name for name in before if new.full_name(old.nested_name(name)) not in after]


def _messages_gone(pair: Pair, file: FileShape, names: Collection[str]) -> Iterator[Finding]:
    for name in names:
        message = file.messages[name]
        is_needed = message.is_type and name not in pair.new.messages
        stays_in_file = file.name in pair.new.files
        if not message.is_entry and (is_needed or stays_in_file):
            yield _message_gone(pair, message, is_needed=is_needed)


def _message_gone(pair: Pair, message: MessageShape, *, is_needed: bool) -> Finding:
    if is_needed:
        effect = (
            f"stored events of type {message.name} can't be read by {pair.new.name}, nor new ones written"
        )
        change, data = "the message is gone", (Verdict.BREAKS, Verdict.BREAKS)
    else:
        effect, data = "code that imports it from its file no longer compiles", _NOT_SEEN
        change = (
            "the message moved to another file" if message.name in pair.new.messages else "the group is gone"
        )
    suggestion = f"keep message {message.name}, and mark it deprecated"
    return found("MESSAGE_NO_DELETE", message.name, change, effect, suggestion, data=data)


def _extensions_gone(pair: Pair, file: FileShape, names: Collection[str]) -> Iterator[Finding]:
    for name in names:
        extension = file.extensions[name]
        is_needed = (extension.extendee, extension.number) not in pair.new.extensions
        if is_needed or file.name in pair.new.files:
            yield _extension_gone(pair, extension)


def _extension_gone(pair: Pair, extension: FieldShape) -> Finding:
    number, extendee = extension.number, extension.extendee
    message = pair.new.messages.get(extendee)
    is_kept = (extendee, number) in pair.new.extensions or (message and number in message.reserved)
    change = f"extension {number} of {extendee} is gone"
    effect = "code that uses it no longer compiles"
    if not is_kept:
        effect = f"another extension could take number {number}, and old events would be read as that"
    suggestion = f"keep extension {extension.path}, and mark it deprecated"
    data = _NOT_SEEN if is_kept else (Verdict.BREAKS, Verdict.BREAKS)
    return found("EXTENSION_NO_DELETE", extension.path, change, effect, suggestion, data=data)


def _code_gone(rule_id: str, name: str, what: str, *, moved: bool) -> Finding:
    change = f"the {what} moved to another file" if moved else f"the {what} is gone"
    effect = f"code that imports it {'from its file ' if moved else ''}no longer compiles"
    return found(rule_id, name, change, effect, f"keep {what} {name}")


class _Packages:
    """What the packages of both sides declare, over all their files."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._old = [pair.old.files[name] for name in sorted(pair.old.own)]
        self._old_names = {file.package for file in self._old}
        self._new_names = {file.package for file in pair.new.files.values()}

    def compare(self) -> Iterator[Finding]:
        """Answers which packages are gone, and what is gone from the others."""
        for name in sorted(self._old_names - self._new_names):
            effect = "code that uses anything of it no longer compiles"
            yield found("PACKAGE_NO_DELETE", name, "the package is gone", effect, f"keep package {name}")
        changed = [file for file in self._old if file is not self._pair.new.files.get(file.name)]
        for kind, rule_id in _KINDS.items() if changed else ():
            now = {name for file in self._pair.new.files.values() for name in _declared(file, kind)}
            for file in changed:
                if file.package in self._new_names:
                    yield from self._gone(rule_id, kind, file, now)

    def _gone(self, rule_id: str, kind: str, file: FileShape, now: set[str]) -> Iterator[Finding]:
        for name in _declared(file, kind):
            if name not in now and not (kind == "message" and file.messages[name].is_entry):
                yield _code_gone(rule_id, name, kind, moved=False)


_KINDS = {
    "message": "PACKAGE_MESSAGE_NO_DELETE",
    "enum": "PACKAGE_ENUM_NO_DELETE",
    "service": "PACKAGE_SERVICE_NO_DELETE",
    "extension": "PACKAGE_EXTENSION_NO_DELETE",
}


def _declared(file: FileShape, kind: str) -> Mapping[str, object]:
    match kind:
        case "message":
            return file.messages
        case "enum":
            return file.enums
        case "service":
            return file.services
    return file.extensions
