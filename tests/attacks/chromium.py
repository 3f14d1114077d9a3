"""A real Chromium of a user of its own, without a screen."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from kit.account import Account
from kit.report import NotRun

# The last one takes away what newer versions do by themselves against pages that reach for this machine.
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-dev-shm-usage --disable-quic --no-first-run --no-default-browser-check "
    "--disable-background-networking --disable-component-update --disable-sync --disable-extensions --disable-breakpad "
    "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessSendPreflights,BlockInsecurePrivateNetworkRequests,DnsOverHttps"
).split()


@contextmanager
def browsing(account: Account, name: str, url: str) -> Iterator[subprocess.Popen[bytes]]:
    """Look at a page, with a profile that was never used, until it is enough."""
    program = shutil.which("chromium")
    if program is None:
        raise NotRun("there is no chromium: apt-get install chromium")
    profile = account.folder / f"profile-{name}"
    words = [program, *FLAGS, f"--user-data-dir={profile}", "--remote-debugging-port=0", url]
    with open(account.folder / f"chromium-{name}.log", "wb") as log:
        process = account.start(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        shutil.rmtree(profile, ignore_errors=True)
