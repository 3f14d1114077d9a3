"""Starts a server and sends it what the OpenAPI document allows, and what it does not: nothing may fail inside."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """Runs the checks and has the status of schemathesis."""
    checker, program = sys.argv[1:3]
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:
        limits = ["--requests-per-minute", "1000000", "--logins-per-minute", "1000000"]
        server = subprocess.Popen(
            [program, "--listen", "127.0.0.1:0", "--data", str(Path(folder) / "data"), *limits],
            stderr=subprocess.PIPE, text=True,
        )
        try:
            address = next(found for line in server.stderr if (found := json.loads(line)["fields"].get("address")))
            # The log is read to its end, or the server would wait for it.
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
            status = subprocess.run(
                [
                    checker, "run", f"http://{address}/openapi.json", "--phases", "examples,coverage,fuzzing",
                    "--checks", "not_a_server_error,status_code_conformance,content_type_conformance,"
                    "response_schema_conformance,response_headers_conformance",
                    "--max-examples", "40", "--seed", "1", "--no-color",
                ],
                cwd=folder, check=False,
            ).returncode
        finally:
            server.terminate()
            ended = server.wait()
        drain.wait()
    return status or ended


if __name__ == "__main__":
    sys.exit(main())
