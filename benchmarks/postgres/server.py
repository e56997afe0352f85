"""A PostgreSQL of our own: in a new folder, reached by a socket in it, gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def binaries() -> Path | None:
    """Where `initdb` is: on the PATH, or where Debian's package puts it; `None` without one."""
    found = shutil.which("initdb")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).parent if found else debian[-1].parent if debian else None


def server_version() -> str:
    """Of the binaries."""
    told = _run("postgres", "--version", user=None)
    return told.removeprefix("postgres (PostgreSQL) ").strip()


@contextmanager
def postgres() -> Iterator[str]:
    """A server with its usual settings, fsync included; yields what to connect to.

    Raises:
        FileNotFoundError: There is no PostgreSQL here.
        subprocess.CalledProcessError: It does not start; says why.
    """
    folder = Path(tempfile.mkdtemp(prefix="rsd-pg-", dir="/tmp"))  # a socket's path is short
    user = _other_than_root(folder)
    data = str(folder / "data")
    try:
        _run("initdb", "--pgdata", data, "--auth=trust", "--username=rsd", "--no-sync", user=user)
        options = f"-c listen_addresses='' -k {folder} -c max_connections=120"
        log = str(folder / "log")
        _run("pg_ctl", "start", "-w", "-D", data, "-o", options, "-l", log, user=user)
        yield f"postgresql://rsd@/postgres?host={folder}"
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            _run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", data, user=user)
        shutil.rmtree(folder, ignore_errors=True)


def _other_than_root(folder: Path) -> str | None:
    """PostgreSQL refuses to run as root; Debian's package brings a user of its own."""
    if os.geteuid() != 0:
        return None
    shutil.chown(folder, "postgres")
    return "postgres"


def _run(program: str, *arguments: str, user: str | None) -> str:
    """What it says; what it starts outlives it and holds none of our pipes."""
    folder = binaries()
    if folder is None:
        raise FileNotFoundError("no initdb: install PostgreSQL, on Debian `apt install postgresql`")
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run(
            [folder / program, *arguments], user=user, stdout=said, stderr=said, cwd="/"
        )
        said.seek(0)
        text = said.read()
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, program, text)
    return text
