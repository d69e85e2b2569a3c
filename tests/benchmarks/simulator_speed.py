"""How fast the simulator is: run it with `python tests/benchmarks/simulator_speed.py [--quick]`.

Prints each figure beside the goal it is measured against, and as a ratio of it: below 1 is good.
Not collected as a test: the figures belong to the machine.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

CHAT = "/v1/chat/completions"
LINE_BYTES = 1_000
PIPELINED = 32

HELLO = """
import sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def hello(request):
    return JSONResponse({"hello": "world"})

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        print(f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}", flush=True)

app = Starlette(routes=[Route("/hello", hello)])
config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off", http="httptools", ws="none")
Server(config).run()
"""


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the lines and seconds")
    scale = 10 if parser.parse_args().quick else 1
    one_batch(50_000 // scale)
    four_batches(50_000 // scale)
    small_gets(5 / scale)
    resets(200)
    start()


def one_batch(lines: int) -> None:
    """Upload, run on virtual time and download one batch."""
    with TemporaryDirectory() as folder, served("--clock", "jump") as (process, port):
        path = write_input(Path(folder) / "input.jsonl", lines, 0)
        began = time.perf_counter()
        size = run_batch(port, path)
        took = time.perf_counter() - began
        slowest = measure_pings(port, path)
        show(
            f"one batch of {lines:,} lines, {path.stat().st_size / 1e6:.0f} MB in, {size / 1e6:.0f} MB out",
            took,
            15,
            "s",
        )
        show("  peak memory of the server", peak_memory(process.pid), 250, "MB")
        show("  slowest small GET while such a batch runs", slowest * 1000, 1000, "ms")


def four_batches(lines: int) -> None:
    """Four batches at once."""
    with TemporaryDirectory() as folder, served("--clock", "jump") as (process, port):
        paths = [write_input(Path(folder) / f"{number}.jsonl", lines, number) for number in range(4)]
        began = time.perf_counter()
        threads = [threading.Thread(target=run_batch, args=(port, path)) for path in paths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        show(f"four batches, {4 * lines:,} lines", took, 60, "s")
        show("  peak memory of the server", peak_memory(process.pid), 300, "MB")


def small_gets(seconds: float) -> None:
    """Small GETs against a bare application on the same stack, the server on one core."""
    with served("--clock", "jump") as (_, port), bare() as hello:
        rounds = [(load(hello, "/hello", seconds / 5), load(port, "/v1/batches", seconds / 5)) for _ in range(5)]
    plain, ours = (statistics.median(values) for values in zip(*rounds, strict=True))
    show(f"small GETs a second: {ours:,.0f}; goal as a ratio", 3_000 / ours, 1, "")
    show(f"  a bare application: {plain:,.0f}; half of it as a ratio", plain / 2 / ours, 1, "")


def resets(times: int) -> None:
    """State resets of a server in process, after a small batch each."""
    from pytest_batcheval.simulator.server import SimulatorServer

    took = []
    with TemporaryDirectory() as folder, SimulatorServer() as server:
        path = write_input(Path(folder) / "input.jsonl", 20, 0)
        port = int(server.base_url.split(":")[2].split("/")[0])
        for _ in range(times):
            run_batch(port, path)
            began = time.perf_counter()
            server.reset()
            took.append((time.perf_counter() - began) * 1000)
    show("state reset, median", statistics.median(took), 5, "ms")


def start() -> None:
    """Start of a server in process, once its web framework is imported."""
    from pytest_batcheval.simulator.server import SimulatorServer

    took = []
    for _ in range(5):
        began = time.perf_counter()
        server = SimulatorServer().start()
        took.append(time.perf_counter() - began)
        server.stop()
    show("start in process, median", statistics.median(took), 0.3, "s")


def write_input(path: Path, lines: int, number: int) -> Path:
    """An input file of lines of about 1,000 bytes, each of its own words."""
    words = "I have been asked how things went since we last met, and I will say it in my own words. "
    with path.open("w", encoding="utf-8") as stream:
        for line in range(lines):
            custom_id = f"line-{number}-{line}"
            content = f"Question {line} of file {number}. " + words * ((LINE_BYTES - 150) // len(words))
            body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": content}]}
            stream.write(json.dumps({"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}) + "\n")
    return path


def run_batch(port: int, path: Path) -> int:
    """Upload, create, poll to the end and download; the bytes of the output file."""
    batch = create(port, path)
    while batch["status"] not in ("completed", "failed"):
        batch = call(port, "GET", f"/v1/batches/{batch['id']}")
    assert batch["request_counts"]["completed"] == batch["request_counts"]["total"] > 0, batch
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", f"/v1/files/{batch['output_file_id']}/content", headers={"Authorization": "Bearer k"})
    reply, size = connection.getresponse(), 0
    while chunk := reply.read(2**20):
        size += len(chunk)
    connection.close()
    return size


def measure_pings(port: int, path: Path) -> float:
    """Seconds of the slowest of many small GETs while a batch runs."""
    worker = threading.Thread(target=run_batch, args=(port, path))
    worker.start()
    slowest = 0.0
    while worker.is_alive():
        began = time.perf_counter()
        call(port, "GET", "/v1/models")
        slowest = max(slowest, time.perf_counter() - began)
        worker.join(0.01)
    return slowest


def create(port: int, path: Path) -> dict[str, object]:
    """Upload a file in pieces and create a batch of it."""
    head = (
        b'--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="input.jsonl"\r\n\r\n'
    )
    tail = b"\r\n--x--\r\n"
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.putrequest("POST", "/v1/files")
    connection.putheader("Authorization", "Bearer k")
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.putheader("Content-Length", str(len(head) + path.stat().st_size + len(tail)))
    connection.endheaders(head)
    with path.open("rb") as stream:
        while chunk := stream.read(2**20):
            connection.send(chunk)
    connection.send(tail)
    file = json.loads(connection.getresponse().read())
    connection.close()
    asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    return call(port, "POST", "/v1/batches", asked)


def call(port: int, method: str, path: str, body: object = None) -> dict[str, object]:
    """One JSON call."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, json.dumps(body) if body else None, {"Authorization": "Bearer k"})
    answer: dict[str, object] = json.loads(connection.getresponse().read())
    connection.close()
    return answer


def load(port: int, path: str, seconds: float) -> float:
    """GETs a second over one connection, some of them under way at a time."""
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer k\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request * PIPELINED)
        answered, began = 0, time.perf_counter()
        while (now := time.perf_counter()) - began < seconds:
            count = connection.recv(2**18).count(b"HTTP/1.1 200")
            answered += count
            connection.sendall(request * count)
    return answered / (now - began)


@contextmanager
def served(*options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`batcheval serve` in a process of its own: the process and its port."""
    command = [sys.executable, "-c", "from pytest_batcheval.cli import main; raise SystemExit(main())", "serve"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, int(process.stdout.readline().split(":")[2].split("/")[0])
        process.send_signal(signal.SIGTERM)


@contextmanager
def bare() -> Iterator[int]:
    """The port of a bare application."""
    with subprocess.Popen([sys.executable, "-c", HELLO], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline().rpartition(":")[2])
        process.kill()


def peak_memory(pid: int) -> float:
    """Largest resident set of a process, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    raise OSError("this system does not tell the peak memory of a process")


def show(what: str, figure: float, goal: float, unit: str) -> None:
    """One line: figure, goal, ratio."""
    print(f"{what}: {figure:.3g} {unit} (goal {goal:g} {unit}, ratio {figure / goal:.2f})", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
