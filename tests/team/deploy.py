"""A deployment runner: a fresh home, no terminal, no owner, and a script that goes through."""

from __future__ import annotations

from databases import BOTH
from kit.report import Suite, demand
from world import PRODUCTION, PROJECT, STAGING, Member, World

SCRIPT = """
set -eu
agentsecrets init --no-owner --store file --unlock file:"$HOME/use.key" >&2
agentsecrets workspace join --enrolment-fd 3 3< "$HOME/enrolment" >&2
rm "$HOME/enrolment"
for environment in $ENVIRONMENTS; do
  agentsecrets environment switch "$environment" >&2
  agentsecrets secrets diff --json
  agentsecrets secrets pull >&2
  agentsecrets call --url "$API/echo?environment=$environment" --bearer "$KEY" --fail >/dev/null
done
agentsecrets logs list --json
"""


def add_to(suite: Suite) -> None:
    for database in BOTH:
        suite.proof(f"a deployment script runs on a fresh home, as a machine, on {database}")(
            lambda world, database=database: script(world, database)
        )
    suite.proof("a machine reads its environments and nothing else, writes nothing, and can be sent away")(bounds)


def script(world: World, database: str) -> str:
    ann, name, values = shared(world, world.server(database))
    runner = world.member(world.server(database), "run", ready=False)
    runner.account.write("enrolment", ann.enrolment("deploy", STAGING, PRODUCTION))
    world.api.forget()
    bin_folder = world.programs
    variables = {
        "API": world.http, "KEY": name, "ENVIRONMENTS": f"{STAGING} {PRODUCTION}", "PATH": f"{bin_folder}:/usr/bin:/bin", **runner.variables,
    }  # fmt: skip
    done = runner.account.run(["bash", "-c", SCRIPT], env=variables, cwd=runner.directory).good()
    demand(all(world.api.saw(value) for value in values), "both environments were deployed with their own value")
    demand(all(value not in done.out + done.err for value in values), "and no output holds one")
    demand(done.out.count(name.encode()) >= 4, "the drift was told before each pull, and the calls are on record")
    demand(runner.cli("logs", "verify").code == 0, "the runner's record of calls verifies")
    for member in (ann, runner):
        member.stop()
    return "switch, diff, pull, call, twice; logs"


def bounds(world: World) -> str:
    server = world.server()
    ann, name, values = shared(world, server)
    runner = world.member(server, "run", ready=False)
    runner.cli("init", "--no-owner", "--store", "file", "--unlock", f"file:{runner.account.folder / 'use.key'}").good()
    code = ann.enrolment("ci", STAGING)
    runner.cli("workspace", "join", fds={"--enrolment-fd": code}).good()
    runner.cli("environment", "switch", STAGING).good()
    runner.cli("secrets", "pull").good()
    world.api.forget()
    runner.cli("call", "--url", f"{world.http}/echo", "--bearer", name).good()
    demand(world.api.saw(values[0]), "it reads the environment that it was enrolled for")
    runner.refused("not_a_member", "secrets", "diff", "--environment", PRODUCTION)
    runner.cli("secrets", "set", world.secret("NEW"), value=world.canary()).good()
    runner.refused("not_a_member", "secrets", "push")
    again = world.member(server, "again", ready=False)
    again.cli("init", "--no-owner", "--store", "file", "--unlock", f"file:{again.account.folder / 'use.key'}").good()
    twice = again.cli("workspace", "join", fds={"--enrolment-fd": code})
    demand(b"error[invite_invalid]" in twice.err, f"an enrolment counts once: {twice.text[-300:]}")
    demand([one["name"] for one in ann.json("workspace", "members")].count("ci") == 1, "the admin sees it by its name")
    ann.owner("workspace", "remove", "ci").good()
    runner.refused("not_a_member", "secrets", "pull")
    for member in (ann, runner, again):
        member.stop()
    return "one environment, read-only, once"


def shared(world: World, server: object) -> tuple[Member, str, list[bytes]]:
    """An admin with a secret that has a value in each of two environments, and may go to the API."""
    [ann] = world.team(server, "ann")  # type: ignore[arg-type]
    name, values = world.secret("DEPLOY"), [world.canary(), world.canary()]
    for environment, value in zip((STAGING, PRODUCTION), values, strict=True):
        ann.set(name, value, "--environment", environment)
        ann.owner("secrets", "push", "--environment", environment).good()
    ann.owner("allow", name, world.http).good()
    demand(PROJECT in ann.json("status")["project"], "in the shared project")
    return ann, name, values
