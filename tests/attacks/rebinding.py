"""DNS rebinding: a granted name leads to a public address when it is looked at, and to this machine when it is used."""

from __future__ import annotations

from apart import PUBLIC, Names, moved
from ground import Ground, across
from kit.report import Suite, demand
from kit.upstream import Upstream
from world import World

INNER = "127.0.0.1"
PLANS = {
    "steady.example.net": [[PUBLIC]],
    "inner.example.net": [[INNER]],
    "six.example.net": [["::1"]],
    "mapped.example.net": [["::ffff:127.0.0.1"]],
    "lan.example.net": [["10.0.0.5"]],
    "shared.example.net": [["100.64.0.1"]],
    "metadata.example.net": [["169.254.169.254"]],
    "nowhere.example.net": [["0.0.0.0"]],
    "mixed.example.net": [[INNER, PUBLIC]],
    **{f"flip{number}.example.net": [[PUBLIC], [INNER]] for number in range(4)},
    "control.example.net": [[PUBLIC], [INNER]],
}
CHECKED = """
import socket, ssl, sys, urllib.request
name, port = sys.argv[1:3]
print(socket.gethostbyname(name))
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
print(urllib.request.urlopen(f"https://{name}:{port}/echo", timeout=20, context=context).status)
"""


def add_to(suite: Suite) -> None:
    across(suite, "DNS rebinding", rebound)


def rebound(world: World, ground: Ground) -> bool:
    return moved(world, ground, PLANS, lambda names: play(world, ground, names)) == "held"


def play(world: World, ground: Ground, names: Names) -> str:
    """In a network of its own a public address is this machine's too, and so is its private network."""
    account, home = world.account(f"d{len(world.accounts)}"), ground.home
    words = ["--http1", *(word for name in (PUBLIC, *PLANS) for word in ("--name", name))]
    public = Upstream(world, account, "--bind", f"{PUBLIC}:0", *words, address=PUBLIC)
    inner = Upstream(world, account, "--bind", f"{INNER}:{public.port}", *words, address=INNER)
    try:
        for upstream in (public, inner):
            home.trust(upstream)
        home.owner("allow", "TOKEN", f"https://*.example.net:{public.port}").good()
        attack(world, ground, public, inner)
        control(world, public, inner, names)
    finally:
        public.stop()
        inner.stop()
    return "held"


def attack(world: World, ground: Ground, public: Upstream, inner: Upstream) -> None:
    def url(name: str, path: str = "/echo") -> dict[str, object]:
        return {"url": f"https://{name}.example.net:{public.port}{path}", "bearer": "TOKEN"}

    (said,) = ground.calls(url("steady"))
    demand(said["status"] == 200 and public.saw(ground.token.value), f"control: the public address is reached: {said['code']}")
    private = ("inner", "six", "mapped", "lan", "shared", "metadata", "nowhere")
    ground.refused({"address_refused"}, *(url(name) for name in private))
    public.forget()
    # Each name leads to the public address once, and from then on to this machine. The connection is closed by the upstream
    # after each answer, so that the name is looked up again.
    flips = [url(f"flip{number}", "/bytes?n=10&close=1") for number in range(4)]
    outcomes = ground.calls(*(call for flip in flips for call in (flip, flip)))
    for first, second in zip(outcomes[::2], outcomes[1::2], strict=True):
        demand(first["status"] == 200, f"{ground.level}: what was checked is what is dialled: {first['code']}")
        refused = second["code"] == "address_refused"
        demand(refused, f"{ground.level}: the second time it is refused: {second['code'] or second['status']}")
    (mixed,) = ground.calls(url("mixed"))
    demand(mixed["status"] == 200, f"{ground.level}: of two addresses the public one is dialled: {mixed['code']}")
    demand(len(public.received()) == 5, "each first call arrived at the public address")
    demand(not inner.received(), f"{ground.level}: nothing arrives at this machine")


def control(world: World, public: Upstream, inner: Upstream, names: Names) -> None:
    """A plain program that looks a name up, finds it good and then uses it."""
    done = world.agent.run([world.tool, "-c", CHECKED, "control.example.net", str(public.port)]).good()
    demand(done.out.split() == [PUBLIC.encode(), b"200"], f"control: the plain program checked and called: {done.text[-300:]}")
    demand(len(inner.received()) == 1, "control: its call arrived at this machine")
    demand(names.asked["control.example.net"] >= 2, "control: the name was looked up twice")
