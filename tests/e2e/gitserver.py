"""A git server over TLS that asks for credentials, as GitHub does: git's own http-backend behind a small front."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from kit.report import NotRun

LEAF = """
subjectAltName=DNS:localhost
basicConstraints=CA:FALSE
keyUsage=digitalSignature
extendedKeyUsage=serverAuth
"""


class GitServer:
    """A bare repository with one commit, at `origin/repository.git`."""

    def __init__(self, folder: Path, password: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="git-", dir=folder))
        self.password = password
        self.seen: set[str] = set()
        self._repository()
        self._certificates()
        handler = type("Front", (Front,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "leaf.pem", self.folder / "leaf.key")
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.origin = f"https://localhost:{self._server.server_port}"
        self.pem = (self.folder / "ca.pem").read_bytes()

    def __enter__(self) -> GitServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def commits(self) -> int:
        return int(self._git("-C", "repository.git", "rev-list", "--count", "--all"))

    def _git(self, *arguments: str) -> str:
        environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main", *arguments],
            cwd=self.folder, env=environment, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return done.stdout.strip()

    def _repository(self) -> None:
        self._git("init", "-q", "first")
        (self.folder / "first/file").write_text("first\n")
        self._git("-C", "first", "add", ".")
        self._git("-C", "first", "commit", "-qm", "first")
        self._git("clone", "-q", "--bare", "first", "repository.git")
        self._git("-C", "repository.git", "config", "http.receivepack", "true")

    def _certificates(self) -> None:
        if not shutil.which("openssl"):
            raise NotRun("no openssl: apt-get install openssl")
        (self.folder / "leaf.ext").write_text(LEAF)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for arguments in (
            ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=Git test authority", "-days", "2"],
            ["req", *key, "-keyout", "leaf.key", "-out", "leaf.csr", "-subj", "/CN=localhost"],
            ["x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
             "-out", "leaf.pem", "-extfile", "leaf.ext"],
        ):  # fmt: skip
            subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)


class Front(BaseHTTPRequestHandler):
    """CGI (RFC 3875) to `git http-backend`, behind Basic authentication."""

    owner: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self._body()
        scheme, _, said = self.headers.get("Authorization", "").partition(" ")
        pair = base64.b64decode(said).decode() if scheme == "Basic" else ""
        if pair:
            self.owner.seen.add(pair)
        if pair.partition(":")[2] != self.owner.password:
            self._answer(401, [("WWW-Authenticate", 'Basic realm="git"')], b"")
            return
        path, _, query = self.path.partition("?")
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, check=True,
            env={
                "PATH": os.environ["PATH"], "GIT_PROJECT_ROOT": str(self.owner.folder), "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command, "PATH_INFO": path, "QUERY_STRING": query, "REMOTE_USER": "x",
                "CONTENT_TYPE": self.headers.get("Content-Type", ""), "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            },
        )  # fmt: skip
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = [tuple(line.split(": ", 1)) for line in head.decode().split("\r\n") if ": " in line]
        status = next((int(value.split()[0]) for name, value in fields if name == "Status"), 200)
        self._answer(status, [(name, value) for name, value in fields if name != "Status"], content)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, status: int, fields: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in [*fields, ("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass
