"""What an UpdateSubject request changes, as the registry takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.schema_messages import read_direction, read_mode, read_promise, read_surface
from registry.compat.promise import Promise
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.v1 import schema_service_pb2 as pb

_PROMISE = ("compatibility", "compatibility.direction", "compatibility.surface")
_MUTABLE = (*_PROMISE, "mode", "block_on_readers")


def read_settings(request: pb.UpdateSubjectRequest, current: Promise) -> dict[str, Any]:
    """Answers the settings that the mask names, as ``Registry.update_subject`` names them.

    Args:
        request: The request.
        current: What the subject promises now: a part of the promise that is not named stays as it is there.

    Raises:
        InvalidRequest: The mask names nothing, or something else; or a value is none.
    """
    asked, paths = request.subject, set(request.update_mask.paths)
    if not paths or not paths <= set(_MUTABLE):
        raise InvalidRequest("update_mask", f"must name fields to change, of {', '.join(_MUTABLE)}")
    changes: dict[str, Any] = {}
    if paths & set(_PROMISE):
        changes["promise"] = _promise(request, paths, current)
    if "mode" in paths:
        changes["mode"] = read_mode(asked.mode, "subject.mode")
    if "block_on_readers" in paths:
        changes["block_on_readers"] = asked.block_on_readers
    return changes


def _promise(request: pb.UpdateSubjectRequest, paths: set[str], current: Promise) -> Promise | None:
    """Answers the new promise; None for the deployment's default."""
    asked, field = request.subject.compatibility, "subject.compatibility"
    if "compatibility" in paths:
        return read_promise(asked, field) if request.subject.HasField("compatibility") else None
    direction, surface = current.direction, current.surface
    if "compatibility.direction" in paths:
        direction = read_direction(asked.direction, f"{field}.direction")
    if "compatibility.surface" in paths:
        surface = read_surface(asked.surface, f"{field}.surface")
    return Promise(direction, surface)
