"""A schema as what its own files declare, by full name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.printing.arrangement import Declared as Members
from registry.printing.arrangement import declared as gather
from registry.printing.comments import Comments, comments_of
from registry.printing.names import within
from registry.printing.reading import read_files

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Side
    from registry.printing.comments import Path
    from registry.printing.text import Comment

MESSAGE, ENUM, EXTENSION, SERVICE, ENTRY = "message", "enum", "extension", "service", "entry"
"""``ENTRY`` is the message that protoc makes for a map: it counts where it stands, and for nothing else."""


@dataclass(frozen=True, slots=True)
class Declared:
    """One message, enum, extension or service.

    Attributes:
        kind: Which of them.
        name: Its full name.
        parent: Full name of the message that it stands in; empty if in none.
        file: The name of its file.
        index: Its place in the list of its like.
        path: Its path in the file, as ``SourceCodeInfo`` describes it.
        element: Its descriptor, of a class that knows the schema's own options.
    """

    kind: str
    name: str
    parent: str
    file: str
    index: int
    path: Path
    element: Any

    @property
    def simple_name(self) -> str:
        """Its name without its scope."""
        return str(self.element.name)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where elements are declared: the file, the scope, and the message that it is, if it is one."""

    file: str
    scope: str
    parent: str = ""


class Outline:
    """What one side declares.

    Attributes:
        files: Its own files by name, as descriptors that know the schema's own options.
        declared: What they declare, by full name; what stands in something follows it.
        members: What stands together, by file and full name of the message around it, empty if there is none.
        group_bodies: Full names of the messages that protoc makes for groups.
        knows_comments: Whether comments are known.
    """

    def __init__(self, side: Side) -> None:
        """Reads a side."""
        files = read_files(side.descriptor_set)
        self.files = {file.name: file for file in files if file.name in side.own_files}
        self.declared: dict[str, Declared] = {}
        self.members: dict[tuple[str, str], Members] = {}
        self.group_bodies: set[str] = set()
        self.knows_comments = bool(side.source_info)
        self._comments = comments_of(side.source_info)
        for name, file in self.files.items():
            place = _Place(name, file.package)
            self._gather(place, (), file.extension, file.message_type)
            self._messages(place, file.message_type, (4,))
            self._add(ENUM, place, file.enum_type, (5,))
            self._add(EXTENSION, place, file.extension, (7,))
            self._add(SERVICE, place, file.service, (6,))

    def comments(self, file: str) -> Comments:
        """Answers the comments of a file."""
        return self._comments.get(file) or Comments()

    def head_comment(self, file: str) -> Comment:
        """Answers the comments of a file's first lines: its syntax and its package."""
        found = self.comments(file)
        return found.at((12,)) + found.at((14,)) + found.at((2,))

    def _messages(self, place: _Place, messages: Iterable[Any], path: Path) -> None:
        for index, message in enumerate(messages):
            here, name = (*path, index), within(place.scope, message.name)
            kind = ENTRY if message.options.map_entry else MESSAGE
            self.declared[name] = Declared(kind, name, place.parent, place.file, index, here, message)
            inside = _Place(place.file, name, name)
            self._gather(inside, message.field, message.extension, message.nested_type)
            self._messages(inside, message.nested_type, (*here, 3))
            self._add(ENUM, inside, message.enum_type, (*here, 4))
            self._add(EXTENSION, inside, message.extension, (*here, 6))

    def _gather(self, place: _Place, *lists: Any) -> None:
        members = self.members[place.file, place.parent] = gather(place.scope, *lists)
        for made in members.made.values():
            if not members.types[made].options.map_entry:
                self.group_bodies.add(within(place.scope, members.types[made].name))

    def _add(self, kind: str, place: _Place, elements: Iterable[Any], path: Path) -> None:
        for index, element in enumerate(elements):
            name = within(place.scope, element.name)
            self.declared[name] = Declared(
                kind, name, place.parent, place.file, index, (*path, index), element
            )
