"""A guest of a shared broker: one task a line of its plan, told as JSON. Runs where there is no home.

    guest.py sdk      calls and questions of the Python package, from `PYTHONPATH`
    guest.py raw      requests as they are written, straight to the socket
    guest.py look     what can be seen of files and processes from here
"""

import json
import os
import socket
import sys
from pathlib import Path

plan = json.loads(sys.stdin.read())


def sdk() -> dict:
    from agentsecrets import AgentSecrets, AgentSecretsError

    def code_of(work) -> object:
        try:
            return work()
        except AgentSecretsError as error:
            return error.code

    with AgentSecrets(**plan.get("options", {})) as client:
        return {
            "isolation": client.isolation,
            "calls": [code_of(lambda it=call: client.call(it["url"], bearer=it["secret"]).status_code)
                      for call in plan.get("calls", [])],
            "names": code_of(lambda: [info.name for info in client.secrets.list()]),
            "destinations": code_of(lambda: [list(info.destinations) for info in client.secrets.list()]),
            "checked": code_of(lambda: [one.present for one in client.secrets.check(*plan.get("check", []))]),
            "grants": code_of(lambda: [grant.secret for grant in client.grants()]),
            "logged": code_of(lambda: sorted({(entry.agent or "", entry.isolation) for entry in client.logs()})),
            "status": code_of(lambda: client.status().isolation),
            "home": code_of(lambda: client.status().home),
        }  # fmt: skip


def raw() -> list:
    """Return status and error code of each request."""
    answers = []
    for text in plan["requests"]:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        try:
            connection.connect(plan["socket"])
            connection.sendall(text.encode())
            said = connection.recv(1 << 16).decode(errors="replace")
        except OSError as why:
            answers.append([0, type(why).__name__])
            continue
        finally:
            connection.close()
        head = said.split("\r\n\r\n", 1)[0].split("\r\n")
        error = [line.split(":", 1)[1] for line in head if line.lower().startswith("agentsecrets-error:")]
        answers.append([int(head[0].split()[1]), json.loads(error[0])["code"] if error else ""])
    return answers


def look() -> dict:
    def opened(path: str) -> str:
        try:
            with open(path, "rb") as file:
                return "read" if file.read(1) is not None else ""
        except OSError as why:
            return type(why).__name__

    broker = Path("/proc", str(plan["broker"]))
    return {
        "files": {path: opened(path) for path in plan["files"]},
        "folder": os.access(plan["home"], os.R_OK | os.X_OK),
        "memory": opened(str(broker / "mem")),
        "environment": opened(str(broker / "environ")),
        "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
        "user": os.geteuid(),
        "writable": os.access(os.path.dirname(plan["socket"]), os.W_OK),
    }


print(json.dumps({"sdk": sdk, "raw": raw, "look": look}[sys.argv[1]]()))
