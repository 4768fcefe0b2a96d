"""Runs the functions' debug binaries under the Lambda Runtime Interface Emulator that comes with the SAM CLI."""

import contextlib
import http.client
import importlib.util
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import time

import stack

BINARIES = stack.ROOT / "target" / "debug"
HOST = "127.0.0.1"
# The time limit for every start, and for an answer of a function, in seconds.
PATIENCE = 30


class Running:
    """A function under the emulator, with these settings and no others."""

    def __init__(self, function, environment, scratch, cleanup):
        self.port, runtime_api = free_ports(2)
        environment = environment | {
            "AWS_LAMBDA_FUNCTION_NAME": function.name,
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(function.timeout),
            "AWS_REGION": "eu-central-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        command = [
            program(scratch),
            f"--runtime-interface-emulator-address={HOST}:{self.port}",
            f"--runtime-api-address={HOST}:{runtime_api}",
            binary(function.name),
        ]
        self.log = scratch / f"{function.name}.{self.port}.log"
        self.read = 0
        start(command, environment, self.log, self.port, cleanup)

    def invoke(self, event):
        """Invokes the function with an event, which is JSON text, and returns its answer."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", "/2015-03-31/functions/function/invocations", event.encode())
            return json.loads(connection.getresponse().read())

    def new_log_lines(self):
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        fresh, self.read = lines[self.read :], len(lines)
        return fresh


def program(scratch):
    """The emulator that comes with the SAM CLI."""
    machine = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    package = pathlib.Path(importlib.util.find_spec("samcli").origin).parent
    emulator = package / "local" / "rapid" / f"aws-lambda-rie-{machine}"
    if not os.access(emulator, os.X_OK):
        emulator = pathlib.Path(shutil.copy(emulator, scratch))
        emulator.chmod(0o755)
    return emulator


def start_engine(scratch, cleanup):
    """The port of the DynamoDB engine with the demo account."""
    port = free_port()
    start([binary("tasklane"), "--data", scratch / "data", "dynamodb", "--seed", "--listen", f"{HOST}:{port}"], {}, scratch / "engine.log", port, cleanup)
    return port


def start(command, environment, log, port, cleanup):
    """Starts a server and waits until it accepts connections."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env=bare(environment), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    cleanup.callback(stop, process)
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{command[0]} did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.02)


def stop(process):
    """Stops a server and its child processes: the emulator does not stop the function's process."""
    children = descendants(process.pid)
    process.kill()
    process.wait()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def descendants(pid):
    """The descendants of a process, from /proc."""
    parents = {}
    for status in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in parentheses may contain spaces; the state and the parent follow it.
            parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
    found = {pid}
    while below := {child for child, parent in parents.items() if parent in found} - found:
        found |= below
    return found - {pid}


def bare(environment):
    """An environment with these settings, without variables of the caller that could replace a missing one."""
    return {"PATH": os.environ["PATH"], **environment}


def binary(name):
    path = BINARIES / name
    if not path.exists():
        raise SystemExit(f"{path} is missing: run cargo build --workspace --bins")
    return path


def free_port():
    [port] = free_ports(1)
    return port


def free_ports(count):
    """Different free ports: each is held until all are found."""
    with contextlib.ExitStack() as held:
        servers = [held.enter_context(socket.create_server((HOST, 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in servers]
