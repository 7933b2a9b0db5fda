"""What holds for every RPC alike, in this order: errors, telemetry, limits.

Handlers raise the domain's exceptions and know of none of it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import grpc
import structlog

from gateway.errors import Draining
from gateway.status import status_code, status_details
from registry.compiling.admission import check_limit
from registry.errors import InvalidRequest, LimitExceeded, TidegateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.config import Config

    Handler = Callable[[Any, grpc.aio.ServicerContext[Any, Any]], Awaitable[Any]]
    Deserializer = Callable[[bytes], Any]

_UNCOUNTED = ("/grpc.health.", "/grpc.reflection.")  # streams that a stopping gateway need not wait for
_PUBLISH = "/tidegate.v1.EventService/Publish"  # reads its own bytes, as every request of a PublishStream
_LAST_WORDS = "/tidegate.v1.EventService/Acknowledge"  # what members of groups have done is taken to the end
_TYPED = "/tidegate.typed."
_WITH_SCHEMA = frozenset(f"/tidegate.v1.SchemaService/{name}" for name in ("RegisterSchema", "CheckSchema"))
CALL_BYTES = 1024 * 1024
"""A request that neither publishes nor carries a schema; what such a one may hold is far below."""
_SCHEMA_ENVELOPE = 1024 * 1024
"""What a request may have besides its schema: names, lengths, and files that the gateway supplies."""

_log = structlog.get_logger("tidegate.rpc")


class _Internal(TidegateError):
    """A fault of the gateway, as its callers see it."""

    reason = "INTERNAL"

    def __init__(self) -> None:
        super().__init__(
            "the gateway failed at this; its log says more. Retrying may help; reporting it will."
        )


class _Around(grpc.aio.ServerInterceptor):
    """Wraps the behaviour of handlers; unary and streaming ones alike are coroutines."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """Answers the handler with its behaviour wrapped."""
        handler: Any = await continuation(handler_call_details)
        if handler is None:
            return handler
        kind = f"{_arity(handler.request_streaming)}_{_arity(handler.response_streaming)}"
        behaviour = getattr(handler, kind)
        if not asyncio.iscoroutinefunction(behaviour):  # health and reflection bring their own kinds
            return handler
        make = getattr(grpc, f"{kind}_rpc_method_handler")
        method, deserialize = str(handler_call_details.method), handler.request_deserializer
        if not handler.request_streaming:
            behaviour, deserialize = self.reading(method, behaviour, deserialize)
        return make(
            self.around(method, behaviour, streaming=handler.response_streaming),
            request_deserializer=deserialize,
            response_serializer=handler.response_serializer,
        )

    def reading(
        self,
        method: str,  # noqa: ARG002
        handler: Handler,
        deserialize: Deserializer | None,
    ) -> tuple[Handler, Deserializer | None]:
        """Answers a handler of single requests and its deserializer, with what this interceptor adds."""
        return handler, deserialize

    def around(self, method: str, handler: Handler, *, streaming: bool) -> Handler:
        """Answers ``handler`` with what this interceptor adds."""
        raise NotImplementedError


class ErrorInterceptor(_Around):
    """Turns the domain's exceptions into statuses with details, and every other one into INTERNAL."""

    def around(self, method: str, handler: Handler, *, streaming: bool) -> Handler:  # noqa: ARG002
        """Answers ``handler`` with its exceptions turned into statuses."""

        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                return await handler(request, context)
            except TidegateError as error:
                refusal = error
            except (asyncio.CancelledError, grpc.aio.AbortError, grpc.aio.UsageError):
                raise
            except grpc.aio.InternalError:  # a read or write that failed, because there is nobody any more
                _log.debug("caller left", method=method)
                raise asyncio.CancelledError from None
            except Exception:  # noqa: BLE001 - whatever it is, the caller gets a status and the log a traceback
                _log.exception("handler failed", method=method)
                refusal = _Internal()
            return await _abort(context, refusal)

        return handle


def _arity(streaming: bool) -> str:  # noqa: FBT001 - says what it is in the name
    return "stream" if streaming else "unary"


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: TidegateError) -> None:
    details = (("grpc-status-details-bin", status_details(error)),)
    await context.abort(status_code(error.reason), _one_line(str(error)), details)


def _one_line(text: str) -> str:
    """Answers the sentence as a status carries it: short, since HTTP/2 limits headers.

    There, whatever is not printable ASCII takes three bytes for each of its own.
    """
    size = 0
    for index, character in enumerate(text):
        size += 1 if " " <= character <= "~" else 3 * len(character.encode())
        if size > 500:
            return f"{text[:index]}…"
    return text


class TelemetryInterceptor(_Around):
    """Logs every call with its duration and outcome: refusals as info, the rest as debug."""

    def around(self, method: str, handler: Handler, *, streaming: bool) -> Handler:  # noqa: ARG002
        """Answers ``handler`` with its calls logged."""

        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            start = time.perf_counter()
            try:
                answer = await handler(request, context)
            except TidegateError as error:
                _log.info(
                    "refused", method=method, peer=context.peer(), reason=error.reason, error=str(error)[:500]
                )
                raise
            _log.debug("served", method=method, milliseconds=round((time.perf_counter() - start) * 1000, 3))
            return answer

        return handle


class LimitInterceptor(_Around):
    """Bounds the streams that are open at once and the requests that are decoded.

    Also refuses calls to a gateway that is stopping.
    """

    def __init__(self, config: Config) -> None:
        self._schema_bytes = config.max_schema_bytes
        self._maximum = config.max_streams
        self._open = 0
        self._under_way = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._last_call = 0.0
        self._draining = False

    def drain(self) -> None:
        """Refuses every call from now on, but not acknowledgements, nor those about health and services."""
        self._draining = True

    async def idle(self) -> None:
        """Waits until no call is under way, besides those about the gateway's health and its services."""
        await self._idle.wait()

    async def quiet(self, seconds: float, at_most: float) -> None:
        """Waits until no call has come for some seconds.

        A call that comes just when the server stops ends as CANCELLED, which no caller retries; one that
        comes before is told to.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + at_most
        while (left := min(end, self._last_call + seconds) - loop.time()) > 0:  # noqa: ASYNC110 - time it is
            await asyncio.sleep(left)

    def reading(
        self, method: str, handler: Handler, deserialize: Deserializer | None
    ) -> tuple[Handler, Deserializer | None]:
        """Answers ``handler`` to be given bytes: it decodes them once they are known to be few.

        Decoding holds the event loop, and a request of 60 MiB may decode to gigabytes.
        """

        async def handle(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._require_size(method, len(raw))
            return await handler(_decode(method, raw, deserialize) if deserialize else raw, context)

        return handle, None

    def _require_size(self, method: str, size: int) -> None:
        if method in _WITH_SCHEMA:
            maximum = self._schema_bytes
            if size > maximum + _SCHEMA_ENVELOPE:
                check_limit("max_bytes", size, maximum, "bytes")
        elif not _publishes(method) and size > CALL_BYTES:
            raise LimitExceeded("max_call_bytes", CALL_BYTES, size, "the request's size")

    def around(self, method: str, handler: Handler, *, streaming: bool) -> Handler:
        """Answers ``handler`` with the limits put in front of it."""
        limited = self._limited(handler) if streaming else handler
        return limited if method.startswith(_UNCOUNTED) else self._counted(method, limited)

    def _counted(self, method: str, handler: Handler) -> Handler:
        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            self._last_call = asyncio.get_running_loop().time()
            if self._draining and method != _LAST_WORDS:
                raise Draining
            self._under_way += 1
            self._idle.clear()
            try:
                return await handler(request, context)
            finally:
                self._under_way -= 1
                if not self._under_way:
                    self._idle.set()

        return handle

    def _limited(self, handler: Handler) -> Handler:
        async def handle(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            if self._open >= self._maximum:
                raise LimitExceeded(
                    "max_streams", self._maximum, self._open + 1, "the number of open streams"
                )
            self._open += 1
            try:
                return await handler(request, context)
            finally:
                self._open -= 1

        return handle


def _publishes(method: str) -> bool:
    """Tells whether a method is Publish, of EventService or of a typed service."""
    return method == _PUBLISH or (method.startswith(_TYPED) and "/Publish" in method)


def _decode(method: str, raw: bytes, deserialize: Deserializer) -> Any:
    try:
        return deserialize(raw)
    except Exception as error:  # DecodeError, or what protobuf raises for invalid UTF-8
        name = method.rpartition("/")[2]
        raise InvalidRequest("request", f"the bytes are no request of {name}") from error
