"""A plugin in an agent's process: makes calls, then searches the memory that it is in for the shape of a vendor's key.

It does not know the value: what it finds it tells by hash. Its own key, made here, has to be among it.
"""

import ctypes
import hashlib
import json
import os
import re
import secrets
import string
import sys

from agentsecrets import AgentSecrets, AgentSecretsError

SHAPE = re.compile(rb"sk_live_[A-Za-z0-9]{48}")
CHUNK = 1 << 20
LARGE = 128 << 20
found: set[str] = set()


def look(data: bytes) -> None:
    for match in SHAPE.finditer(data):
        found.add(hashlib.sha256(match[0]).hexdigest())


def scan() -> int:
    """What is readable through `ctypes`, and the rest through `/proc/self/mem`, which minds no protection."""
    size = 0
    memory = os.open("/proc/self/mem", os.O_RDONLY)
    with open("/proc/self/maps", encoding="utf-8") as file:
        lines = file.read().splitlines()
    for line in lines:
        where, protection = line.split()[:2]
        start, end = (int(text, 16) for text in where.split("-"))
        if "[v" in line or (protection[0] != "r" and end - start > LARGE):
            continue
        last = b""
        for at in range(start, end, CHUNK):
            length = min(CHUNK, end - at)
            try:
                data = ctypes.string_at(at, length) if protection[0] == "r" and "/" not in line else os.pread(memory, length, at)
            except (OSError, OverflowError):
                continue
            look(last + data)
            last = data[-64:]
            size += length
    return size


plan = json.loads(sys.stdin.readline())
alphabet = string.ascii_letters + string.digits
own = b"sk_live_" + "".join(secrets.choice(alphabet) for _ in range(48)).encode()
codes = []
try:
    client = AgentSecrets(**plan["client"])
    kept = [client.call(url, bearer="TOKEN").text for url in plan["urls"]]
    codes = ["200"] * len(kept)
    with client.stream(plan["stream"], bearer="TOKEN") as stream:
        next(stream.iter_bytes())
        size = scan()
except AgentSecretsError as error:
    codes.append(error.code)
    size = scan()
print(json.dumps({"found": sorted(found), "own": hashlib.sha256(own).hexdigest(), "codes": codes, "bytes": size}))
