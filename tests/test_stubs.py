"""``tidegate stubs``: what it writes works alone, and it says what is missing."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from tidegate.cli.stubbing.go import camel_case
from tidegate.cli.stubbing.plan import make_plan
from tidegate.cli.stubs import LANGUAGES
from tidegate.v1 import schema_service_pb2

from tests.command_line import SECONDS, TIDEGATE
from tests.shop import ORDERS, PAID, PLACED, SCHEMA_2, STAMPED, batch, order
from tests.typed_stubs import compile_files

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.shop import Shop

LIBRARIES = Path(pytest.__file__).parents[1]


async def stubs(
    shop: Shop, folder: Path, *arguments: str, path: str = "", topic: str = ORDERS
) -> tuple[int, str, str]:
    """Runs ``tidegate stubs``; answers its exit code and what it wrote to stdout and stderr."""
    command = *TIDEGATE, "--server", shop.gateway.address, "stubs", topic, "--out", str(folder), *arguments
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | ({"PATH": path, "HOME": path, "GOPATH": path, "GOBIN": path} if path else {}),
    )
    async with asyncio.timeout(SECONDS):
        out, errors = await process.communicate()
    return int(process.returncode or 0), out.decode(), errors.decode()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with grpcio and protobuf, and nothing else: all that a program with stubs has."""
    folder = tmp_path / "bare"
    (folder / "google").mkdir(parents=True)
    for name in ("grpc", "typing_extensions.py", "google/protobuf", "google/_upb"):
        (folder / name).symlink_to(LIBRARIES / name)
    return folder


@asynccontextmanager
async def running(*command: str | Path, **settings: Any) -> AsyncIterator[asyncio.StreamReader]:
    """Runs a program for as long as the block takes; answers what it writes."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        **settings,
    )
    try:
        yield process.stdout
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # `go run` and `npx` start the program in a further one
        await process.wait()


async def read_until(output: asyncio.StreamReader, wanted: str, seconds: float = SECONDS) -> str:
    """Reads until a line has what is wanted, which must come."""
    lines = []
    async with asyncio.timeout(seconds):
        while wanted not in (line := (await output.readline()).decode()):
            assert line, f"ended without {wanted!r}:\n{''.join(lines)}"
            lines.append(line)
    return "".join(lines)


def program_of(readme: str) -> str:
    """The program that a README shows."""
    return re.search(r"```\w+\n(.*?)\n```", readme, re.DOTALL)[1]


async def test_a_python_program_needs_nothing_but_the_stubs(shop: Shop, tmp_path: Path, bare: Path) -> None:
    """The README's program, with grpcio and protobuf alone, publishes and reads typed events."""
    await shop.publish(batch(ORDERS, order("A", 1250)), batch(ORDERS, order("P", 7), type=PAID))
    out = tmp_path / "gen"
    code, said, errors = await stubs(shop, out, "--lang", "python", "--type", PLACED)
    assert (code, errors) == (0, "")
    assert "1 typed service of shop.orders, version 1 of shop, in Python" in said
    program = program_of((out / "README.md").read_text())
    assert (out / "example.py").read_text().strip() == program.strip()
    page = (Path(__file__).parents[1] / "docs" / "typed-streams.md").read_text()
    assert program.replace(shop.gateway.address, "127.0.0.1:7420") in page
    written = program.replace("OrderPlaced()", 'OrderPlaced(order_id="B", amount_cents=99)')
    (out / "mine.py").write_text(written)
    environment = {"PYTHONPATH": str(bare), "PYTHONUNBUFFERED": "1"}
    async with running(sys.executable, "-S", "mine.py", cwd=out, env=environment) as output:
        assert "schema_version: 1" in await read_until(output, 'order_id: "A"')
        assert "amount_cents: 1250" in await read_until(output, 'order_id: "B"')
        await read_until(output, "amount_cents: 99")
    assert [event.data for event in await shop.everything()][2] == order("B", 99)


async def test_stubs_are_complete_and_live_with_the_library(shop: Shop, tmp_path: Path) -> None:
    """Protoc needs nothing beside the .proto files; stubs are found beside an installed Tidegate."""
    assert (await stubs(shop, tmp_path, "--lang", "python"))[0] == 0
    folder = tmp_path / "proto"
    texts = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.proto")}
    made = compile_files(tmp_path / "again", texts)
    services = {f"{file.package}.{service.name}" for file in made.file for service in file.service}
    typed = {f"tidegate.typed.v1.shop.v1.{name}Service" for name in ("OrderPlaced", "OrderPaid", "Stamped")}
    assert services == {"tidegate.v1.EventService", *typed}
    assert texts["buf/validate/validate.proto"]
    module = "tidegate.typed.v1.shop.v1.order_paid_service_pb2_grpc"
    code = f"import tidegate, {module} as it; print(it, tidegate.Client)"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    async with running(sys.executable, "-c", code, env=environment) as output:
        assert str(tmp_path) in (await output.read()).decode()


async def test_versions_and_types_can_be_chosen(shop: Shop, tmp_path: Path) -> None:
    """Stubs are of the latest version and the types that the topic accepts, unless others are named."""
    await shop.register(SCHEMA_2)
    await shop.update_topic(ORDERS, ["types"], types=[PAID])
    asked = (
        ((), {"order_paid"}, 2),
        (("--version", "1", "--type", PLACED, "--type", STAMPED), {"order_placed", "stamped"}, 1),
    )
    for arguments, names, version in asked:
        out = tmp_path / str(version)
        code, said, _ = await stubs(shop, out, "--lang", "python", *arguments)
        assert code == 0
        assert f"version {version} of shop" in said
        files = out.rglob(f"proto/tidegate/typed/v{version}/**/*.proto")
        assert {path.stem.removesuffix("_service") for path in files} == names


async def test_what_is_not_there_is_refused(shop: Shop, tmp_path: Path) -> None:
    """A wrong version or type is refused before anything is written."""
    wrong = ("--version", "7"), ("--type", "shop.v1.OrderPlace")
    answers = await asyncio.gather(*(stubs(shop, tmp_path / "gen", "--lang", "go", *one) for one in wrong))
    assert [code for code, _, _ in answers] == [1, 1]
    assert "no version 7" in answers[0][2]
    assert "Close to it: shop.v1.OrderPlaced" in answers[1][2]
    assert not (tmp_path / "gen").exists()


async def test_what_is_missing_is_said(shop: Shop, tmp_path: Path) -> None:
    """Without a language's tools .proto files are written, and the commands to install them said."""
    languages = [name for name in LANGUAGES if name != "python"]
    (tmp_path / "empty").mkdir()
    answers = await asyncio.gather(
        *(stubs(shop, tmp_path / name, "--lang", name, path=str(tmp_path / "empty")) for name in languages)
    )
    for language, (code, _, errors) in zip(languages, answers, strict=True):
        assert code == 1
        commands = re.findall(r"^    (.+)$", errors, re.MULTILINE)
        assert len(commands) > 1
        out = tmp_path / language
        said = f"stubs {ORDERS} --lang {language} --out {out} --version 1"
        assert commands[-1] == f"tidegate --server {shop.gateway.address} {said}"
        assert list(out.rglob("order_placed_service.proto"))
        readme = (out / "README.md").read_text()
        assert all(command in readme for command in commands)


async def test_what_people_wrote_stays(shop: Shop, tmp_path: Path) -> None:
    """A README of somebody else, and a program that was tried before, are not written over."""
    (tmp_path / "README.md").write_text("# Ours")
    (tmp_path / "example.py").write_text("mine")
    assert (await stubs(shop, tmp_path, "--lang", "python", "--type", STAMPED))[0] == 0
    assert (tmp_path / "README.md").read_text() == "# Ours"
    assert (tmp_path / "example.py").read_text() == "mine"
    assert ORDERS in (tmp_path / f"README-{ORDERS}.md").read_text()


def test_no_file_is_written_outside_of_the_folder() -> None:
    """A gateway that names a file outside of the folder is not believed."""
    for name in ("../up.proto", "/up.proto", "a/../../b.proto"):
        answer = schema_service_pb2.GetSchemaResponse()
        answer.typed.files[name] = 'syntax = "proto3";'
        with pytest.raises(click.ClickException, match="no relative path"):
            make_plan("t", "s", answer)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("OrderPlaced", "OrderPlaced"),
        ("order_placed", "OrderPlaced"),
        ("Outer_Inner", "Outer_Inner"),
        ("_x", "XX"),
        ("a_1", "A_1"),
        ("a1b", "A1B"),
        ("_", "X"),
    ],
)
def test_go_names(name: str, wanted: str) -> None:
    """Go's names are those that protoc-gen-go gives."""
    assert camel_case(name) == wanted


def _go_tools() -> bool:
    places = os.pathsep.join(
        (os.environ["PATH"], str(Path.home() / "go" / "bin"), os.environ.get("GOBIN", ""))
    )
    return all(shutil.which(name, path=places) for name in ("protoc-gen-go", "protoc-gen-go-grpc")) and bool(
        shutil.which("go")
    )


@pytest.mark.slow
@pytest.mark.skipif(
    not _go_tools(), reason="needs go, protoc-gen-go and protoc-gen-go-grpc, and the Go proxy"
)
async def test_a_go_program_needs_nothing_but_the_stubs(shop: Shop, tmp_path: Path) -> None:
    """The README's program publishes and reads typed events."""
    code, _, errors = await stubs(shop, tmp_path, "--lang", "go", "--type", PLACED)
    assert code == 0, errors
    program = program_of((tmp_path / "README.md").read_text())
    (tmp_path / "example" / "main.go").write_text(
        program.replace("OrderPlaced{}", 'OrderPlaced{OrderId: "G"}')
    )
    await _run("go", "mod", "tidy", cwd=tmp_path)
    async with running("go", "run", "./example", cwd=tmp_path) as output:
        await read_until(output, 'order_id:"G"', 300)
    assert [event.data for event in await shop.everything()] == [order("G", 0)]


async def _run(*command: str, cwd: Path) -> None:
    async with running(*command, cwd=cwd) as output:
        await asyncio.wait_for(output.read(), 300)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("npm"), reason="needs npm and its registry")
async def test_a_typescript_program_needs_nothing_but_the_stubs(shop: Shop, tmp_path: Path) -> None:
    """The same in TypeScript, once npm has installed what the first try said is missing."""
    assert (await stubs(shop, tmp_path, "--lang", "typescript", "--type", PLACED))[0] == 1
    await _run("npm", "install", "--no-audit", "--no-fund", cwd=tmp_path)
    code, _, errors = await stubs(shop, tmp_path, "--lang", "typescript", "--type", PLACED)
    assert code == 0, errors
    program = program_of((tmp_path / "README.md").read_text())
    (tmp_path / "example.ts").write_text(program.replace("{ data: {} }", '{ data: { orderId: "T" } }'))
    async with running("npx", "tsx", "example.ts", cwd=tmp_path) as output:
        await read_until(output, "orderId: 'T'", 60)
    assert [event.data for event in await shop.everything()] == [order("T", 0)]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("mvn"), reason="needs Maven and its repository")
async def test_a_java_program_needs_nothing_but_the_stubs(shop: Shop, tmp_path: Path) -> None:
    """The same in Java."""
    code, _, errors = await stubs(shop, tmp_path, "--lang", "java", "--type", PLACED)
    assert code == 0, errors
    program = program_of((tmp_path / "README.md").read_text())
    main = tmp_path / "src" / "main" / "java" / "Example.java"
    main.write_text(program.replace("newBuilder().build()", 'newBuilder().setOrderId("J").build()'))
    async with running("mvn", "-q", "-B", "compile", "exec:java", cwd=tmp_path) as output:
        await read_until(output, 'order_id: "J"', 300)
    assert [event.data for event in await shop.everything()] == [order("J", 0)]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("cargo"), reason="needs cargo and its registry")
async def test_a_rust_program_needs_nothing_but_the_stubs(shop: Shop, tmp_path: Path) -> None:
    """The same in Rust."""
    code, _, errors = await stubs(shop, tmp_path, "--lang", "rust", "--type", PLACED)
    assert code == 0, errors
    program = program_of((tmp_path / "README.md").read_text())
    filled = 'OrderPlaced { order_id: "R".into(), ..Default::default() }'
    (tmp_path / "src" / "main.rs").write_text(program.replace("OrderPlaced::default()", filled))
    async with running("cargo", "run", "-q", cwd=tmp_path) as output:
        await read_until(output, 'order_id: "R"', 900)
    assert [event.data for event in await shop.everything()] == [order("R", 0)]
