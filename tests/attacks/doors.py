"""Ways by which a value leaves on purpose, and the terms under which it does: tried without the owner."""

from __future__ import annotations

import json

from ground import Ground, across
from kit.canary import plain
from kit.report import Suite, demand
from world import World

GUESSES = (
    "TOKEN",
    "OTHER",
    "PLANTED",
    "token",
    "../TOKEN",
    "demo/development/TOKEN",
    "*",
    "",
    "OPENAI_API_KEY",
    "STRIPE_KEY",
    "TOKEN\u0000",
)
SPAWN = """
import json, sys
from agentsecrets import AgentSecrets, AgentSecretsError
plan = json.loads(sys.stdin.readline())
client = AgentSecrets(**plan["client"])
for words in plan["commands"]:
    try:
        child = client.spawn(words, plan["secrets"], capture_output=True)
        print(child.communicate())
    except AgentSecretsError as error:
        print(error.code)
"""


def add_to(suite: Suite) -> None:
    across(suite, "`env -- printenv`", printenv)
    across(suite, "`exec` with guessed ids", guessed)
    across(suite, "policy change from the agent", change)
    across(suite, "hostile project file", project)


def printenv(world: World, ground: Ground) -> bool:
    home = ground.home
    commands = [
        ["printenv"],
        ["/usr/bin/printenv", "TOKEN"],
        ["/usr/bin/env"],
        ["sh", "-c", "echo $TOKEN"],
        ["/bin/cat", "/proc/self/environ"],
    ]
    done = ground.run(["-c", SPAWN], {"client": ground.client, "commands": commands, "secrets": ["TOKEN"]}).good()
    wanted = "needs_broker" if ground.level == "in-process" else "not_shared" if ground.walled else "command_not_allowed"
    demand(set(done.out.decode().split()) == {wanted}, f"{ground.level}: `spawn` is refused: {done.text[-300:]}")
    if ground.level == "in-process":
        return True
    for words in commands:
        for secret in ([], ["--secret", "TOKEN"], ["--secret", "OTHER"]):
            done = ground.cli("env", *secret, "--json", "--", *words)
            ground.keeps(done.out + done.err, "what `env` printed")
            refused = done.code == 3 and (b"not_shared" if ground.walled else b"_not_allowed") in done.out
            demand(refused, f"{ground.level}: `env -- {words[0]}` is refused: {done.text[-300:]}")
    if ground.walled:
        return True
    door = plain("DOOR")
    home.store("DOOR", door.value)
    granted = ["/usr/bin/printenv", "DOOR"]
    home.owner("allow", "DOOR", "--command", "--", *granted).good()
    done = ground.cli("env", "--", *granted).good()
    demand(
        done.out.strip() == b"[REDACTED:DOOR]",
        f"control: the granted command has it, and its output is redacted: {done.text[-200:]}",
    )
    demand(ground.cli("env", "--", "/usr/bin/printenv", "TOKEN").code == 3, "one word more or less is another command")
    return True


def guessed(world: World, ground: Ground) -> bool:
    home, count = ground.home, 0

    def ask(provider: str, ids: list[str]) -> dict[str, dict[str, object]]:
        text = json.dumps({"protocolVersion": 1, "provider": provider, "ids": ids}).encode()
        return dict(json.loads(ground.cli("exec", value=text).good().out))

    if ground.walled:
        text = json.dumps({"protocolVersion": 1, "provider": "openclaw", "ids": list(GUESSES)}).encode()
        done = ground.cli("exec", "--json", value=text)
        demand(done.code == 3 and b"not_shared" in done.out, f"{ground.level}: there is no such door: {done.text[-200:]}")
        return True
    for provider in ("openclaw", "anybody", "default"):
        said = ask(provider, list(GUESSES))
        demand(said["values"] == {} and set(said["errors"]) == set(GUESSES), f"{ground.level}: nothing is given to {provider}")
        count += len(GUESSES)
    denied = home.json("logs", "list", "--outcome", "denied", "--last", "500")
    asked = [record for record in denied if "exec" in record["styles"]]
    demand(len(asked) >= count, f"{ground.level}: each guess is on record: {len(asked)} of {count}")
    given = plain("GIVEN")
    home.store("GIVEN", given.value)
    home.owner("allow", "GIVEN", "--provider", "openclaw").good()
    said = ask("openclaw", ["GIVEN", *GUESSES])
    demand(
        said["values"] == {"GIVEN": given.value.decode()}, "control: what is granted to a provider is given to it, and no more"
    )
    demand(ask("anybody", ["GIVEN"])["values"] == {}, "and to no other provider")
    return True


def change(world: World, ground: Ground) -> bool:
    """Every command that loosens, by an agent that has no passphrase, or a wrong one."""
    home, elsewhere = ground.home, world.elsewhere.origin
    root = home.json("trust", "list")[0]["id"]
    commands: list[tuple[list[str], bytes]] = [
        (["allow", "TOKEN", elsewhere], b""), (["allow", "OTHER", world.upstream.origin], b""),
        (["allow", "TOKEN", world.upstream.origin, "--slot", "query:q"], b""),
        (["allow", "TOKEN", "--command", "--", "/usr/bin/printenv"], b""), (["allow", "TOKEN", "--provider", "openclaw"], b""),
        (["trust", "remove", root], b""), (["secrets", "set", "TOKEN"], b"a value of the attacker's own"),
        (["secrets", "delete", "TOKEN"], b""), (["project", "create", "third"], b""), (["agent", "register", "me"], b""),
        (["limit", "TOKEN", "--calls", "1000/1d"], b""), (["workspace", "allowlist", "add", elsewhere], b""),
    ]  # fmt: skip
    before = _state(ground)
    for words, value in commands:
        done = ground.cli(words[0], "--json", *words[1:], value=value)
        refused = done.code == 3 and (b"not_shared" if ground.walled else b"owner_required") in done.out
        demand(refused, f"{ground.level}: `{' '.join(words[:2])}` is refused: {done.text[-200:]}")
    if not ground.walled:
        wrong = home.owner(*commands[0][0], passphrase="not the passphrase of this home")
        demand(wrong.code == 3, f"{ground.level}: a wrong passphrase is none: {wrong.text[-200:]}")
    demand(_state(ground) == before, f"{ground.level}: nothing was changed")
    ground.refused({"destination_not_allowed"}, {"url": world.elsewhere.url("/echo"), "bearer": "TOKEN"})
    home.owner("project", "create", "third").good()
    demand(_state(ground) != before, "control: with the passphrase it is done")
    return True


def _state(ground: Ground) -> tuple[bytes, str]:
    return (ground.home.folder / "policy.json").read_bytes(), json.dumps(ground.home.json("secrets", "list"))


def project(world: World, ground: Ground) -> bool:
    """A cloned repository says that it is another project of this home."""
    home = ground.home
    home.owner("project", "create", "production").good()
    clone = ground.agent.folder / f"clone-{ground.level}"
    (clone / ".agentsecrets").mkdir(parents=True)
    (clone / ".agentsecrets/project.json").write_text('{"project": "production", "environment": "production"}')
    for path in (clone, clone / ".agentsecrets", clone / ".agentsecrets/project.json"):
        ground.agent.own(path)
    listed = ground.agent.run([world.cli, "secrets", "list", "--json"], env=ground.variables, cwd=clone)
    calls = [{"url": upstream.url("/echo"), "bearer": "TOKEN"} for upstream in (world.elsewhere, world.upstream)]
    world.elsewhere.forget()
    codes = [outcome["code"] or outcome["status"] for outcome in ground.calls(*calls, cwd=clone)]
    if ground.walled:
        # The file is not even sent: the project is the agent's own, in which it is as before.
        demand(listed.code == 0 and codes == ["destination_not_allowed", 200], f"the file chooses nothing: {codes}")
    else:
        refused = listed.code == 3 and b"project_not_linked" in listed.out
        demand(refused, f"{ground.level}: not even names are listed: {listed.text[-200:]}")
        demand(codes == ["project_not_linked"] * 2, f"{ground.level}: the file chooses nothing: {codes}")
    demand(not world.elsewhere.received(), "nothing was sent")
    ground.control()
    return True
