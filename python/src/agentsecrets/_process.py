"""A granted command with secrets in its environment. The broker starts it; this process never holds a value."""

from __future__ import annotations

import os
import signal as signals
import subprocess

from ._request import invalid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from types import TracebackType
    from typing import IO, Any

    from typing_extensions import Self

    from . import _native
    from .types import Secret

    Stream = int | IO[Any] | None


class Process:
    """A child of the broker, used like ``subprocess.Popen``. It ends with this process at the latest.

    Its output comes without values. Captured output is there once it has ended.
    """

    def __init__(self, child: _native.Child, args: list[str]) -> None:
        self._child = child
        self.args = args
        """The command."""
        self.pid = child.pid
        """The process id."""
        self.returncode: int | None = None
        """The exit code, or the negative number of the signal that ended it; ``None`` while it runs."""
        self.stdout: bytes | None = None
        """What it wrote to stdout, where that was captured."""
        self.stderr: bytes | None = None
        """What it wrote to stderr, where that was captured."""

    def poll(self) -> int | None:
        """Return the exit code if the child has ended."""
        if self.returncode is None:
            self._settle(self._child.ended())
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end, and return the exit code.

        Raises:
            subprocess.TimeoutExpired: It has not come within ``timeout`` seconds.
            BrokerUnavailable: The broker ended, and the child with it.
        """
        if self.returncode is None:
            self._settle(self._child.wait(timeout))
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes | None, bytes | None]:
        """Wait for the end, and return what was captured of stdout and stderr."""
        self.wait(timeout)
        return self.stdout, self.stderr

    def check_returncode(self) -> None:
        """Raise where the child has failed.

        Raises:
            subprocess.CalledProcessError: The exit code is not 0.
        """
        if self.wait():
            raise subprocess.CalledProcessError(self.wait(), self.args, self.stdout, self.stderr)

    def send_signal(self, signal: int) -> None:
        """Send a signal to the child and its group; one that has ended gets none."""
        if self.poll() is None:
            self._child.signal(int(signal))

    def terminate(self) -> None:
        """Ask the child to end."""
        self.send_signal(signals.SIGTERM)

    def kill(self) -> None:
        """End the child."""
        self.send_signal(signals.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wait()

    def __repr__(self) -> str:
        state = "running" if self.returncode is None else f"ended {self.returncode}"
        return f"<Process {os.path.basename(self.args[0])} {state}>"

    def _settle(self, ended: tuple[int | None, int | None, bytes | None, bytes | None] | None) -> None:
        if ended is None:
            return
        code, signal, self.stdout, self.stderr = ended
        self.returncode = code if code is not None else -(signal or 1)


def spawn(
    client: _native.Client,
    argv: Sequence[str | os.PathLike[str]],
    secrets: Iterable[Secret],
    streams: tuple[Stream, Stream, Stream],
    cwd: str | os.PathLike[str] | None,
    env: Mapping[str, str] | None,
) -> Process:
    """Have the broker start a command."""
    if isinstance(argv, (str, bytes)) or isinstance(secrets, (str, bytes)):
        invalid("the command is a list of words, and secrets a list of names")
    words = [os.fspath(word) for word in argv]
    numbers = (_number(streams[0]), _number(streams[1]), _number(streams[2]))
    variables = None if env is None else list(env.items())
    directory = None if cwd is None else os.fspath(cwd)
    return Process(client.spawn(words, [str(name) for name in secrets], numbers, variables, directory), words)


def _number(stream: Stream) -> int | None:
    return stream if stream is None or isinstance(stream, int) else stream.fileno()
