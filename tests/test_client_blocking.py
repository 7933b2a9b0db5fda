"""The client without an event loop: the same promises from threads, over forks, at the program's end."""

import asyncio
import gc
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
import tidegate
from tidegate import EARLIEST, NewEvent, errors

from tests.shop import SCHEMA

PAID = "shop.v1.OrderPaid"


@pytest.fixture(scope="module")
def address(module_gateway):
    with tidegate.Client(module_gateway.address) as client:
        client.register_schema("shop", files=SCHEMA)
    return module_gateway.address


@pytest.fixture
def client(address):
    with tidegate.Client(address) as client:
        yield client


@pytest.fixture
def topic(client, request):
    """A topic of the test's own."""
    name = request.node.name
    client.create_topic(name, subject="shop")
    return name


@pytest.fixture
def paid(client):
    return client.message_class(PAID)


def read(client, topic, **options):
    return list(client.subscribe(topic, start=EARLIEST, until_caught_up=True, **options))


def test_messages_are_published_and_read(client, topic, paid):
    """Publishing one and several, reading events and batches: as with asyncio."""
    one = client.publish(topic, paid(order_id="a", amount_cents=1), key="k", attributes={"a": "b"})
    several = client.publish(topic, [paid(order_id=each, amount_cents=1) for each in "bcd"], key="k")
    assert [each.sequence for each in several] == [one.sequence + i for i in (1, 2, 3)]
    events = read(client, topic, types=[paid])
    assert [event.message.order_id for event in events] == ["a", "b", "c", "d"]
    subscription = client.subscribe(topic, start=EARLIEST, until_caught_up=True)
    assert next(subscription).message.order_id == "a"
    assert subscription.position == one.sequence
    assert next(subscription).message.order_id == "b"
    assert [len(batch) for batch in subscription.batches()] == [2]
    assert subscription.caught_up
    with pytest.raises(errors.InvalidEvent):
        client.publish(topic, paid(order_id="e"))


def test_topics_and_schemas_are_administered(client, topic):
    """The administrative calls have the same names, arguments and errors."""
    assert client.get_topic(topic).subject == "shop"
    assert topic in [each.name for each in client.list_topics()]
    assert client.update_topic(topic, retain_bytes=10**9).retention.max_bytes == 10**9
    client.delete_topic(topic)
    with pytest.raises(errors.TopicNotFound):
        client.get_topic(topic)
    assert not client.register("shop", files=SCHEMA).created
    assert client.get_schema("shop").version == 1
    assert client.get_schema(type=PAID).subject == "shop"
    assert [schema.version for schema in client.list_schemas("shop")] == [1]
    assert "shop" in [subject.name for subject in client.list_subjects()]


def test_threads_share_a_publisher(client, topic, paid):
    """Any thread may publish: each event is stored once, and each thread's in its order."""
    with client.publisher(max_pending_bytes=20_000, max_batch_events=50) as publisher:

        def publish(thread):
            return [
                publisher.publish(topic, paid(order_id=str(i), amount_cents=1), key=str(thread))
                for i in range(300)
            ]

        with ThreadPoolExecutor(4) as pool:
            futures = [future for each in pool.map(publish, range(4)) for future in each]
    done, _ = wait(futures, timeout=0)
    assert len({future.result().sequence for future in done}) == 1200
    events = read(client, topic)
    for thread in range(4):
        mine = [int(event.message.order_id) for event in events if event.key == str(thread)]
        assert mine == list(range(300))


def test_a_bad_event_fails_alone(client, topic, paid):
    """Futures raise for events that fail, and answer for the others; flush waits for both."""
    publisher = client.publisher(max_delay=60.0)
    futures = [
        publisher.publish(topic, paid(order_id=str(i), amount_cents=i % 2), key="k") for i in range(10)
    ]
    publisher.flush()
    assert [isinstance(future.exception(0), errors.InvalidEvent) for future in futures] == [True, False] * 5
    publisher.close()
    with pytest.raises(RuntimeError, match="the publisher is closed"):
        publisher.publish(topic, paid(order_id="x", amount_cents=1))


def test_a_failure_that_nobody_looks_at_is_logged(client, topic, paid, caplog):
    """A future whose exception nobody asked for makes itself heard; one that was asked does not."""
    with caplog.at_level(logging.ERROR, "tidegate"):
        with client.publisher() as publisher:
            seen, unseen = (publisher.publish(topic, paid(order_id="x")) for _ in range(2))
        with pytest.raises(errors.InvalidEvent):
            seen.result()
        del seen
        gc.collect()
        assert caplog.text == ""
        del unseen
        gc.collect()
    assert "nobody looked" in caplog.text


def test_a_publisher_that_was_never_closed_is_reported(address, topic, caplog):
    """An event loop that ends under a publisher with events to send makes itself heard."""

    async def forget():
        publisher = tidegate.AsyncClient(address).publisher(max_delay=60.0)
        await publisher.publish(topic, NewEvent(b"\x0a\x01a\x10\x01", type=PAID))

    with caplog.at_level(logging.ERROR, "tidegate"):
        asyncio.run(forget())
    assert "close it, or use" in caplog.text


def test_closing_ends_a_reader_that_waits(client, topic):
    """A thread that waits for events is released when another one closes the subscription."""
    caught_up = threading.Event()
    subscription = client.subscribe(topic, on_caught_up=lambda _position: caught_up.set())
    events = []
    reader = threading.Thread(target=lambda: events.extend(subscription))
    reader.start()
    assert caught_up.wait(20)
    subscription.close()
    reader.join(20)
    assert not reader.is_alive()
    assert events == []


def test_a_callback_that_waits_for_the_client_is_refused(client, topic):
    """A callback that calls the client gets an error instead of a deadlock."""
    caught = []

    def call(_position):
        try:
            client.get_topic(topic)
        except RuntimeError as error:
            caught.append(error)

    assert list(client.subscribe(topic, until_caught_up=True, on_caught_up=call)) == []
    assert "must not wait" in str(caught[0])


def test_a_closed_client_says_so(address):
    """A client that is closed refuses calls, closes again without harm, and leaves no thread."""
    before = threading.active_count()
    client = tidegate.Client(address)
    client.list_topics()
    client.close()
    client.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="the client is closed"):
        client.get_topic("x")


def test_a_client_that_is_forgotten_ends(address):
    """A client that nobody holds any more takes its thread with it."""
    before = threading.active_count()
    client = tidegate.Client(address)
    assert threading.active_count() == before + 1
    del client
    gc.collect()
    assert threading.active_count() == before


def test_nobody_there_is_told(tmp_path):
    """An address where nothing listens is named in the error."""
    with tidegate.Client("127.0.0.1:1") as client, pytest.raises(errors.Unreachable, match=r"127\.0\.0\.1:1"):
        client.get_topic("x")


PRELUDE = """
import os, sys, tidegate
from tidegate import NewEvent, EARLIEST
address, topic = sys.argv[1:]
client = tidegate.Client(address)
event = NewEvent(b"\\x0a\\x01a\\x10\\x01", type="shop.v1.OrderPaid")
"""


def script(address, topic, body, **options):
    """Starts a program that uses the client."""
    return subprocess.Popen(
        [sys.executable, "-c", PRELUDE + body, address, topic],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def test_a_program_that_ends_without_closing_flushes(client, address, topic):
    """A program that just ends has its events published, and ends without a word."""
    with script(
        address, topic, "p = client.publisher(max_delay=60)\nfor _ in range(100): p.publish(topic, event)\n"
    ) as run:
        out, err = run.communicate(timeout=60)
    assert (run.returncode, out, err) == (0, "", "")
    assert len(read(client, topic)) == 100


def test_ctrl_c_interrupts_a_reader(address, topic):
    """Ctrl-C ends a program that waits for events, at once."""
    body = (
        "s = client.subscribe(topic, on_caught_up=lambda _: print('ready', flush=True))\nfor e in s: pass\n"
    )
    with script(address, topic, body) as run:
        assert run.stdout.readline() == "ready\n"
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        _, err = run.communicate(timeout=60)
    assert time.monotonic() - began < 10
    assert err.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_is_refused(address, topic):
    """A client that was made before a fork refuses to work in the child, in words that help."""
    body = """
client.get_topic(topic)
sys.stdout.flush()
pid = os.fork()
if pid == 0:
    try:
        client.get_topic(topic)
    except RuntimeError as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(pid, 0)
client.close()
"""
    with script(address, topic, body) as run:
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "made before the process forked" in out


def test_new_events_say_everything_themselves(client, topic):
    """A NewEvent goes through the blocking publisher as through the other."""
    with client.publisher(source="urn:x") as publisher:
        future = publisher.publish(topic, NewEvent(b"\x0a\x01a\x10\x01", type=PAID, key="k", id="i"))
    (event,) = read(client, topic)
    assert (event.sequence, event.key, event.id, event.source) == (
        future.result().sequence,
        "k",
        "i",
        "urn:x",
    )
