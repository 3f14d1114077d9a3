"""A broker shared with an agent of another user and in a container: what comes through the socket, and what does not."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.account import Account
from kit.canary import plain
from kit.home import Home
from kit.report import NotRun, Suite, demand
from kit.stage import ROOT
from kit.upstream import until
from strangers import pose
from world import HERE, World

#: Where the container of the tests has the socket's folder.
INSIDE = "/run/agentsecrets"
#: The questions that a shared socket answers. A question of the protocol that is in neither set fails the proof.
ANSWERED = {"status", "secrets", "check", "grants", "logs"}
REFUSED = {
    "allowlist", "environments", "projects", "use_environment", "use_project", "deny", "delete", "anchor", "agents",
    "tokens", "revoke_token", "limits", "approvals", "decide", "copy", "shares", "stop_share", "workspaces",
    "use_workspace", "diff", "pull", "push", "members", "append", "workspace_log", "follow", "leave", "history", "sync_status",
}  # fmt: skip


def add_to(suite: Suite) -> None:
    suite.proof("walls: an agent of another user calls through a shared socket, and has nothing else")(another_user)
    suite.proof("walls: an agent in a container calls through a shared socket, and sees nothing else")(contained)
    suite.proof("walls: without a token, with another's or a revoked one nothing is served")(tokens)
    suite.proof("walls: every other question, path and door is refused at a shared socket")(questions)
    suite.proof("walls: a socket that others could have put there is not believed")(posed)
    suite.proof("walls: a shared socket is closed while the home is locked")(locked)
    suite.proof("walls: a share ends with its word, its time and its broker")(ended)


@dataclass
class Shared:
    """A home with two agents, the first of which has a shared socket."""

    home: Home
    folder: Path
    tokens: dict[str, str]
    ids: dict[str, str]

    @property
    def socket(self) -> str:
        return str(self.folder / "bot.sock")

    def variables(self, agent: str = "bot", socket: str | None = None) -> dict[str, str]:
        token = {"AGENTSECRETS_AGENT_TOKEN": self.tokens[agent]} if agent else {}
        return {"AGENTSECRETS_BROKER": f"unix:{socket or self.socket}", **token}


def shared(world: World, unlock: str = "file") -> Shared:
    home = world.home(unlock)
    origin = world.upstream.origin
    tokens, ids = {}, {}
    for agent in ("bot", "other"):
        home.owner("agent", "register", agent).good()
        out = home.account.folder / f"{home.folder.name}-{agent}.token"
        home.owner("agent", "token", "issue", agent, "--out", str(out)).good()
        tokens[agent] = out.read_text().strip()
        ids[agent] = home.json("agent", "token", "list", agent)[0]["id"]
    home.store("TOKEN", plain().value)
    home.store("OTHERS", plain("OTHERS").value)
    home.store("NOBODYS", plain("NOBODYS").value)
    home.owner("allow", "TOKEN", origin, "--agent", "bot").good()
    home.owner("allow", "OTHERS", origin, "--agent", "other").good()
    folder = world.folder / f"shared-{home.folder.name}"
    folder.mkdir(mode=0o755)
    home.account.own(folder)
    it = Shared(home, folder, tokens, ids)
    home.owner("broker", "share", "--socket", it.socket, "--agent", "bot").good()
    return it


def plan_of(world: World, **more: Any) -> bytes:
    url = world.upstream.url("/echo")
    calls = [{"url": url, "secret": name} for name in ("TOKEN", "OTHERS", "NOBODYS", "MISSING", "second/production/TOKEN")]
    calls.append({"url": "https://elsewhere.example/", "secret": "TOKEN"})
    return json.dumps({"calls": calls, "check": ["TOKEN", "OTHERS"], **more}).encode()


#: What becomes of the calls above: one is made, and the others are told apart no further than by what may be known.
OUTCOMES = [200, *["destination_not_allowed"] * 3, "agent_required", "destination_not_allowed"]


def python(world: World, account: Account, it: Shared, way: str, plan: bytes, **where: Any) -> Any:
    program = str(world.file(HERE / "guest.py"))
    command = where.get("container", lambda words: words)([world.python(account), program, way])
    env = {**it.variables(where.get("agent", "bot"), where.get("socket")), "PYTHONPATH": str(world.python_package())}
    return json.loads(account.run(command, plan, env).good().out)


def examined(world: World, it: Shared, account: Account, **where: Any) -> None:
    """The same for the three: the package of each language, and the command line."""
    container, socket = where.get("container", lambda words: words), where.get("socket")
    world.upstream.forget()
    said = python(world, account, it, "sdk", plan_of(world), **where)
    demand(said["isolation"] == said["status"] == "broker-shared", f"the level is told: {said}")
    demand(said["calls"] == OUTCOMES, f"Python's calls end as they should: {said['calls']}")
    demand(said["names"] == said["grants"] == ["TOKEN"], f"names of others are not told: {said}")
    demand(said["destinations"] == [[f"localhost:{world.upstream.port}"]], f"nor their places: {said}")
    demand(said["checked"] == [True, False] and said["home"] == "", f"nor whether they are there: {said}")
    demand(said["logged"] == [["bot", "broker-shared"]], f"the log is the agent's own: {said['logged']}")
    # Named in the program, beside an environment that names nothing.
    named = {"broker": f"unix:{socket or it.socket}", "agent_token": it.tokens["bot"]}
    bare = {"PYTHONPATH": str(world.python_package())}
    command = container([world.python(account), str(world.file(HERE / "guest.py")), "sdk"])
    said = json.loads(account.run(command, json.dumps({"options": named}).encode(), bare).good().out)
    demand(said["isolation"] == "broker-shared" and said["names"] == ["TOKEN"], f"Python takes it as an option: {said}")
    variables = it.variables(socket=socket)
    command = container([world.node(account), str(world.file(HERE / "guest.cjs")), str(world.node_package())])
    said = json.loads(account.run(command, plan_of(world), variables).good().out)
    demand(said["calls"] == OUTCOMES and said["isolation"] == "broker-shared", f"Node's calls end so too: {said}")
    demand(said["names"] == ["TOKEN"] and said["logged"] == ["bot broker-shared"], f"and it knows no more: {said}")

    def cli(*words: str) -> Any:
        return account.run(container([world.cli, *words]), env=variables)

    url = world.upstream.url("/echo")
    demand(json.loads(cli("status", "--json").good().out)["isolation"] == "broker-shared", "the command line says the level")
    cli("call", "--url", url, "--bearer", "TOKEN").good()
    program = "import os; print(os.environ['TOKEN'], 'HTTPS_PROXY' in os.environ)"
    ran = cli("run", "--", world.python(account), "-c", program).good().out
    demand(ran == b"AS_SECRET_TOKEN True\n", f"run gives placeholders and a proxy: {ran!r}")
    for words in (["allow", "TOKEN", "example.com"], ["secrets", "set", "FRESH"], ["env", "--", "printenv"], ["lock"],
                  ["deny", "TOKEN"], ["broker", "stop"], ["agent", "list"], ["logs", "verify"], ["init"]):  # fmt: skip
        done = cli(*words)
        demand(done.code == 3 and b"not_shared" in done.err, f"`{words[0]}` is refused by name: {done.text[-200:]}")
    arrived = world.upstream.received()
    demand(len(arrived) == 3, f"three calls arrived, one of each: {len(arrived)}")
    records = it.home.json("logs", "list", "--last", "500")
    own = [record for record in records if record["isolation"] == "broker-shared"]
    demand(len([record for record in own if record["outcome"] == "ok"]) >= 3, "the calls are on record")
    demand(all((record["agent"], record["identity"]) == ("bot", "issued") for record in own), "as the agent's own")


def seen(world: World, it: Shared, account: Account, **where: Any) -> Any:
    files = [str(path) for path in it.home.files()] + [str(it.home.use_key)]
    plan = {"files": files, "home": str(it.home.folder), "broker": it.home.broker(), "socket": where.get("socket") or it.socket}
    return python(world, account, it, "look", json.dumps(plan).encode(), **where)


def another_user(world: World) -> str:
    it, agent = shared(world), world.stranger("g")
    examined(world, it, agent)
    said = seen(world, it, agent)
    demand(set(said["files"].values()) == {"PermissionError"}, f"no file of the home is read: {said['files']}")
    demand((said["memory"], said["environment"]) == ("PermissionError",) * 2, f"nor the broker's memory: {said}")
    demand(not said["folder"] and not said["writable"], f"neither folder is open to it: {said}")
    # Control: the same look by the home's own user reads the files, so that the refusals were not the look's own fault.
    said = seen(world, it, it.home.account)
    demand(set(said["files"].values()) == {"read"}, "control: the home's user reads them")
    it.home.stop()
    return f"{len(said['files'])} files closed"


def container_of(world: World, account: Account, it: Shared) -> Any:
    """Words that run a command in a container of the account's own."""
    script, root = str(world.file(HERE / "container.sh")), account.folder / "root"
    if not root.exists():
        root.mkdir()
        account.own(root)
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork"]
    if account.run([*unshare, "true"]).code != 0:
        raise NotRun("this system lets no user make a user namespace")
    return lambda words: [*unshare, "sh", script, str(root), str(world.programs), str(it.folder), *words]


def contained(world: World) -> str:
    it, agent = shared(world), world.stranger("c")
    where = {"container": container_of(world, agent, it), "socket": f"{INSIDE}/bot.sock"}
    examined(world, it, agent, **where)
    said = seen(world, it, agent, **where)
    demand(set(said["files"].values()) == {"FileNotFoundError"}, f"no file of the home is there: {said['files']}")
    demand(said["memory"] == "FileNotFoundError", "the broker is no process there")
    demand(said["user"] == 0 and not said["writable"], f"its root may not even write beside the socket: {said}")
    # A container of the home's own user: the same walls, made of the namespace alone.
    mine = {**where, "container": container_of(world, it.home.account, it)}
    said = python(world, it.home.account, it, "sdk", plan_of(world), **mine)
    demand(said["calls"] == OUTCOMES, f"the home's own user, contained, is a guest like any: {said['calls']}")
    said = seen(world, it, it.home.account, **mine)
    demand(set(said["files"].values()) == {"FileNotFoundError"}, "and sees no file of the home")
    it.home.stop()
    return f"{said['processes']} processes in sight"


def tokens(world: World) -> str:
    it, agent = shared(world), world.stranger("t")
    url = world.upstream.url("/echo")
    world.upstream.forget()

    def call(variables: dict[str, str]) -> Any:
        return agent.run([world.cli, "call", "--url", url, "--bearer", "TOKEN", "--json"], env=variables)

    for variables, code in (
        (it.variables(""), b"agent_required"),
        (it.variables("other"), b"agent_required"),
        ({**it.variables(""), "AGENTSECRETS_AGENT_TOKEN": it.tokens["bot"][:-1] + "x"}, b"agent_token_invalid"),
    ):
        done = call(variables)
        demand(done.code == 3 and code in done.out, f"the call is refused as {code!r}: {done.text[-200:]}")
        for words in (["status"], ["secrets", "list"], ["logs"]):
            done = agent.run([world.cli, *words], env=variables)
            demand(done.code == 3 and code in done.err, f"`{words[0]}` is refused too: {done.text[-200:]}")
    records = it.home.json("logs", "list", "--last", "3")
    told = [(record["isolation"], record["outcome"], record["agent"], record["identity"]) for record in records]
    wanted = [("anonymous", None), ("issued", "other"), ("anonymous", None)]
    demand(
        [(isolation, outcome) for isolation, outcome, _, _ in told] == [("broker-shared", "denied")] * 3
        and [name for _, _, name, _ in reversed(told)] == [name for _, name in wanted],
        f"each is on record: {told}",
    )
    call(it.variables()).good()
    it.home.cli("agent", "token", "revoke", it.ids["bot"]).good()
    done = call(it.variables())
    demand(done.code == 3 and b"agent_token_invalid" in done.out, f"a revoked token counts no more: {done.text[-200:]}")
    demand(len(world.upstream.received()) == 1, "one call arrived: the one with the token")
    it.home.stop()
    return ""


def questions(world: World) -> str:
    """Every question there is, as the protocol's own source has them, with the right token."""
    source = (ROOT / "core/src/control.rs").read_text()
    listed = re.search(r"pub\(crate\) enum Ask \{(.*?)\n\}", source, re.DOTALL)
    assert listed is not None
    names = re.findall(r"^    ([A-Z][A-Za-z]*)", listed.group(1), re.MULTILINE)
    asked = {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in names}
    demand(asked == ANSWERED | REFUSED, f"each question is classified: {asked ^ (ANSWERED | REFUSED)}")
    it, agent = shared(world), world.stranger("q")
    selection = {"agent_token": it.tokens["bot"]}
    signed = {"act": "{}", "signature": "AA"}
    more: dict[str, Any] = {
        "names": ["TOKEN"], "name": "TOKEN", "rules": [], "environment": "production", "project": "demo", "agent": "other",
        "id": it.ids["other"], "path": it.socket, "query": {}, "act": signed, "decision": signed,
        "workspace": "0197f3a2-0000-7000-8000-000000000000", "entries": [], "whole": True,
    }  # fmt: skip

    def posted(path: str, said: Any, extra: str = "") -> str:
        body = json.dumps(said)
        return f"POST {path} HTTP/1.1\r\nhost: broker\r\n{extra}content-length: {len(body)}\r\n\r\n{body}"

    order = sorted(asked)
    requests = [posted("/v1/ask", {"selection": selection, "ask": name, **more}) for name in order]
    header = json.dumps({"selection": selection, "name": "FRESH"})
    door = {"door": "env", "selection": selection, "secrets": [], "argv": ["/bin/true"], "variables": []}
    others = [
        posted("/v1/finish", "stop"),
        posted("/v1/finish", "lock"),
        posted("/v1/set", "a value of eight bytes", f"agentsecrets-call: {header}\r\n"),
        posted("/v1/set-many", "x"),
        posted("/v1/door", door, "connection: upgrade\r\nupgrade: agentsecrets-door\r\n"),
        posted("/v1/other", {}),
        "GET /v1/ask HTTP/1.1\r\nhost: broker\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: broker\r\n\r\n",
    ]
    plan = json.dumps({"socket": it.socket, "requests": requests + others}).encode()
    answers = python(world, agent, it, "raw", plan)
    for name, (status, code) in zip(order, answers[: len(order)], strict=True):
        wanted = (200, "") if name in ANSWERED else (403, "not_shared")
        demand((status, code) == wanted, f"{name} is answered with {status} {code}")
    for request, answer in zip(others, answers[len(order) :], strict=True):
        demand(answer == [403, "not_shared"], f"{request.split(' HTTP')[0]} is answered with {answer}")
    # Without the token the answer is another, and comes first: nobody learns even what is served.
    bare = [posted("/v1/ask", {"selection": {}, "ask": name, **more}) for name in order]
    answers = python(world, agent, it, "raw", json.dumps({"socket": it.socket, "requests": bare}).encode())
    demand(all(answer == [403, "agent_required"] for answer in answers), f"without a token none is answered: {answers}")
    demand(it.home.json("broker", "status")["running"] and len(it.home.json("agent", "list")) == 2, "nothing was changed")
    demand(not any(info["name"] == "FRESH" for info in it.home.json("secrets", "list")), "nothing was stored")
    it.home.stop()
    return f"{len(REFUSED) + len(others)} refused, {len(ANSWERED)} answered"


def posed(world: World) -> str:
    """A stranger listens where the guest looks for its broker."""
    it, agent, stranger = shared(world), world.stranger("p"), world.stranger("w")
    url = world.upstream.url("/echo")
    words = [world.cli, "call", "--url", url, "--bearer", "TOKEN", "--timeout", "5", "--json"]
    agent.run(words, env=it.variables()).good()
    it.home.stop()
    socket = it.folder / "bot.sock"
    demand(not socket.exists(), "a broker that ends takes its socket away")
    heard = []
    for mode in (0o777, 0o1777):
        it.folder.chmod(mode)
        process = pose(world, stranger, str(socket))
        done = agent.run(words, env=it.variables())
        demand(done.code != 0 and b"broker_unavailable" in done.out, f"mode {mode:o} is refused: {done.text[-200:]}")
        out, _ = process.communicate(b"\n", timeout=20)
        heard.append(json.loads(out.splitlines()[-1])["bytes"])
        socket.unlink(missing_ok=True)
    # The folder is closed again, and the stranger's socket is in it.
    it.folder.chmod(0o777)
    process = pose(world, stranger, str(socket))
    it.folder.chmod(0o755)
    done = agent.run(words, env=it.variables())
    demand(done.code != 0 and b"broker_unavailable" in done.out, f"another's socket is refused: {done.text[-200:]}")
    out, _ = process.communicate(b"\n", timeout=20)
    heard.append(json.loads(out.splitlines()[-1])["bytes"])
    demand(heard == [0, 0, 0], f"the stranger heard neither call nor token: {heard}")
    # The broker does not take the place by force, says so, and serves again when it is free.
    state = it.home.json("broker", "share", "--list")[0]["state"]
    demand(state == "failed", f"the share is told as failed: {state}")
    socket.unlink()
    demand(it.home.json("broker", "share", "--list")[0]["state"] == "listening", "and opened when it is free")
    agent.run(words, env=it.variables()).good()
    it.folder.chmod(0o777)
    again = it.home.owner("broker", "share", "--socket", str(it.folder / "second.sock"), "--agent", "bot")
    demand(again.code == 2 and b"other users may write" in again.err, f"a loose folder is refused: {again.text[-200:]}")
    it.home.stop()
    return "0 bytes told, three times"


def locked(world: World) -> str:
    it, agent = shared(world, "passphrase"), world.stranger("l")
    words = [world.cli, "call", "--url", world.upstream.url("/echo"), "--bearer", "TOKEN", "--json"]
    agent.run(words, env=it.variables()).good()
    it.home.cli("lock").good()
    done = agent.run(words, env=it.variables())
    demand(done.code == 1 and b"broker_unavailable" in done.out, f"a locked home serves nobody: {done.text[-200:]}")
    it.home.cli("broker", "run", "--background").good()
    demand(agent.run(words, env=it.variables()).code == 1, "nor does a broker that is locked")
    it.home.owner("unlock").good()
    agent.run(words, env=it.variables()).good()
    done = it.home.cli("broker", "run", "--system", "--socket", it.socket)
    demand(done.code == 5 and b"store_locked" in done.err, "a key that a human opens is none for a service")
    it.home.stop()
    return ""


def ended(world: World) -> str:
    it, agent = shared(world), world.stranger("e")
    words = [world.cli, "call", "--url", world.upstream.url("/echo"), "--bearer", "TOKEN", "--json"]

    def call(socket: str | None = None) -> Any:
        return agent.run(words, env=it.variables(socket=socket))

    call().good()
    pid = it.home.broker()
    it.home.account.run(["kill", "-9", str(pid)]).good()
    until(lambda: not Path("/proc", str(pid)).exists(), "the broker is gone")
    done = call()
    demand(done.code == 1 and b"broker_unavailable" in done.out, f"a dead broker is told of: {done.text[-200:]}")
    demand(not agent.processes(), "and none is started by the guest")
    # A share is the owner's word in the signed policy: the next broker keeps it.
    it.home.broker()
    call().good()
    done = it.home.cli("broker", "share", "--socket", str(it.folder / "x.sock"), "--agent", "bot")
    demand(done.code == 3 and b"owner_required" in done.err, f"sharing is the owner's act: {done.text[-200:]}")
    it.home.cli("broker", "share", "--stop", it.socket).good()
    demand(not Path(it.socket).exists() and call().code == 1, "a stopped share is closed at once")
    it.home.stop()
    it.home.broker()
    demand(not Path(it.socket).exists(), "and stays so")
    it.home.owner("broker", "share", "--socket", it.socket, "--agent", "bot", "--expires", "1m").good()
    call().good()
    it.home.owner("agent", "delete", "bot").good()
    demand(call().code != 0, "a share goes with its agent")
    demand(it.home.json("broker", "share", "--list") == [], "and is listed no more")
    it.home.stop()
    return ""
