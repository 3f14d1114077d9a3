"""Plain programs that the attacks must succeed on, or they would prove nothing about the others.

    victim.py hold                 keeps a line of stdin in its memory, says `ready`, waits for stdin to close
    victim.py careless DESCRIPTOR  closes itself like the real program, then reads a passphrase without forking
    victim.py crash                says `ready`, then waits to be killed, with core dumps on
"""

import ctypes
import os
import sys
import time


def main() -> None:
    if sys.argv[1] == "careless":
        ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE
        kept = os.read(int(sys.argv[2]), 4096)
        time.sleep(0.3)
        sys.exit(0 if kept else 1)
    kept = sys.stdin.readline()
    print("ready", flush=True)
    sys.stdin.read()
    sys.exit(0 if kept else 1)


main()
