"""Which of the events that a member has a settlement names. Plain state, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.runs import FIRST
from gateway.groups.values import Verb

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.groups.loose import Loose
    from gateway.groups.members import Member
    from gateway.groups.runs import Lease, Run
    from gateway.groups.values import Settlement, Span


def named(member: Member, settlement: Settlement, loose: Loose) -> tuple[list[Run], list[Span]]:
    """Answers what a settlement names of what a member has, and which sequences the member has not.

    The member has it no more, unless it is only extended: its leases are without it.
    """
    keeps = settlement.verb is Verb.EXTEND
    if settlement.through is not None:
        leases = [lease for epoch, lease in member.leases.items() if epoch <= settlement.epoch]
        runs = [run for lease in leases for run in _through(lease, settlement.through, loose, keeps=keeps)]
        missed = _taken(member, settlement.epoch, settlement.through, runs)
    else:
        lease = member.leases.get(settlement.epoch)
        if lease is None:
            return [], list(settlement.spans)
        leases = [lease]
        runs, missed = _spanned(lease, settlement.spans, loose, keeps=keeps)
    for lease in leases:
        if not lease.runs:
            del member.leases[lease.epoch]
    return runs, missed


def _through(lease: Lease, through: int, loose: Loose, *, keeps: bool) -> list[Run]:
    """Answers what a lease has up to a sequence."""
    runs = [run for run in lease.runs.values() if run.first <= through]
    runs = [run if run.last <= through else loose.cut_out(run, run.first, through) for run in runs]
    if not keeps:
        for run in runs:
            del lease.runs[run.first]
    return runs


def _taken(member: Member, epoch: int, through: int, runs: list[Run]) -> list[Span]:
    """Answers what was taken from a member up to a sequence, but for what it has again and named."""
    told = member.tell_taken(epoch, through) if member.taken else []
    if not told:
        return []
    has = {at for run in runs for at in range(run.first, run.last + 1)}
    return [(at, at) for at in told if at not in has]


def _spanned(
    lease: Lease, spans: tuple[Span, ...], loose: Loose, *, keeps: bool
) -> tuple[list[Run], list[Span]]:
    """Answers what a lease has of spans, and what it has not."""
    have = lease.runs
    found: list[Run] = []
    missed: list[Span] = []
    for first, last in spans:
        run = have.get(first)
        if run is not None and run.last == last:
            found.append(run)
            if not keeps:
                del have[first]
        elif first == last and run is None and not loose:
            missed.append((first, last))
        else:
            pieces = _pieces(lease, first, last, loose)
            found += pieces
            missed += _others(first, last, pieces)
            for piece in () if keeps else pieces:
                del have[piece.first]
    return found, missed


def _pieces(lease: Lease, first: int, last: int, loose: Loose) -> list[Run]:
    """Answers what a lease has of a span, in order, cut out of what is longer."""
    if last - first < len(lease.runs):
        keyed = [run for at in range(first, last + 1) if (run := lease.runs.get(at)) and run.key]
    else:
        keyed = [run for run in lease.runs.values() if run.key and first <= run.first <= last]
    pieces = [
        loose.cut_out(run, max(first, run.first), min(last, run.last))
        for run in loose.within(first, last)
        if lease.runs.get(run.first) is run
    ]
    return sorted(keyed + pieces, key=FIRST)


def _others(first: int, last: int, runs: list[Run]) -> Iterator[Span]:
    """Answers what a span has besides some runs within it, which are in order."""
    for run in runs:
        if first < run.first:
            yield first, run.first - 1
        first = run.last + 1
    if first <= last:
        yield first, last
