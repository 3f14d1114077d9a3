"""Speaks to the broker's socket directly: a question and a call, both also in the name of another process."""

import json
import os
import socket
import sys

said = json.loads(sys.stdin.read())


def ask(text: bytes, credentials: bool = False) -> str:
    """Return the status line of the answer, nothing where there is none."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(sys.argv[1])
    try:
        connection.sendall(text)
        return connection.recv(65536).split(b"\r\n", 1)[0].decode(errors="replace")
    except OSError:
        return ""


host = said["url"].split("/")[2]
claim = f"x-pid: {said['pid']}\r\nagentsecrets-pid: {said['pid']}\r\nx-uid: 0\r\n"
body = json.dumps({"selection": {}, "ask": "status"}).encode()
header = json.dumps({"v": 1, "inject": [{"style": "bearer", "secret": said["secret"]}],
                     "selection": {"project": "demo"}, "timeout_ms": 20000, "pid": said["pid"]})  # fmt: skip
answers = []
for extra in ("", claim):
    question = f"POST /v1/ask HTTP/1.1\r\nhost: broker\r\n{extra}content-length: {len(body)}\r\n\r\n".encode() + body
    answers.append(ask(question))
answers.append(ask(f"GET {said['url']} HTTP/1.1\r\nhost: {host}\r\n{claim}agentsecrets-call: {header}\r\n\r\n".encode()))
print(json.dumps(answers))
