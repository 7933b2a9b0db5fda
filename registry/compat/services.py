"""The rules about services. Events never pass through them, but whoever declares them means them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.pair import found

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from registry.compat.finding import Finding
    from registry.compat.pair import Pair
    from registry.compat.shape import MethodShape, Shape

_EFFECT = "clients of the one version and servers of the other don't understand each other"


def compare_services(pair: Pair) -> Iterator[Finding]:
    """Answers what changed in the old side's own services."""
    before, after = _services(pair.old), _services(pair.new)
    for name, old in before.items():
        new = after.get(name)
        if new is None or new is old:
            continue
        for method, was in old.items():
            if method in new:
                yield from _method(was, new[method])
            else:
                effect = "code that calls it no longer compiles, and clients of it get UNIMPLEMENTED"
                keep = f"keep rpc {method}, and mark it deprecated"
                yield found("RPC_NO_DELETE", was.path, "the method is gone", effect, keep)


def _services(shape: Shape) -> dict[str, Mapping[str, MethodShape]]:
    files = (shape.files[name] for name in shape.own)
    return {name: methods for file in files for name, methods in file.services.items()}


def _method(old: MethodShape, new: MethodShape) -> Iterator[Finding]:
    changes = (
        ("RPC_SAME_REQUEST_TYPE", "request type", old.request, new.request),
        ("RPC_SAME_RESPONSE_TYPE", "response type", old.response, new.response),
        ("RPC_SAME_CLIENT_STREAMING", "requests", *_counts(old.client_streaming, new.client_streaming)),
        ("RPC_SAME_SERVER_STREAMING", "responses", *_counts(old.server_streaming, new.server_streaming)),
        ("RPC_SAME_IDEMPOTENCY_LEVEL", "idempotency level", old.idempotency, new.idempotency),
    )
    for rule_id, what, before, after in changes:
        if before != after:
            change = f"{what} changed from {before} to {after}"
            yield found(rule_id, old.path, change, _EFFECT, "keep it, and add a method of another name")


def _counts(*streaming: bool) -> list[str]:
    return ["a stream" if it else "one" for it in streaming]
