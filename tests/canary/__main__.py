"""Values of many vendors' shapes, used in every way, then looked for everywhere: `python3 tests/canary [WORD]...`"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))

from kit.canary import Canary, Scan, Search, plain, vendors  # noqa: E402
from kit.home import Home  # noqa: E402
from kit.report import NotRun, Suite, demand, main  # noqa: E402
from kit.stage import Stage  # noqa: E402
from kit.upstream import Upstream  # noqa: E402
from plan import SLOTS, command_line, echoing, failing, planted, styles  # noqa: E402
from watch import Watch  # noqa: E402

HERE = Path(__file__).resolve().parent
SUITE = Suite("canary")


class World(Stage):
    """A user whose every process is watched from the first to the last."""

    def __init__(self) -> None:
        super().__init__()
        if os.geteuid() != 0:
            print("NOT RUN as a user of its own: only root can make one", flush=True)
        self.agent = self.account("c")
        self.inputs = self.account("i").folder
        self.upstream = Upstream(self, self.account("u"))
        self.expired = Upstream(self, self.accounts[2], "--certificate", "expired")
        self.canaries = vendors()
        self.search = Search(self.canaries)
        self.whole = Search(self.canaries, pieces=False)
        self.watch = Watch(self.agent)
        self.watch.__enter__()
        self.home = Home(self, self.agent)
        self.home.variables["AGENTSECRETS_LOG"] = "trace"
        self.trace = self.agent.write("trace.log", b"")
        self.stored = False
        self.broker: subprocess.Popen[bytes] | None = None

    def __exit__(self, *given: object) -> None:
        self.watch.__exit__()
        super().__exit__(*given)

    def prepare(self) -> None:
        """Store everything, and run the broker where its log at `trace` can be read."""
        if self.stored:
            return
        self.home.trust(self.upstream)
        self.home.trust(self.expired)
        for canary in self.canaries:
            rules = [f"{self.upstream.origin}/**", "https://localhost:9/**", f"{self.expired.origin}/**"]
            slots = [word for slot in SLOTS for word in ("--slot", slot)]
            words = [word for rule in rules for word in ("--allow", rule)]
            self.home.store(canary.name, canary.value, *words[1:], *slots)
        self.home.stop()
        env = {**self.agent.environment, **self.home.variables}
        with open(self.trace, "ab") as log:
            self.broker = self.agent.start(
                [self.cli, "broker", "run"], env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        # A call before it listens would start another, which might win.
        socket = Path(self.home.variables["AGENTSECRETS_HOME"]) / "run" / "broker.sock"
        for _ in range(400):
            if socket.exists():
                break
            time.sleep(0.05)
        self.home.json("status")
        demand(self.home.broker() == self.broker.pid, "the broker that logs is the one that serves")
        self.stored = True

    @property
    def lines(self) -> list[Canary]:
        return [canary for canary in self.canaries if canary.is_one_line]

    def calls(self) -> list[dict[str, Any]]:
        """What the hosts do."""
        origin = self.upstream.origin
        made = [call for canary in self.canaries for call in styles(canary, f"{origin}/echo")]
        for at, canary in enumerate(self.lines):
            made += echoing(canary.name, origin, few=at % 3 != 0)
        for name in ("STRIPE", "HOSTILE", "ODD_BASE64"):
            made += failing(name, origin, self.expired.origin)
        return made + planted(self.lines, origin)


@SUITE.proof("the search finds every form of every canary")
def sees(world: World) -> str:
    """The search itself, before anything is said about where it found nothing."""
    import base64
    import html
    from urllib.parse import quote

    for canary in world.canaries:
        for part in canary.parts:
            text = part.decode()
            for form in (
                part, base64.b64encode(part), base64.b64encode(b"x" + part + b"yz"), base64.urlsafe_b64encode(b"xy" + part),
                part.hex().encode(), quote(text, safe="").encode(), json.dumps(text).encode(), text.encode("utf-16-le"),
                html.escape(text).encode(), repr(part).encode(), repr(text).encode(),
            ):  # fmt: skip
                demand(canary.name in world.search.named(b"before " + form + b" after"), f"{canary.name} is found in a form")
                demand(canary.name in world.whole.named(b"before " + form + b" after"), f"{canary.name} is found in a form")
    demand(not world.search.named(os.urandom(1 << 20)), "nothing is found in noise")
    return f"{len(world.canaries)} canaries, {len(world.search.needles)} needles"


@SUITE.proof("command line, every style and failure")
def command(world: World) -> str:
    world.prepare()
    first = len(world.agent.log)
    origin = world.upstream.origin
    made = [call for canary in world.canaries for call in styles(canary, f"{origin}/echo")]
    for name in ("STRIPE", "HOSTILE"):
        made += echoing(name, origin, few=False) + failing(name, origin, world.expired.origin)
    codes: dict[int, int] = {}
    for at, call in enumerate(made):
        done = world.home.cli(*command_line(call), *([["--json"], ["--include"], []][at % 3]))
        codes[done.code] = codes.get(done.code, 0) + 1
    for words in (["secrets", "list"], ["grants"], ["logs"], ["logs", "list"], ["logs", "verify"], ["status"], ["doctor"]):
        world.home.cli(*words)
        world.home.cli(*words, "--json")
    world.home.cli("secrets", "set", "TYPED=" + "x" * 20)
    demand(codes.get(0, 0) > 100 and codes.get(6, 0) >= 6 and codes.get(3, 0) >= 4, f"the calls went as planned: {codes}")
    scan = Scan(world.search, "what the command line wrote")
    url = f"{origin}/echo?{scan.sentinel.decode()}"
    world.home.cli("call", "--url", url, "--bearer", "STRIPE")
    for done in world.agent.log[first:]:
        scan.look(done.command, done.out + b"\n" + done.err)
    arrived = [canary.name for canary in world.canaries if not world.upstream.saw(canary.parts[0]) and not canary.is_basic]
    demand(set(arrived) <= {"PEM", "ACCOUNT", "HOSTILE", "UNICODE", "ODD_BASE64"}, f"the values arrived, but not {arrived}")
    return f"{scan.verdict()}; exit codes {dict(sorted(codes.items()))}"


def hosted(world: World, language: str) -> str:
    world.prepare()
    sentinels = Scan(world.search, f"what the {language} host showed"), Scan(world.whole, f"the {language} host's objects")
    sentinel = sentinels[0].sentinel
    sentinels[1].sentinel = sentinel
    shown, collected = (world.agent.folder / f"{kind}-{language}" for kind in ("shown", "collected"))
    if language == "node":
        collected = collected.with_suffix(".heapsnapshot")
    said = {"home": str(world.home.folder), "sentinel": sentinel.decode(), "shown": str(shown),
            "collected": str(collected), "calls": world.calls()}  # fmt: skip
    if language == "python":
        words = [world.python(world.agent), str(world.file(HERE / "host.py"))]
        env = {"PYTHONPATH": str(world.python_package())}
    else:
        words = [world.node(world.agent), str(world.file(HERE / "host.cjs")), str(world.node_package())]
        env = {}
    env["AGENTSECRETS_LOG"] = "trace"
    done = world.agent.run(words, json.dumps(said).encode() + b"\n", env=env, timeout=280)
    sentinels[0].look("stdout and stderr", done.out + done.err)
    sentinels[0].look("what it showed", shown.read_bytes() if shown.exists() else b"")
    sentinels[1].look("what the collector reaches", collected.read_bytes() if collected.exists() else b"")
    shown.unlink(missing_ok=True)
    collected.unlink(missing_ok=True)
    if done.code != 0 and not world.search.named(done.out + done.err):
        done.good()
    told = [scan.verdict() for scan in sentinels]
    outcomes = json.loads(done.good().out.splitlines()[-1])
    wanted = {"answered", "upstream_unreachable", "timeout", "slot_not_allowed", "destination_not_allowed",
              "secret_not_found", "invalid_call", "undecodable_response", "response_too_large"}  # fmt: skip
    demand(wanted <= outcomes.keys(), f"every kind of failure happened: {outcomes}")
    return f"{sum(outcomes.values())} calls; shown: {told[0]}; reached: {told[1]}"


SUITE.proof("Python, every style and failure; repr, str, pickle, json, vars, dir, gc")(lambda world: hosted(world, "python"))
SUITE.proof("Node, every style and failure; inspect, JSON, heap snapshot")(lambda world: hosted(world, "node"))


@SUITE.proof("log at trace")
def trace(world: World) -> str:
    world.prepare()
    # What the broker logs at all: that another user was turned away.
    run = world.home.folder / "run"
    for folder in (world.agent.folder, world.home.folder, run):
        folder.chmod(0o711)
    (run / "broker.sock").chmod(0o777)
    knock = "import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)"
    stranger = world.stranger("s")
    stranger.run([world.python(stranger), "-c", knock, str(run / "broker.sock")])
    for folder in (run, world.home.folder, world.agent.folder):
        folder.chmod(0o700)
    data = world.trace.read_bytes()
    demand(b"turned away" in data, "the broker logs")
    scan = Scan(world.search, "the broker's log at trace")
    with open(world.trace, "ab") as log:
        log.write(scan.sentinel + b"\n")
    scan.look("trace.log", world.trace.read_bytes())
    return f"{scan.verdict()}, {data.count(bytes([10]))} lines"


@SUITE.proof("files: the sealed home, its audit, the temporary folders")
def files(world: World) -> str:
    world.prepare()
    world.home.stop()
    scan = Scan(world.search, "the user's files")
    world.agent.write("sentinel", scan.sentinel)
    records = 0
    folders = [world.agent.folder, *map(Path, ("/tmp", "/var/tmp", "/dev/shm"))]
    for folder in folders:
        for root, names, found in os.walk(folder):
            names[:] = [name for name in names if Path(root, name) not in (world.agent.folder, world.programs)]
            for path in (Path(root, name) for name in found):
                try:
                    if path.lstat().st_uid != (world.agent.uid or os.getuid()) or not path.is_file() or path.is_symlink():
                        continue
                    if folder is not world.agent.folder and world.agent.uid is None:
                        continue
                    data = path.read_bytes()
                except OSError:
                    continue
                scan.look(str(path.relative_to(folder)), data)
                records += data.count(b"\n") if path.suffix == ".jsonl" else 0
    demand(records >= 200, f"the audit has the calls on record ({records})")
    verified = world.home.cli("logs", "verify", "--json")
    demand(verified.code == 0, f"the audit verifies: {verified.text[-200:]}")
    return f"{scan.verdict()}, {records} audit records"


@SUITE.proof("environment and command line of every process")
def processes(world: World) -> str:
    if world.agent.uid is None:
        raise NotRun("only root sees the environment of the broker")
    for kind in ("environment", "command line"):
        scan = Scan(world.search, f"the {kind} of every process")
        sentinel = scan.sentinel.decode()
        world.agent.run(["/bin/sleep", "0.3"], env={"SENTINEL": sentinel})
        world.agent.run(["/bin/sh", "-c", "sleep 0.3", sentinel])
        for data in list(world.watch.seen[kind]):
            scan.look("a process", data)
        scan.verdict()
    scan = Scan(world.search, "short-lived temporary files")
    planted_file = world.agent.folder / "tmp/sentinel"
    planted_file.write_bytes(scan.sentinel)
    rounds = world.watch.rounds
    while world.watch.rounds < rounds + 2:
        pass
    for data in list(world.watch.seen["temporary file"]):
        scan.look("a temporary file", data)
    scan.verdict()
    counts = {kind: len(found) for kind, found in world.watch.seen.items()}
    demand(counts["command line"] > 20, "the processes of the run were seen")
    return f"{counts['environment']} environments, {counts['command line']} command lines, {world.watch.rounds} rounds"


if __name__ == "__main__":
    main(SUITE, World)
