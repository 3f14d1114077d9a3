"""The way out by a proxy, with Debian's own programs: tinyproxy as the owner's, gh and Java as those that call."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kit.report import NotRun, Suite, demand
from kit.tunnels import Tunnels
from kit.upstream import Upstream, until
from world import Person, World

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = """
Port {port}
Listen 127.0.0.1
Timeout 60
MaxClients 20
ConnectPort 443
BasicAuth {user} {password}
Upstream http 127.0.0.1:{beyond}
"""

JAVA = """
import java.net.*;
import java.net.http.*;
public class Call {
  public static void main(String[] words) throws Exception {
    String url = words[0], key = System.getenv("TOKEN");
    HttpURLConnection old = (HttpURLConnection) new URL(url).openConnection();
    old.setRequestProperty("Authorization", "Bearer " + key);
    System.out.println("HttpURLConnection " + key + " " + new String(old.getInputStream().readAllBytes()));
    HttpRequest request = HttpRequest.newBuilder(URI.create(url)).header("Authorization", "Bearer " + key).build();
    HttpResponse<String> answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    System.out.println("HttpClient " + key + " " + answer.body());
  }
}
"""


def add_to(suite: Suite) -> None:
    suite.proof("calls leave by a tinyproxy that wants a login")(tinyproxy)
    suite.proof("Java goes through run, by both clients it comes with")(java)
    suite.proof("gh goes through run, and calls api.github.com by the owner's proxy")(gh)


def ready(world: World, name: str, host: str) -> tuple[Person, Upstream, str]:
    """A home that lets a secret go to a public host, and somebody who stands in for the host."""
    person = world.person()
    person.new_home("--store", "file", "--unlock", f"file:{person.account.folder}/use.key")
    stand_in = Upstream(world, world.account(f"{person.account.folder.name}-{host}"), "--name", host)
    pem = person.account.write("host.pem", stand_in.pem, 0o644)
    person.type("trust", "add", str(pem), answers=[("passphrase", person.passphrase)])
    value = secrets.token_hex(20)
    person.type(
        "secrets", "set", name, "--allow", host, answers=[("hidden", value), ("passphrase", person.passphrase)]
    )
    return person, stand_in, value


def name_proxy(person: Person, url: str, *more: str) -> None:
    screen = person.type("egress", "proxy", "set", url, *more, answers=[("passphrase", person.passphrase)])
    demand("resolves their names" in " ".join(screen.split()), f"the owner reads who resolves names: {screen[-300:]}")


def tinyproxy(world: World) -> str:
    program = shutil.which("tinyproxy")
    if not program:
        raise NotRun("no tinyproxy: apt-get install tinyproxy-bin")
    person, stand_in, value = ready(world, "TOKEN", "api.example.com")
    login = ("broker", secrets.token_hex(12))
    with Tunnels(stand_in.port) as tunnels, running(program, world, login, tunnels.port) as port:
        url = f"http://127.0.0.1:{port}"
        call = ("call", "--url", "https://api.example.com/echo", "--bearer", "TOKEN")
        name_proxy(person, url)
        refused = person.agent(*call, code=6)
        demand(b"wants a login (407)" in refused.err and str(port).encode() in refused.err, f"told: {refused.text}")
        person.agent("secrets", "set", "PROXY_LOGIN", value=":".join(login).encode())
        name_proxy(person, url, "--auth", "PROXY_LOGIN")
        answer = person.agent(*call)
        demand(b"[REDACTED:TOKEN]" in answer.out, f"the value went and did not come back: {answer.text[-300:]}")
        demand(stand_in.saw(value.encode()), "the value arrived")
        demand(tunnels.asked == ["CONNECT api.example.com:443"], f"one tunnel: {tunnels.asked}")
        said = person.agent("status")
        demand(url.encode() in said.out and b"resolves" in said.out, "status says so")
    away = person.agent(*call, code=6)
    demand(str(port).encode() in away.err and b"agentsecrets egress" in away.err, f"told: {away.text}")
    person.agent("broker", "stop")
    stand_in.stop()
    return "407, a login, a tunnel"


@contextmanager
def running(program: str, world: World, login: tuple[str, str], beyond: int) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder = world.account("t").folder
    text = CONFIG.format(port=port, user=login[0], password=login[1], beyond=beyond)
    (folder / "tinyproxy.conf").write_text(text)
    process = subprocess.Popen(
        [program, "-d", "-c", str(folder / "tinyproxy.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: listens(port), "tinyproxy listens")
        yield port
    finally:
        process.terminate()
        process.wait(10)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def java(world: World) -> str:
    program = shutil.which("java")
    if not program:
        raise NotRun("no java: apt-get install default-jdk-headless")
    person, stand_in, value = ready(world, "TOKEN", "api.example.com")
    source = person.account.write("Call.java", JAVA.encode())
    with Tunnels(stand_in.port) as tunnels:
        name_proxy(person, f"http://127.0.0.1:{tunnels.port}")
        done = person.agent("run", "--", program, str(source), "https://api.example.com/echo")
        demand(value.encode() not in done.out + done.err, "the program never has the value")
        lines, names = done.out.splitlines(), (b"AS_SECRET_TOKEN", b"[REDACTED:TOKEN]")
        demand(all(name in line for line in lines for name in names), f"it has names: {done.text[-300:]}")
        demand([line.split()[0] for line in lines] == [b"HttpURLConnection", b"HttpClient"], f"both: {done.text[-99:]}")
        demand(stand_in.saw(value.encode()), "the value arrived")
    person.agent("broker", "stop")
    stand_in.stop()
    return "HttpURLConnection, java.net.http"


def gh(world: World) -> str:
    program = shutil.which("gh")
    if not program:
        raise NotRun("no gh: apt-get install gh")
    person, stand_in, value = ready(world, "GH_TOKEN", "api.github.com")
    with Tunnels(stand_in.port) as tunnels:
        name_proxy(person, f"http://127.0.0.1:{tunnels.port}")
        done = person.agent("run", "--", program, "api", "/echo")
        demand(value.encode() not in done.out + done.err, "gh never has the value")
        demand(b"[REDACTED:GH_TOKEN]" in done.out, f"it was answered: {done.text[-300:]}")
        demand(stand_in.saw(value.encode()), "the value arrived")
        demand(set(tunnels.asked) == {"CONNECT api.github.com:443"}, f"where to: {tunnels.asked}")
        elsewhere = person.agent("run", "--", program, "api", "https://api.example.com/echo", code=None)
        demand(elsewhere.code != 0, "another host is refused")
    person.agent("broker", "stop")
    stand_in.stop()
    return "GH_TOKEN by its name"
