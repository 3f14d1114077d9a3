"""Threads, forks, signals and the end of the interpreter."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from agentsecrets import AgentSecrets
from world import PROJECT, Upstream, World, until


def python(world: World, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a program in a Python of its own, with the clients of this home."""
    head = f"""
        import sys, threading, asyncio, os, time
        from agentsecrets import AgentSecrets, AsyncAgentSecrets
        choices = dict(home={str(world.home)!r}, project={PROJECT!r})
        if sys.argv[1] == "in-process":
            choices |= dict(isolation="in-process", unlock={f"file:{world.use_key}"!r})
        url = {world.upstream.origin!r}
    """
    source = textwrap.dedent(head) + textwrap.dedent(program)
    return subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", source, *arguments],
        env=world.environment,
        cwd=world.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_32_threads(client: AgentSecrets, upstream: Upstream) -> None:
    def one(number: int) -> str:
        target: str = client.call(upstream.url(f"/echo?n={number}"), bearer="TOKEN").json()["target"]
        return target

    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(one, range(320)))
    assert found == [f"/echo?n={number}" for number in range(320)]


def test_other_threads_run_while_one_waits(client: AgentSecrets, upstream: Upstream) -> None:
    waiting = threading.Thread(target=lambda: client.call(upstream.url("/slow?ms=700"), bearer="TOKEN"))
    waiting.start()
    turns, until_then = 0, time.monotonic() + 0.5
    while time.monotonic() < until_then:
        turns += 1
        time.sleep(0.001)
    waiting.join()
    assert turns > 100


def in_child(client: AgentSecrets, origin: str, results: multiprocessing.SimpleQueue[object]) -> None:
    try:
        found = [client.call(f"{origin}/echo?child={n}", bearer="TOKEN").json()["target"] for n in range(20)]
        results.put(found)
    except BaseException as error:  # The parent tells.
        results.put(repr(error))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_fork_while_in_use(client: AgentSecrets, upstream: Upstream) -> None:
    stop = threading.Event()
    wrong: list[str] = []

    def busy(name: int) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            target = f"/echo?parent={name}-{number}"
            found = client.call(upstream.url(target), bearer="TOKEN").json()["target"]
            if found != target:
                wrong.append(f"{found} for {target}")

    threads = [threading.Thread(target=busy, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    try:
        with client.stream(upstream.url("/lines?n=30&interval_ms=50"), bearer="TOKEN") as open_stream:
            lines = open_stream.iter_lines()
            next(lines)
            context = multiprocessing.get_context("fork")
            results: multiprocessing.SimpleQueue[object] = context.SimpleQueue()
            children = [context.Process(target=in_child, args=(client, upstream.origin, results)) for _ in range(6)]
            for child in children:
                child.start()
            for child in children:
                child.join(60)
                assert child.exitcode == 0
            assert [results.get() for _ in children] == [[f"/echo?child={n}" for n in range(20)]] * 6
            assert len(list(lines)) == 29
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert wrong == []
    assert client.call(upstream.url("/echo"), bearer="TOKEN").status_code == 200


def test_a_forked_child_leaves_the_parents_stream_alone(broker: AgentSecrets, upstream: Upstream) -> None:
    with broker.stream(upstream.url("/lines?n=10&interval_ms=50"), bearer="TOKEN") as answer:
        lines = answer.iter_lines()
        next(lines)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                next(lines)
            except Exception as error:
                code = 0 if type(error).__name__ == "Cancelled" else 2
            answer.close()
            os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert len(list(lines)) == 9


def test_a_forked_child_does_not_keep_a_call_alive(client: AgentSecrets, upstream: Upstream) -> None:
    with client.stream(upstream.url("/sse?events=1&hold=1"), bearer="TOKEN") as answer:
        next(answer.iter_events())
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            # It holds copies of every socket, until the parent says that it is done.
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    try:
        until(lambda: upstream.last().outcome == "client_closed", 5)
    finally:
        os.close(writer)
        os.close(reader)
        os.waitpid(child, 0)


@pytest.mark.parametrize("isolation", ["broker", "in-process"])
@pytest.mark.parametrize("how", ["async", "daemon-threads", "stream"])
def test_the_exit_code_with_calls_in_flight(world: World, isolation: str, how: str) -> None:
    program = """
        how = sys.argv[2]
        if how == "async":
            async def main():
                client = AsyncAgentSecrets(**choices)
                tasks = [asyncio.ensure_future(client.call(url + "/slow?ms=5000", bearer="TOKEN")) for _ in range(8)]
                await asyncio.gather(*(client.call(url + "/echo", bearer="TOKEN") for _ in range(8)))
            asyncio.run(main())
        elif how == "daemon-threads":
            client = AgentSecrets(**choices)
            def call():
                client.call(url + "/slow?ms=5000", bearer="TOKEN")
            for _ in range(8):
                threading.Thread(target=call, daemon=True).start()
            time.sleep(0.2)
        else:
            client = AgentSecrets(**choices)
            opened = client.stream(url + "/sse?events=1&hold=1", bearer="TOKEN")
            answer = opened.__enter__()
            next(answer.iter_events())
        sys.exit(7)
    """
    for _ in range(5):
        running = python(world, program, isolation, how)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 7, told.decode()
        assert b"Fatal" not in told
        assert b"panicked" not in told


def test_thirty_exits_of_a_busy_loop(world: World) -> None:
    program = """
        client = AsyncAgentSecrets(**choices)
        loop = asyncio.new_event_loop()
        tasks = [loop.create_task(client.call(url + "/slow?ms=20", bearer="TOKEN")) for _ in range(16)]
        loop.run_until_complete(asyncio.sleep(0.02))
        sys.exit(7)
    """
    codes: list[int] = []
    for _ in range(10):
        batch = [python(world, program, "broker") for _ in range(3)]
        for running in batch:
            running.communicate(timeout=60)
            codes.append(running.returncode)
    assert codes == [7] * 30


@pytest.mark.parametrize("isolation", ["broker", "in-process"])
def test_ctrl_c(world: World, upstream: Upstream, isolation: str) -> None:
    program = """
        client = AgentSecrets(**choices)
        try:
            client.call(url + "/hang", bearer="TOKEN")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
            assert client.call(url + "/echo", bearer="TOKEN").status_code == 200
            sys.exit(9)
    """
    running = python(world, program, isolation)
    until(upstream.received)
    sent = time.monotonic()
    running.send_signal(signal.SIGINT)
    said, told = running.communicate(timeout=30)
    assert running.returncode == 9, told.decode()
    assert b"interrupted" in said
    assert time.monotonic() - sent < 10
    until(lambda: upstream.received()[0].outcome == "client_closed")


def test_calls_after_the_end_are_refused(world: World) -> None:
    program = """
        import atexit
        from agentsecrets import _native, Cancelled
        client = AgentSecrets(**choices)
        client.call(url + "/echo", bearer="TOKEN")
        _native.shutdown()
        try:
            client.call(url + "/echo", bearer="TOKEN")
        except Cancelled as error:
            sys.exit(0 if not error.retryable else 1)
        sys.exit(2)
    """
    running = python(world, program, "broker")
    _, told = running.communicate(timeout=30)
    assert running.returncode == 0, told.decode()


def test_importing_it_is_cheap(world: World) -> None:
    bare = subprocess.run(
        [sys.executable, "-c", "import agentsecrets, sys, json; print(json.dumps(sorted(sys.modules)))"],
        env=world.environment,
        capture_output=True,
        check=True,
        timeout=30,
    )
    loaded = set(json.loads(bare.stdout))
    assert "agentsecrets._native" in loaded
    for heavy in ("asyncio", "dataclasses", "inspect", "typing", "agentsecrets.aio", "agentsecrets.types", "ssl"):
        assert heavy not in loaded, heavy
