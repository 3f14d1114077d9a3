"""A real terminal with a person at it, who reads prompts and types."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from pathlib import Path

from .account import Account


class Terminal:
    """Runs a command on a pty of its own and answers what it asks, in order."""

    def __init__(self, account: Account) -> None:
        self.account = account

    def run(
        self, arguments: list[str], answers: list[tuple[str, str]], env: dict[str, str], cwd: Path, seconds: float = 60
    ) -> tuple[int, str, int]:
        """Return the exit code, what stood on the screen, and how many prompts were answered.

        Every answer is typed when its prompt stands at the end of the screen. A prompt with no answer left is
        counted and answered with an interrupt.
        """
        master, slave = pty.openpty()
        process = subprocess.Popen(
            arguments,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env={**self.account.environment, **env, "TERM": "dumb"},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            **_given(self.account, slave),
        )
        os.close(slave)
        screen, mark, asked = b"", 0, 0
        waiting = list(answers)
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                ready, _, _ = select.select([master], [], [], 0.15)
                if ready:
                    try:
                        piece = os.read(master, 4096)
                    except OSError:
                        break
                    if not piece:
                        break
                    screen += piece
                new = screen[mark:].decode(errors="replace")
                # A line may come in pieces: only what stands still is a prompt.
                if not ready and _is_prompt(new):
                    asked += 1
                    mark = len(screen)
                    if waiting and waiting[0][0].lower() in new.lower():
                        os.write(master, waiting.pop(0)[1].encode() + b"\n")
                    else:
                        os.write(master, b"\x03")
                elif not ready and process.poll() is not None:
                    break
            code = process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        finally:
            os.close(master)
        return code, screen.decode(errors="replace"), asked


def _given(account: Account, slave: int) -> dict[str, object]:
    if account.uid is not None:
        os.fchown(slave, account.uid, account.uid)
    return account.identity


def _is_prompt(new: str) -> bool:
    """A prompt is an unfinished line that ends with a colon or a question, then a space."""
    last = new.rsplit("\n", 1)[-1]
    return last.endswith((": ", "? ", "] "))
