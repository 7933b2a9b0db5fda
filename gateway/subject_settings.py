"""What an UpdateSubject request changes, as the registry takes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.schema_messages import read_direction, read_mode, read_promise, read_surface
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from tidegate.v1 import schema_service_pb2 as pb

_PROMISE = "subject.compatibility"
_MUTABLE = ("compatibility", "compatibility.direction", "compatibility.surface", "mode", "block_on_readers")


def read_settings(request: pb.UpdateSubjectRequest) -> dict[str, Any]:
    """Answers the settings that the mask names, as ``Registry.update_subject`` names them.

    Raises:
        InvalidRequest: The mask names nothing, or something else; or a value is none.
    """
    asked, paths = request.subject, set(request.update_mask.paths)
    if not paths or not paths <= set(_MUTABLE):
        raise InvalidRequest("update_mask", f"must name fields to change, of {', '.join(_MUTABLE)}")
    changes: dict[str, Any] = {}
    if "compatibility" in paths:
        promised = asked.HasField("compatibility")
        changes["promise"] = read_promise(asked.compatibility, _PROMISE) if promised else None
    elif "compatibility.direction" in paths:
        changes["direction"] = read_direction(asked.compatibility.direction, f"{_PROMISE}.direction")
    if "compatibility.surface" in paths and "promise" not in changes:
        changes["surface"] = read_surface(asked.compatibility.surface, f"{_PROMISE}.surface")
    if "mode" in paths:
        changes["mode"] = read_mode(asked.mode, "subject.mode")
    if "block_on_readers" in paths:
        changes["block_on_readers"] = asked.block_on_readers
    return changes
