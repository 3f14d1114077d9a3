// An agent says who it is with its token, and the token is shown nowhere.

import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import { AgentRequired, AgentSecrets, AgentTokenInvalid, ApprovalRequired, BudgetExhausted } from "agentsecrets";
import { Home, Upstream, canary } from "./harness.mjs";

let upstream;
let home;
let token;

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  home.set("KEY", canary());
  home.run(["secrets", "set", "HIDDEN"], canary());
  home.set("ASKED", canary(), "--approve");
  home.owner(["agent", "register", "bot"]);
  const file = join(home.dir, "token");
  home.owner(["agent", "token", "issue", "bot", "--out", file]);
  token = readFileSync(file, "utf8").trim();
  rmSync(file);
});

after(() => {
  home.stop();
  upstream.stop();
});

async function refusal(action) {
  try {
    await action();
  } catch (error) {
    return error;
  }
  return assert.fail("it passed");
}

test("a token names the agent, and without one nothing is called", async () => {
  const nobody = home.client();
  assert.ok((await refusal(() => nobody.call(upstream.url("/echo"), { bearer: "KEY" }))) instanceof AgentRequired);
  assert.equal((await nobody.status()).agent, null);
  const client = home.client({ agentToken: token });
  assert.equal((await client.call(upstream.url("/echo"), { bearer: "KEY" })).status, 200);
  const [entry] = await client.logs({ last: 1 });
  assert.deepEqual([entry.agent, entry.identity], ["bot", "issued"]);
  assert.deepEqual((await client.secrets.list()).map((info) => info.name), ["ASKED", "KEY"]);
  assert.equal((await client.status()).agent, "bot");
});

test("a wrong token is refused and never taken for none", async () => {
  for (const wrong of ["as_agent_nobody", "", "é"]) {
    const client = home.client({ agentToken: wrong });
    const error = await refusal(() => client.call(upstream.url("/echo"), { bearer: "KEY" }));
    assert.ok(error instanceof AgentTokenInvalid && error.is("agent_token_invalid"), inspect(error));
  }
  assert.throws(() => new AgentSecrets({ home: home.home, agentToken: 7 }), { code: "invalid_call" });
});

test("the token is shown nowhere", async () => {
  const client = home.client({ agentToken: token });
  const response = await client.call(upstream.url("/echo"), { bearer: "KEY" });
  const wrong = "as_agent_" + "w".repeat(43);
  const error = await refusal(() => home.client({ agentToken: wrong }).secrets.list());
  assert.equal(error.code, "agent_token_invalid");
  for (const told of [client, response, await client.status(), await client.logs()]) {
    assert.ok(!inspect(told, { depth: 9, showHidden: true }).includes(token));
    assert.ok(!(JSON.stringify(told) ?? "").includes(token));
  }
  assert.ok(!inspect(error, { depth: 9 }).includes(wrong));
  assert.ok(!(await upstream.ask("/__received")).includes(token), "the upstream never sees it");
});

test("limits and approvals are errors of their own", async () => {
  const client = home.client({ agentToken: token });
  const waited = await refusal(() => client.call(upstream.url("/echo"), { bearer: "ASKED", timeout: 500 }));
  assert.ok(waited instanceof ApprovalRequired && waited.hint === "agentsecrets approve", inspect(waited));
  const [grant] = await client.grants("ASKED");
  assert.deepEqual([grant.approve, grant.agent, grant.limits], [true, null, []]);
  home.owner(["limit", "--agent", "bot", "--calls", "1/1d"]);
  assert.equal((await client.call(upstream.url("/echo"), { bearer: "KEY" })).status, 200);
  const spent = await refusal(() => client.call(upstream.url("/echo"), { bearer: "KEY" }));
  assert.ok(spent instanceof BudgetExhausted && spent.retryable);
});
