"""The command line against a gateway: each command once right, and what the gateway refuses."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.command_line import departure, json_lines, run_tidegate, start_tidegate

if TYPE_CHECKING:
    from pathlib import Path

DEPARTED = "flights.v1.Departed"
KEYS = ["topic", "sequence", "type", "schema_version", "id", "key", "time", "attributes", "data"]

Run = "Callable[..., subprocess.CompletedProcess[str]]"


def read_json(result: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_serve_says_one_line_and_ends_well(tmp_path: Path) -> None:
    """One line on stdout says version, address and log; SIGTERM ends the gateway with exit code 0."""
    engine = f"sqlite:{tmp_path}/log.db"
    with start_tidegate("serve", "--listen", "127.0.0.1:0", "--engine", engine) as process:
        ready = process.stdout.readline()
        host, _, port = ready.split(" ready on ")[1].split(",")[0].rpartition(":")
        assert ready == f"tidegate 0.1.0 ready on {host}:{port}, log {engine}\n"
        socket.create_connection((host, int(port)), timeout=10).close()
        process.send_signal(signal.SIGTERM)
        rest, logged = process.communicate(timeout=30)
        assert (process.returncode, rest) == (0, "")
        assert "Traceback" not in logged


def test_a_second_gateway_is_refused(cli_server: str, cli_engine: str, tmp_path: Path) -> None:
    """Neither the port nor the file of a running gateway is taken by another one, which says why."""
    taken = run_tidegate("serve", "--listen", cli_server, "--engine", f"sqlite:{tmp_path}/other.db")
    assert taken.returncode == 1
    assert f"can't listen on {cli_server}" in taken.stderr
    locked = run_tidegate("serve", "--listen", "127.0.0.1:0", "--engine", cli_engine)
    assert locked.returncode == 1
    assert cli_engine.removeprefix("sqlite:") in locked.stderr
    assert "Traceback" not in locked.stderr + taken.stderr


def test_schemas_are_registered_listed_and_shown(tidegate: Run, tmp_path: Path) -> None:
    """A schema gets its version once; list and get show it to people, to pipes and to programs."""
    subject = "cli-schemas"
    for version, changed in ((1, ""), (2, "optional string note = 2;")):
        file = tmp_path / "order.proto"
        file.write_text(f'syntax = "proto3"; package cli.v1; message Order {{ string id = 1; {changed} }}\n')
        made = tidegate("schema", "register", subject, file)
        assert made.stdout == f"{subject} version {version} registered: cli.v1.Order\n"
    again = tidegate("schema", "register", subject, file)
    assert again.stdout == f"{subject} version 2 was there already: cli.v1.Order\n"
    assert [entry["version"] for entry in read_json(tidegate("schema", "list", subject, "--json"))] == [1, 2]
    rows = [line.split("\t") for line in tidegate("schema", "list").stdout.splitlines()]
    assert [row[1] for row in rows if row[0] == subject] == ["2"]
    shown = tidegate("schema", "get", subject, "--version", "1").stdout
    assert "version      1\n" in shown
    assert "// order.proto\n" in shown
    (stored,) = read_json(tidegate("schema", "get", subject, "--json"))
    assert stored["sources"]["files"] == {"order.proto": file.read_text()}


def test_a_descriptor_set_is_the_same_schema(tidegate: Run, tmp_path: Path) -> None:
    """What protoc compiles of registered sources is the version that is there already."""
    (tmp_path / "ping.proto").write_text(
        'syntax = "proto3"; package cli.ping; message Ping { string id = 1; }'
    )
    compiled = tmp_path / "ping.binpb"
    protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{tmp_path}", f"-o{compiled}", "ping.proto"]
    subprocess.run(protoc, check=True, timeout=60)
    assert tidegate("schema", "register", "ping", tmp_path / "ping.proto").returncode == 0
    again = tidegate("schema", "register", "ping", "--descriptor-set", compiled, "--json")
    assert read_json(again)[0]["schema"]["version"] == 1


def test_imports_are_sent_along_from_the_named_folders_only(tidegate: Run, tmp_path: Path) -> None:
    """Files have their names below -I; what they import there is sent, what lies outside never is."""
    (tmp_path / "proto/shop/v1").mkdir(parents=True)
    (tmp_path / "secret.proto").write_text('syntax = "proto3"; package secret;')
    money = tmp_path / "proto/shop/v1/money.proto"
    money.write_text('syntax = "proto3"; package shop.v1; message Money { int64 cents = 1; }')
    order = tmp_path / "proto/shop/v1/order.proto"
    text = 'syntax = "proto3"; package shop.v1; import "shop/v1/money.proto"; message Order {Money paid = 1;}'
    order.write_text(text)
    made = tidegate("schema", "register", "shop", "-I", "proto", "proto/shop/v1/order.proto", cwd=tmp_path)
    assert (made.stdout, made.stderr) == ("shop version 1 registered: shop.v1.Money, shop.v1.Order\n", "")
    alone = tidegate("schema", "register", "shop", order)
    assert alone.returncode == 1
    assert "shop/v1/money.proto" in alone.stderr
    order.write_text(text.replace("shop/v1/money.proto", "../secret.proto"))
    outside = tidegate("schema", "register", "shop", "-I", tmp_path / "proto", order)
    assert (outside.returncode, "INVALID_SCHEMA" in outside.stderr) == (1, True)
    elsewhere = tidegate("schema", "register", "shop", "-I", tmp_path / "proto", tmp_path / "secret.proto")
    assert elsewhere.returncode == 2
    assert "name the folder above it with -I" in elsewhere.stderr


def test_a_schema_that_does_not_compile_is_refused_with_its_position(tidegate: Run, tmp_path: Path) -> None:
    """The compiler's findings come back with file, line and column, and exit code 1."""
    (tmp_path / "bad.proto").write_text('syntax = "proto3";\nmessage A {\n  Missing m = 1;\n}\n')
    refused = tidegate("schema", "register", "bad", tmp_path / "bad.proto")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert 'bad.proto:3:3: "Missing" is not defined' in refused.stderr
    assert "INVALID_SCHEMA" in refused.stderr
    (tmp_path / "binary.proto").write_bytes(b"\xff\xfe")
    binary = tidegate("schema", "register", "bad", tmp_path / "binary.proto")
    assert (binary.returncode, "--descriptor-set" in binary.stderr) == (1, True)


def test_the_life_of_a_topic(tidegate: Run) -> None:
    """A topic is made, shown, changed, listed and deleted; what is not named stays as it is."""
    name = "cli.life"
    made = tidegate(
        "topic", "create", name, "--subject", "flights", "--retain-age", "7d", "--retain-bytes", "10GB"
    )
    assert made.stdout == f"topic {name} created: all types of flights, kept 7d or 10.0 GB\n"
    twice = tidegate("topic", "create", name, "--subject", "flights")
    assert (twice.returncode, "TOPIC_ALREADY_EXISTS" in twice.stderr) == (1, True)
    changed = tidegate("topic", "update", name, "--retain-age", "none", "--type", DEPARTED)
    assert changed.stdout == f"topic {name} changed: {DEPARTED}, kept 10.0 GB\n"
    (stored,) = read_json(
        tidegate("topic", "update", name, "--all-types", "--unknown-fields", "allow", "--json")
    )
    assert (stored.get("types"), stored["unknown_fields"]) == (None, "UNKNOWN_FIELDS_ALLOW")
    assert stored["retention"] == {"max_bytes": "10000000000"}
    assert f"topic           {name}\n" in tidegate("topic", "get", name).stdout
    assert "keys            not indexed\n" in tidegate("topic", "get", name).stdout
    (indexed,) = read_json(tidegate("topic", "update", name, "--index-keys", "--json"))
    assert indexed["index_keys"] is True
    assert "keys            indexed\n" in tidegate("topic", "get", name).stdout
    (plain,) = read_json(tidegate("topic", "update", name, "--no-index-keys", "--json"))
    assert "index_keys" not in plain
    assert tidegate("topic", "list", "cli.lif*").returncode == 1
    assert [entry["name"] for entry in read_json(tidegate("topic", "list", "cli.*", "--json"))].count(
        name
    ) == 1
    assert tidegate("topic", "delete", name).stdout == f"topic {name} deleted\n"
    gone = tidegate("topic", "get", name)
    assert (gone.returncode, "TOPIC_NOT_FOUND" in gone.stderr) == (1, True)


def test_what_is_published_is_what_is_read(tidegate: Run, cli_topic: str) -> None:
    """Events come out as they went in, in order, with exactly the keys that are promised."""
    sent = [departure(number, tail_number="N\u00fc\U0001f6eb") for number in range(1, 2_001)]
    published = tidegate("publish", cli_topic, "--type", DEPARTED, stdin=json_lines(*sent) + "\n")
    assert (published.returncode, published.stdout) == (0, "")
    events = read_json(tidegate("subscribe", cli_topic, "--from", "earliest", "--until", "caught-up"))
    first, last = events[0]["sequence"], events[-1]["sequence"]
    assert published.stderr == f"published 2,000 events to {cli_topic}, sequences {first} to {last}\n"
    assert [event["data"] for event in events] == sent
    assert all(list(event) == KEYS for event in events)
    assert {(event["topic"], event["type"], event["schema_version"]) for event in events} == {
        (cli_topic, DEPARTED, 1)
    }
    assert [int(event["sequence"]) for event in events] == list(range(int(first), int(last) + 1))


def test_an_envelope_carries_what_stands_beside_the_data(tidegate: Run, cli_topic: str) -> None:
    """id, key, time and attributes are published as given; what subscribe writes can be published again."""
    envelope = {
        "id": "one",
        "key": "UA1",
        "time": "2013-01-01T10:12:00.000001Z",
        "attributes": {"trace": "x"},
        "data": departure(1),
    }
    lines = json_lines(envelope, {"data": departure(2)})
    assert tidegate("publish", cli_topic, "--type", DEPARTED, "--envelope", stdin=lines).returncode == 0
    read = tidegate("subscribe", cli_topic, "--from", "earliest", "--until", "caught-up")
    first, second = read_json(read)
    assert {key: first[key] for key in envelope} == envelope
    assert (second["key"], second["attributes"]) == ("", {})
    assert second["id"]
    again = tidegate("publish", cli_topic, "--type", DEPARTED, "--envelope", stdin=read.stdout)
    assert again.returncode == 0
    copies = read_json(tidegate("subscribe", cli_topic, "--from", "earliest", "--until", "caught-up"))[2:]
    assert [{**copy, "sequence": ""} for copy in copies] == [
        {**event, "sequence": ""} for event in (first, second)
    ]
