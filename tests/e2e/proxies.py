"""`agentsecrets run` under programs as they are: Python, Node, git."""

from __future__ import annotations

import json
import secrets
import shutil

from gitserver import GitServer
from kit.report import NotRun, Suite, demand
from world import Person, World

PYTHON = """
import os, ssl, sys, urllib.request
url, key = sys.argv[1], os.environ["TOKEN"]
context = ssl.create_default_context()
# What Python 3.13 does unasked.
context.verify_flags |= ssl.VERIFY_X509_STRICT
request = urllib.request.Request(url, headers={"Authorization": "Bearer " + key})
print("urllib", key, urllib.request.urlopen(request, context=context).read().decode())
try:
    import requests
except ImportError:
    pass
else:
    print("requests", requests.get(url, headers={"Authorization": "Bearer " + key}).text)
"""
CLOSED = """
import os
def look(who, path):
    try:
        with open(path, "rb"):
            print(who, "open")
    except PermissionError:
        print(who, "closed")
look("self", "/proc/self/mem")
for name in ("mem", "environ", "maps"):
    look("parent", f"/proc/{os.getppid()}/{name}")
"""
NODE = """
const [url, key] = [new URL(process.argv[1]), process.env.TOKEN];
const headers = { authorization: `Bearer ${key}` };
const [major, minor] = process.versions.node.split(".").map(Number);
if (major >= 24 || (major === 22 && minor >= 21)) {
  fetch(url, { headers }).then((answer) => answer.text()).then((text) => console.log("fetch", key, text));
} else {
  const proxy = new URL(process.env.HTTPS_PROXY);
  const login = Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64");
  const connect = require("http").request({
    host: proxy.hostname, port: proxy.port, method: "CONNECT", path: url.host,
    headers: { "proxy-authorization": `Basic ${login}` },
  });
  connect.on("connect", (_, socket) => {
    const agent = new (require("https").Agent)();
    agent.createConnection = () => require("tls").connect({ socket, servername: url.hostname });
    require("https").get(url, { headers, agent }, (answer) => {
      let text = "";
      answer.on("data", (piece) => (text += piece));
      answer.on("end", () => { console.log("https", key, text); process.exit(0); });
    });
  });
  connect.end();
}
"""


def add_to(suite: Suite) -> None:
    suite.proof("Python goes through run, with strict verification")(python)
    suite.proof("Node goes through run")(node)
    suite.proof("a command reads neither memory nor environment of its run")(closed)
    suite.proof("git clones and pushes through run")(git)


def ready(world: World) -> tuple[Person, str]:
    person = world.person()
    value = secrets.token_hex(20)
    person.new_home("--store", "file", "--unlock", f"file:{person.account.folder}/use.key")
    person.store("TOKEN", value)
    world.api.forget()
    return person, value


def echoed(world: World, person: Person, value: str, *command: str) -> str:
    """Run a program; say which libraries were answered."""
    done = person.agent("run", "--", *command)
    demand(value.encode() not in done.out + done.err, "the program never has the value")
    demand(b"AS_SECRET_TOKEN" in done.out and b"[REDACTED:TOKEN]" in done.out, f"it has names: {done.text[-300:]}")
    demand(world.api.saw(value.encode()), "the value arrived")
    person.agent("broker", "stop")
    return ", ".join(line.split()[0] for line in done.out.decode().splitlines())


def python(world: World) -> str:
    person, value = ready(world)
    return echoed(world, person, value, world.python(person.account), "-c", PYTHON, world.api.url("/echo"))


def node(world: World) -> str:
    person, value = ready(world)
    return echoed(world, person, value, world.node(person.account), "-e", NODE, world.api.url("/echo"))


def closed(world: World) -> str:
    person, _ = ready(world)
    if person.account.uid is None:
        raise NotRun("only root can make a user of which nothing is known")
    done = person.agent("run", "--", world.python(person.account), "-c", CLOSED)
    demand(done.out.split() == [b"self", b"open"] + [b"parent", b"closed"] * 3, f"what is open: {done.text[-300:]}")
    person.agent("broker", "stop")
    return "mem, environ, maps"


def git(world: World) -> str:
    if not shutil.which("git"):
        raise NotRun("no git: apt-get install git")
    person = world.person()
    value = secrets.token_hex(20)
    person.new_home("--store", "file", "--unlock", f"file:{person.account.folder}/use.key")
    with GitServer(world.folder, value) as server:
        pem = person.account.write("git-ca.pem", server.pem, 0o644)
        person.type("trust", "add", str(pem), answers=[("passphrase", person.passphrase)])
        person.type(
            "secrets", "set", "GIT_TOKEN", "--allow", server.origin,
            answers=[("hidden", value), ("passphrase", person.passphrase)],
        )  # fmt: skip
        remote = server.origin.replace("://", "://x-access-token:AS_SECRET_GIT_TOKEN@") + "/repository.git"
        steps = (
            f"git clone -q {remote} clone && cd clone && echo second > second && git add . && "
            "git -c user.name=a -c user.email=a@example.com commit -qm second && git push -q && git log --oneline | wc -l"
        )
        done = person.agent("run", "--", "sh", "-c", steps)
        demand(done.out.split()[-1:] == [b"2"], f"two commits: {done.text[-400:]}")
        demand(server.commits() == 2, "the second arrived")
        demand(server.seen == {f"x-access-token:{value}"}, "the server saw the value, and nothing else")
        config = (person.folder / "clone/.git/config").read_text()
        demand("AS_SECRET_GIT_TOKEN" in config and value not in config + done.text, "the clone has the name")
        other = person.agent("run", "--", "git", "ls-remote", f"{server.origin}/repository.git", code=None)
        demand(other.code != 0, "without the name there is no way in")
    log = json.loads(person.agent("logs", "list", "--json").out)
    demand(len(log) >= 4, "every request is on record")
    person.agent("broker", "stop")
    return "clone and push"
