"""Counts flights with nothing but generated stubs: what a consumer in any language has.

Usage: ``PYTHONPATH=STUBS python stubs_consumer.py HOST:PORT TOPIC``. STUBS holds what protoc makes of the
contract (``proto/tidegate/v1``) and of the flights' schema: its version 1, also when version 2 is published.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

import grpc
from flights_pb2 import Cancelled, Departed
from tally import Report, Tally
from tidegate.v1 import event_service_pb2, event_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT_INTERVAL = 0.1


def read_frames(server: str, topic: str) -> Iterator[event_service_pb2.SubscribeResponse]:
    """Yields the frames of a subscription from the oldest event on."""
    request = event_service_pb2.SubscribeRequest(
        topics=[topic], start_position=event_service_pb2.START_POSITION_EARLIEST
    )
    request.heartbeat_interval.FromMilliseconds(500)
    with grpc.insecure_channel(server) as channel:
        yield from event_service_pb2_grpc.EventServiceStub(channel).Subscribe(request)


def count_batch(tally: Tally, batch: event_service_pb2.EventBatch) -> None:
    """Adds a batch's events to the tally, each decoded with the stub of its type."""
    for event in batch.events:
        if batch.type == Departed.DESCRIPTOR.full_name:
            departed = Departed.FromString(event.data)
            tally.add(departed.carrier, departed.delay_minutes, batch.schema_version)
        else:
            tally.add(Cancelled.FromString(event.data).carrier, None, batch.schema_version)


def main() -> None:
    """Counts until it is ended, and says on stdout how far it is."""
    server, topic = sys.argv[1:]
    tally, sequence, reported = Tally(), 0, 0.0
    for frame in read_frames(server, topic):
        for batch in frame.batches.batches:
            count_batch(tally, batch)
            sequence = batch.first_sequence + len(batch.events) - 1
        if time.monotonic() - reported >= REPORT_INTERVAL or frame.HasField("caught_up"):
            print(Report(sequence, tally).to_line(), flush=True)
            reported = time.monotonic()


if __name__ == "__main__":
    main()
