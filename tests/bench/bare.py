"""The limit to compare with: a gRPC server that passes each message on, unread and unstored."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import uvloop
from tidegate.v1 import event_service_pb2

from gateway.allocator import keep_freed_memory

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

QUEUED = 64
"""Messages that wait for a subscriber, before the publisher waits too."""
_ANSWER = event_service_pb2.PublishStreamResponse(
    results=[{"published": {"results": [{"first_sequence": 1, "count": 1, "schema_version": 1}]}}]
).SerializeToString()
_OPENED = event_service_pb2.SubscribeResponse(opened={}).SerializeToString()


class Relay:
    """Forwards each published message to every subscriber by itself, and answers each by itself."""

    def __init__(self) -> None:
        self._subscribers: set[asyncio.Queue[bytes]] = set()

    async def publish_stream(self, _: object, context: Any) -> None:
        """Takes messages."""
        while (message := await context.read()) is not grpc.aio.EOF:
            for queue in self._subscribers:
                await queue.put(message)
            await context.write(_ANSWER)

    async def subscribe(self, _: object, context: Any) -> None:
        """Gives messages, from now on and until the caller ends it."""
        queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUED)
        self._subscribers.add(queue)
        try:
            await context.write(_OPENED)
            while True:
                await context.write(await queue.get())
        finally:
            self._subscribers.discard(queue)

    def handlers(self) -> grpc.GenericRpcHandler:
        """Answers the two RPCs under the gateway's names, so that the same clients call both."""
        return grpc.method_handlers_generic_handler(
            "tidegate.v1.EventService",
            {
                "PublishStream": grpc.stream_stream_rpc_method_handler(self.publish_stream),
                "Subscribe": grpc.unary_stream_rpc_method_handler(self.subscribe),
            },
        )


def serve_bare(pipe: Connection, loop: str) -> None:
    """Runs the relay on a free port until SIGTERM, and sends its address."""
    keep_freed_memory()
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    server = grpc.aio.server(options=(("grpc.max_receive_message_length", -1),))
    server.add_generic_rpc_handlers((Relay().handlers(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    pipe.send(f"127.0.0.1:{port}")
    await server.wait_for_termination()
