"""A throwaway Synapse on loopback, with SQLite in a directory that goes with it.

It is looked for in the Python that SYNAPSE_PYTHON names, in the one that runs the tests, and in .venv-matrix.
"""

import hashlib
import hmac
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

SERVER, SECRET, PASSWORD = "hs.test", "registration-secret-of-the-tests", "correct horse battery staple"
NOT_RUN = "THE MATRIX TESTS AGAINST A REAL SERVER DID NOT RUN: run `make test-matrix`"
MISSING = f"NO SYNAPSE, {NOT_RUN}, or set SYNAPSE_PYTHON to a Python that has matrix-synapse"
LIMITS = ("message", "registration", "admin_redaction", "joins_per_room", "room_creation")
STARTED_WITHIN = 90.0
# Compiled at every start, the server takes five times as long.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def find_python() -> Path | None:
    """A Python that can run the server."""
    return next((python for python in _candidates() if _has_synapse(python)), None)


def _candidates() -> Iterator[Path]:
    if named := os.environ.get("SYNAPSE_PYTHON"):
        yield Path(named)
    yield Path(sys.executable)
    yield Path(__file__).parents[2] / ".venv-matrix" / "bin" / "python"


def _has_synapse(python: Path) -> bool:
    look = "import importlib.util, sys; sys.exit(importlib.util.find_spec('synapse') is None)"
    return shutil.which(python) is not None and subprocess.run([python, "-c", look], check=False).returncode == 0


@dataclass(frozen=True)
class Synapse:
    """A running server."""

    base: str

    def register(self, name: str, *, admin: bool = False) -> str:
        """A new account; its access token."""
        path = "/_synapse/admin/v1/register"
        nonce = self.call("GET", path)["nonce"]
        said = "\0".join((nonce, name, PASSWORD, "admin" if admin else "notadmin"))
        mac = hmac.new(SECRET.encode(), said.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": name, "password": PASSWORD, "admin": admin, "mac": mac}
        return str(self.call("POST", path, body)["access_token"])

    def call(self, method: str, path: str, body: Any = None, token: str = "") -> dict[str, Any]:
        """One call to the server."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with urlopen(Request(f"{self.base}{path}", data, headers, method=method), timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@contextmanager
def synapse() -> Iterator[Synapse]:
    """Run a server. Raises FileNotFoundError where there is none to run."""
    python = find_python()
    if python is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory(prefix="duban-synapse-") as name:
        home, port = Path(name), _free_port()
        config = _configured(python, home, port)
        command = [str(python), "-m", "synapse.app.homeserver", *config]
        with (
            (home / "out").open("w") as out,
            subprocess.Popen(command, cwd=home, stdout=out, stderr=out, env=ENVIRONMENT) as process,
        ):
            try:
                yield _healthy(Synapse(f"http://127.0.0.1:{port}"), process, home)
            finally:
                process.kill()


def _configured(python: Path, home: Path, port: int) -> list[str]:
    first, second = home / "homeserver.yaml", home / "tests.yaml"
    generate = ["--generate-config", "-H", SERVER, "--report-stats=no", "-c", str(first)]
    command = [str(python), "-m", "synapse.app.homeserver", *generate]
    subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=STARTED_WITHIN, env=ENVIRONMENT)
    plenty = {"per_second": 100000, "burst_count": 100000}
    both = {"address": plenty, "account": plenty, "failed_attempts": plenty}
    listener = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "type": "http",
        "tls": False,
        "resources": [{"names": ["client"], "compress": False}],
    }
    settings = {
        "listeners": [listener],
        "registration_shared_secret": SECRET,
        "trusted_key_servers": [],
        "presence": {"enabled": False},
        "bcrypt_rounds": 4,
        "rc_login": both,
        "rc_joins": {"local": plenty, "remote": plenty},
        "rc_invites": {"per_room": plenty, "per_user": plenty, "per_issuer": plenty},
        **{f"rc_{name}": plenty for name in LIMITS},
    }
    second.write_text(json.dumps(settings))  # JSON is YAML
    return ["-c", str(first), "-c", str(second)]


def _healthy(server: Synapse, process: "subprocess.Popen[bytes]", home: Path) -> Synapse:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        try:
            server.call("GET", "/_matrix/client/versions")
        except (HTTPError, URLError, OSError):
            time.sleep(0.05)
        else:
            return server
    raise RuntimeError(f"Synapse did not start:\n{(home / 'out').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
