"""The kinds of batches as readers need them: by topic, by selection, and what each topic adds up to.

Pure: no database, no threads. Its owner tells it what the writer committed. Imports nothing of gRPC or of the
generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.log import StoredKind
from gateway.sqlite.ledger import topic_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.log import TopicBounds
    from gateway.selection import Selection
    from gateway.sqlite.ledger import Kind, KindName

_SPARSE: Final = 8
"""A selection is looked up kind by kind if it is less than this part of the log, else the log is scanned."""
CACHED: Final = 1 << 18
"""How many kinds the answers to selections that are remembered have in all."""


class Kinds:
    """All kinds of a log, and what was asked about them.

    What a topic adds up to is computed once a change, not once a question: there may be ten thousand topics,
    and retention and every subscription that opens ask about all that they select.
    """

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds: dict[KindName, Kind] = {}
        self._names_of: dict[str, list[KindName]] = {}
        self._bounds: dict[str, TopicBounds] = {}
        self._selected: dict[Selection, dict[int, KindName]] = {}
        self._cached = 0
        self._kept = 0
        self.learn(kinds)

    def __len__(self) -> int:
        return len(self._kinds)

    def learn(self, kinds: Iterable[Kind]) -> None:
        """Takes kinds as they are now, new ones or changed ones."""
        for kind in kinds:
            known = self._kinds.get(kind.name)
            if known is None:
                self._names_of.setdefault(kind.topic, []).append(kind.name)
                self._forget_selected()
            else:
                self._kept -= known.kept
            self._kinds[kind.name] = kind
            self._kept += kind.kept
            self._bounds.pop(kind.topic, None)

    def bounds(self, selection: Selection) -> dict[str, TopicBounds]:
        """Answers what is stored of each topic of a selection that ever had an event."""
        if selection.patterns:
            topics = filter(selection.has_topic, self._names_of)
        else:
            topics = filter(self._names_of.__contains__, selection.names)
        return {topic: self._bounds_of(topic) for topic in topics}

    def selected(self, selection: Selection) -> dict[int, KindName]:
        """Answers the names of the kinds of a selection, by number."""
        kinds = self._selected.get(selection)
        if kinds is None:
            kinds = {
                kind.id: kind.name
                for kind in self._kinds.values()
                if selection.has_topic(kind.topic) and selection.has_type(kind.type)
            }
            if self._cached + len(kinds) + 1 > CACHED:
                self._forget_selected()
            self._selected[selection] = kinds
            self._cached += len(kinds) + 1
        return kinds

    def stored(self, selection: Selection) -> frozenset[StoredKind]:
        """Answers the kinds of a selection of which batches are kept."""
        names = self.selected(selection).values()
        return frozenset(StoredKind(*name) for name in names if self._kinds[name].kept)

    def is_kept(self, name: KindName) -> bool:
        """Tells whether batches of a kind are kept."""
        return bool(self._kinds[name].kept)

    def is_sparse(self, names: Iterable[KindName]) -> bool:
        """Tells whether these kinds are so small a part of the log that a scan of it would not pay."""
        return sum([self._kinds[name].kept for name in names]) * _SPARSE < self._kept

    def _bounds_of(self, topic: str) -> TopicBounds:
        bounds = self._bounds.get(topic)
        if bounds is None:
            bounds = self._bounds[topic] = topic_bounds([self._kinds[name] for name in self._names_of[topic]])
        return bounds

    def _forget_selected(self) -> None:
        self._selected.clear()
        self._cached = 0
