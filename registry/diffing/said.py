"""What each version says of one element, as it is shown and as it is compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto

from registry.diffing.leaves import Leaf, leaves
from registry.printing import declarations as say
from registry.printing.arrangement import oneof_of
from registry.printing.elements import own_options
from registry.printing.names import FullNames
from registry.printing.text import NO_COMMENT, Comment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.diffing.outline import Declared, Outline
    from registry.printing.arrangement import Declared as Members
    from registry.printing.comments import Path
    from registry.printing.names import Names


@dataclass(frozen=True, slots=True)
class Said:
    """One side of an element.

    Attributes:
        shown: It as one line of Protobuf text.
        compared: The same with names that both sides have in common.
        leaves: The values of its options by the path that both sides have in common: as they are shown, and
            the text that is compared.
        comment: Its comments.
    """

    shown: str
    compared: str
    leaves: Mapping[str, tuple[Leaf, str]] = field(default_factory=dict)
    comment: Comment = NO_COMMENT


class NewNames(FullNames):
    """Full names as the new version has them."""

    def __init__(self, new_names: Mapping[str, str]) -> None:
        """Takes what became of each name."""
        self._new_names = new_names

    def type(self, scope: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the new name of a type."""
        name = full_name.removeprefix(".")
        return self._new_names.get(name, name)

    def extension(self, scope: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the new name of an extension."""
        return self._new_names.get(full_name, full_name)

    def in_aggregate(self, extended: str, full_name: str) -> str:  # noqa: ARG002
        """Answers the new name of an extension."""
        return self._new_names.get(full_name, full_name)


class Speaker:
    """Says the elements of one side."""

    def __init__(self, outline: Outline, new_names: Mapping[str, str] | None = None) -> None:
        """Takes what became of each name; nothing for the new side."""
        self._outline = outline
        self._shown: Names = FullNames()
        self._common: Names = NewNames(new_names or {})

    def plain(self, line: str, it: Declared, options: Any, path: Path) -> Said:
        """Says an element of what ``it`` declares that is its own text."""
        return Said(line, line, self.leaves(options), self.comment(it, path))

    def method(self, it: Declared, index: int) -> Said:
        """Says a method of a service."""
        method = it.element.method[index]
        body = " {}" if method.HasField("options") and not method.options.ListFields() else ";"
        shown, common = (
            f"{say.method_line(method, '', names)}{body}" for names in (self._shown, self._common)
        )
        return Said(shown, common, self.leaves(method.options), self.comment(it, (2, index)))

    def field(self, it: Declared, index: int, oneofs: tuple[str, str]) -> Said:
        """Says a field of a message; ``oneofs`` is what its oneof is called, and in the new version."""
        members = self._outline.members[it.file, it.name]
        return self._member(members, ("fields", index), it, oneofs, self.comment(it, (2, index)))

    def extension(self, it: Declared) -> Said:
        """Says an extension."""
        members = self._outline.members[it.file, it.parent]
        return self._member(members, ("extensions", it.index), it, ("", ""), self.comment(it))

    def _member(
        self,
        members: Members,
        which: tuple[str, int],
        it: Declared,
        oneofs: tuple[str, str],
        comment: Comment,
    ) -> Said:
        each = (members.fields if which[0] == "fields" else members.extensions)[which[1]]
        home = members.made.get(which)
        made = members.types[home] if home is not None else None
        syntax = self._outline.files[it.file].syntax
        shown, common = (
            _within(_member_line(each, made, syntax, names), each, oneof, names)
            for names, oneof in zip((self._shown, self._common), oneofs, strict=True)
        )
        own = [Leaf(it.name, str(it.value)) for it in own_options(each, made) if it.name]
        leaves_ = {it.path: (it, it.text) for it in own} | self.leaves(each.options)
        return Said(shown, common, leaves_, comment)

    def comment(self, it: Declared, path: Path = ()) -> Comment:
        """Answers the comment of ``it``, or of what has that path in it."""
        return self._outline.comments(it.file).at((*it.path, *path))

    def leaves(self, options: Any) -> dict[str, tuple[Leaf, str]]:
        """Answers the values of options by the path that both sides have in common."""
        if not options.SerializePartialToString():
            return {}
        both = zip(leaves(options, self._shown), leaves(options, self._common), strict=True)
        return {common.path: (shown, common.text) for shown, common in both}


def _member_line(member: Any, made: Any, syntax: str, names: Names) -> str:
    if made is not None and member.type != FieldDescriptorProto.TYPE_GROUP:
        return f"{say.map_text(made, '', names)} {member.name} = {member.number};"
    in_oneof = oneof_of(member) >= 0
    label = "" if in_oneof else say.label_of(member, syntax)
    if made is not None:
        return f"{label}group {names.type('', member.type_name).rpartition('.')[2]} = {member.number};"
    return f"{label}{say.type_text(member, '', names)} {member.name} = {member.number};"


def _within(line: str, member: Any, oneof: str, names: Names) -> str:
    if member.extendee:
        return f"extend {names.type('', member.extendee)} {{ {line} }}"
    return f"oneof {oneof} {{ {line} }}" if oneof else line
