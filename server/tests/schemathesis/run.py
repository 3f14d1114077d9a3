"""Starts a server and sends it what the OpenAPI document allows, and what it does not: nothing may fail inside."""

import hashlib
import json
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance",
]


def session(database: Path) -> dict[str, str]:
    """Puts a session into the database, since no login by password is spoken here, and has what signs in it."""
    token, key = secrets.token_urlsafe(32), secrets.token_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()
    row = (hashlib.sha256(token.encode()).digest(), uuid.uuid4().bytes, uuid.uuid4().bytes, public, int(time.time()) + 3600)
    with sqlite3.connect(database, timeout=30) as connection:
        connection.execute("INSERT INTO sessions (token, account, device, device_key, expires) VALUES (?, ?, ?, ?, ?)", row)
    return {"SESSION_TOKEN": token, "SESSION_KEY": key.hex()}


def main() -> int:
    """Runs the checks and has the status of schemathesis."""
    checker, program = (str(Path(path).resolve()) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:
        data = Path(folder) / "data"
        limits = ["--requests-per-minute", "1000000", "--logins-per-minute", "1000000"]
        server = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--data", str(data), *limits], stderr=subprocess.PIPE, text=True
        )
        try:
            address = next(found for line in server.stderr if (found := json.loads(line)["fields"].get("address")))
            # The log is read to its end, or the server would wait for it.
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
            hooks = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(Path(__file__).parent)}
            signed = session(data / "agentsecrets-server.sqlite")
            status = subprocess.run(
                [
                    checker, "run", f"http://{address}/openapi.json", "--phases", "examples,coverage,fuzzing", "--checks",
                    ",".join(CHECKS), "--max-examples", "40", "--seed", "1", "--no-color",
                    # Another session for each run of this operation would be needed: it ends the one that is used.
                    "--exclude-method", "DELETE",
                ],
                cwd=folder, check=False, env={**os.environ, **hooks, **signed},
            ).returncode
        finally:
            server.terminate()
            ended = server.wait()
        drain.wait()
    return status or ended


if __name__ == "__main__":
    sys.exit(main())
