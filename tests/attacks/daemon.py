"""A false broker: listens at a path, counts what it hears, tells it when a line comes in on stdin."""

import json
import os
import select
import socket
import sys

path = sys.argv[1]
if os.path.exists(path):
    os.unlink(path)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o777)
listener.listen(16)
print("listening", flush=True)
told = {"connections": 0, "bytes": 0}
open_ones: list[socket.socket] = []
while True:
    ready, _, _ = select.select([listener, sys.stdin, *open_ones], [], [])
    for one in ready:
        if one is listener:
            open_ones.append(listener.accept()[0])
            told["connections"] += 1
        elif one is sys.stdin:
            print(json.dumps(told), flush=True)
            sys.exit(0)
        else:
            piece = one.recv(65536)
            told["bytes"] += len(piece)
            if not piece:
                open_ones.remove(one)
                one.close()
