"""A web page, in a real Chromium, that reaches for the local proxies of whoever looks at it."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from apart import Names, moved
from chromium import browsing
from ground import Ground
from kit.account import Account
from kit.report import Suite, demand
from kit.upstream import Upstream, until
from webserver import Site, Unguarded
from world import World

ROWS = (
    "web page calling the local proxy", "web page calling the local proxy, by DNS rebinding", "web page calling the proxy of a run",
)  # fmt: skip
EVIL = "evil.example"
# The page comes from the one, and what it asks for later goes to the other: the first is gone by then.
PLANS = {EVIL: [["127.0.0.2", "127.0.0.1"]]}
SECONDS = 60
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)


def add_to(suite: Suite) -> None:
    suite.proof("web pages in Chromium")(pages)


def pages(world: World) -> str:
    told = []
    for level in world.table.levels(ROWS[0]):
        ground = world.ground(level)
        told.append(moved(world, ground, PLANS, partial(play, world, ground)))
        for row in ROWS:
            world.table.tell(row, level, True)
    return "; ".join(told)


class Scene:
    """A home with both proxies running, and an API that counts who comes."""

    def __init__(self, world: World, ground: Ground) -> None:
        self.world, self.home, self.ground = world, ground.home, ground
        self.looker = world.account(f"w{len(world.accounts)}")
        self.api = Upstream(world, world.account(f"v{len(world.accounts)}"))
        self.home.trust(self.api)
        # A query parameter too: the only place that a page can fill without a header of its own.
        self.home.owner("allow", "TOKEN", self.api.origin, "--slot", "bearer", "--slot", "query:key").good()
        self.started = self.home.json("proxy", "start")
        self.run, self.run_port = self._run()

    def _run(self) -> tuple[subprocess.Popen[bytes], int]:
        agent = self.home.account
        words = [self.world.cli, "run", "--", "sh", "-c", 'echo "$HTTPS_PROXY"; cat']
        env = {**agent.environment, **self.home.variables}
        run = agent.start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, cwd=self.home.directory)
        assert run.stdout is not None
        port = urlsplit(run.stdout.readline().decode().strip()).port
        demand(port, "the run says where its proxy is")
        return run, int(port or 0)

    def plan(self, **more: Any) -> dict[str, Any]:
        """The page knows the token, and where everything is."""
        token, host = self.started["session_token"], urlsplit(self.api.origin).netloc
        paths = ["/health", "/proxy", f"/to/~{token}/{host}/echo?key=AS_SECRET_TOKEN"]
        sockets = [f"/to/~{token}/{host}/ws/echo?key=AS_SECRET_TOKEN"]
        return {"token": token, "target": self.api.url("/echo?key=AS_SECRET_TOKEN"), "paths": paths, "sockets": sockets, **more}

    def count(self) -> tuple[int, int]:
        """Calls on record, and requests that reached the local proxy."""
        logged = self.home.json("proxy", "logs", "--last", "1000")
        return len(self.home.json("logs", "list", "--last", "1000")), len(logged)

    def close(self) -> None:
        assert self.run.stdin is not None
        self.run.stdin.close()
        self.run.wait(20)
        self.home.cli("proxy", "stop")
        self.api.stop()


def play(world: World, ground: Ground, _: Names) -> str:
    scene = Scene(world, ground)
    try:
        control(scene)
        return f"{ground.level}: {lured(scene)} attempts, {rebound(scene)} by rebinding"
    finally:
        scene.close()


def control(scene: Scene) -> None:
    """The same requests by a program that knows the token are calls."""
    plan, local = scene.plan(), f"http://127.0.0.1:{scene.started['port']}"
    headers = (f"X-AS-Session-Token: {plan['token']}", f"X-AS-Target-URL: {plan['target']}", "X-AS-Inject-Bearer: TOKEN")
    explicit = [word for header in headers for word in ("-H", header)]
    for words in ([local + plan["paths"][2]], [*explicit, f"{local}/proxy"]):
        scene.api.forget()
        done = scene.home.account.run(["curl", "-sS", "-m", "30", *words]).good()
        demand(scene.api.saw(scene.ground.token.value), f"control: by curl with the token it is a call: {done.text[-200:]}")
        scene.ground.keeps(done.out, "what curl was given")
    scene.api.forget()
    with socket.create_connection(("127.0.0.1", scene.started["port"]), 30) as program:
        program.sendall(HANDSHAKE.format(path=plan["sockets"][0], port=scene.started["port"]).encode())
        demand(b" 101 " in program.recv(4096), "control: a program that knows the token opens a WebSocket")
    demand(scene.api.saw(scene.ground.token.value), "control: and that is a call too")
    scene.api.forget()


def lured(scene: Scene) -> int:
    """A page of another origin on this machine, so that no rule about private networks comes before ours."""
    site, careless, before = Site("127.0.0.1"), Unguarded(0), scene.count()
    ports = [scene.started["port"], scene.run_port, careless.server_address[1]]
    origins = [f"http://localhost:{ports[0]}", *(f"http://127.0.0.1:{port}" for port in ports)]
    plan = scene.plan(origins=origins, report=f"http://127.0.0.1:{site.port}")
    # The last attempt takes the whole page there.
    site.plan = {**plan, "leave": origins[1] + plan["paths"][2]}
    with browsing(scene.looker, "lured", f"http://127.0.0.1:{site.port}/"):
        demand(site.reported.wait(SECONDS), f"the page came to its end: {log(scene.looker, 'lured')}")
        reached = until(lambda: max(0, scene.count()[1] - before[1] - 60), "the page's requests reach the proxy")
    site.close()
    careless.close()
    kinds = {word for line in careless.served for word in (line.split()[0], line.split()[-1])}
    wanted = {"GET", "POST", "empty", "image", "script", "style", "iframe", "object", "video", "websocket"}
    demand(
        wanted <= kinds, f"control: a server that guards nothing is sent what the page sends: {sorted(wanted - kinds)} is missing"
    )
    judged(scene, site.report, before)
    demand(len(site.report) >= 100 and reached, f"the page tried everything: {len(site.report)}")
    read = [found["attempt"] for found in site.report if found["read"] and found["read"] != "null"]
    demand(not read, f"the page could read nothing: {read[:3]}")
    return len(site.report)


def rebound(scene: Scene) -> int:
    """The page's own name leads to the proxy, under the proxy's port: to the browser it is one origin."""
    scene.home.cli("proxy", "stop").good()

    def guarded(port: int) -> Callable[[], object]:
        scene.started = scene.home.json("proxy", "start", "--port", str(port))
        return lambda: None

    careless = trap(scene, "careless", lambda port: Unguarded(port).close)
    secret = [found for found in careless if "what only this machine should see" in (found["read"] or "")]
    demand(len(secret) >= 3, "control: from a server that guards nothing the page reads what it wants")
    before = scene.count()
    report = trap(scene, "rebound", guarded)
    judged(scene, report, before)
    read = {found["read"].split('"error":"')[-1].split('"')[0] for found in report if found["read"]}
    demand(read == {"host_refused"}, f"the page reads that it is refused, and nothing else: {read}")
    return len(report)


def trap(scene: Scene, name: str, victim: Callable[[int], Callable[[], object]]) -> list[dict[str, Any]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home, site = Site("127.0.0.1"), Site("127.0.0.2", port)
    site.plan = scene.plan(rebound=True, report=f"http://127.0.0.1:{home.port}")
    with browsing(scene.looker, name, f"http://{EVIL}:{port}/"):
        demand(home.ready.wait(SECONDS), f"the page is there: {log(scene.looker, name)}")
        site.close()
        close = victim(port)
        home.go.set()
        demand(home.reported.wait(SECONDS), f"the page came to its end: {log(scene.looker, name)}")
    close()
    home.close()
    return home.report


def judged(scene: Scene, report: list[dict[str, Any]], before: tuple[int, int]) -> None:
    scene.ground.keeps(repr(report).encode(), "what the page read")
    demand(not scene.api.received(), "nothing arrives at the API")
    demand(scene.count()[0] == before[0], "no call is on record")
    statuses = {entry["status"] for entry in scene.home.json("proxy", "logs", "--last", "1000")[before[1] :]}
    demand(statuses <= {403}, f"each request was refused as a page's: {statuses}")


def log(account: Account, name: str) -> str:
    text = (account.folder / f"chromium-{name}.log").read_text(errors="replace")
    return re.sub(r"\s+", " ", text)[-400:]
