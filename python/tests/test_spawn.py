"""Granted commands as children of the broker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agentsecrets import AgentSecrets, errors
from world import PROJECT, World, until


@pytest.fixture
def script(world: World, tmp_path: Path) -> str:
    """A script that shows what it was given, granted to TOKEN."""
    path = tmp_path / "show.sh"
    path.write_text('#!/bin/sh\necho "out $TOKEN ${#TOKEN} $MINE"\necho "err $TOKEN" >&2\ncat\nexit 3\n')
    path.chmod(0o755)
    world.allow_command("TOKEN", str(path))
    return str(path)


def test_a_command_has_the_value_and_the_caller_has_not(broker: AgentSecrets, script: str, world: World) -> None:
    length = len(world.values["TOKEN"])
    with open(os.devnull, "rb") as nothing:
        process = broker.spawn(
            [script],
            secrets=["TOKEN"],
            stdin=nothing,
            capture_output=True,
            env={"MINE": "mine", "LD_PRELOAD": "/no/such.so"},
        )
    assert process.pid > 0
    assert process.wait(30) == 3
    assert process.returncode == process.poll() == 3
    assert process.stdout == f"out [REDACTED:TOKEN] {length} mine\n".encode()
    assert process.stderr == b"err [REDACTED:TOKEN]\n"
    with pytest.raises(subprocess.CalledProcessError) as failed:
        process.check_returncode()
    assert failed.value.returncode == 3
    entry = broker.logs(last=1)[0]
    assert (entry.styles, entry.outcome, entry.reason) == (("env",), "ok", "credential_echo")


def test_streams_are_descriptors_files_and_constants(broker: AgentSecrets, script: str, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"typed\n")
    os.close(writer)
    with open(tmp_path / "out", "wb") as out:
        process = broker.spawn([script], stdin=reader, stdout=out, stderr=subprocess.STDOUT, cwd=tmp_path)
    with process:
        pass
    os.close(reader)
    assert process.returncode == 3
    written = (tmp_path / "out").read_bytes()
    assert b"typed\n" in written
    assert b"err [REDACTED:TOKEN]\n" in written


def test_a_child_is_signalled_and_waited_for(broker: AgentSecrets, world: World) -> None:
    world.allow_command("TOKEN", "sleep", "60")
    process = broker.spawn(["sleep", "60"], stdin=subprocess.DEVNULL)
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.05)
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    process.kill()


def test_what_is_not_granted_is_refused(broker: AgentSecrets, script: str) -> None:
    with pytest.raises(errors.CommandNotAllowed) as refused:
        broker.spawn(["printenv", "TOKEN"], secrets=["TOKEN"])
    assert refused.value.hint == "agentsecrets allow TOKEN --command -- printenv TOKEN"
    with pytest.raises(errors.InvalidCall):
        broker.spawn("printenv TOKEN")
    with pytest.raises(errors.InvalidCall):
        broker.spawn([script], stdout=4321)
    Path(script).write_text("#!/bin/sh\nprintenv\n")
    with pytest.raises(errors.CommandChanged):
        broker.spawn([script], secrets=["TOKEN"])


def test_in_process_starts_no_child(world: World, script: str) -> None:
    unlock = f"file:{world.use_key}"
    client = AgentSecrets(home=world.home, project=PROJECT, isolation="in-process", unlock=unlock)
    with client, pytest.raises(errors.NeedsBroker):
        client.spawn([script])


def test_a_child_ends_with_the_process_that_wanted_it(world: World, tmp_path: Path) -> None:
    world.allow_command("TOKEN", "sleep", "61")
    program = f"""
import os, time
from agentsecrets import AgentSecrets
process = AgentSecrets(home={str(world.home)!r}, project={PROJECT!r}).spawn(["sleep", "61"])
print(process.pid, flush=True)
time.sleep(60)
"""
    caller = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=world.environment)
    assert caller.stdout is not None
    pid = int(caller.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    caller.kill()
    caller.wait()
    caller.stdout.close()
    until(lambda: not Path(f"/proc/{pid}").exists())
