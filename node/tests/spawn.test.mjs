// Granted commands as children of the broker.

import assert from "node:assert/strict";
import { spawn as spawnProcess } from "node:child_process";
import { chmodSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";

import { CommandChanged, CommandNotAllowed, InvalidCall, NeedsBroker } from "agentsecrets";

import { Home, Upstream, canary, here, until } from "./harness.mjs";

let upstream, home, script;
const value = canary();

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  home.run(["secrets", "set", "KEY"], value);
  script = join(home.dir, "show.sh");
  writeFileSync(script, '#!/bin/sh\necho "out $KEY ${#KEY} $MINE"\necho "err $KEY" >&2\nexit 3\n');
  chmodSync(script, 0o755);
  home.allowCommand("KEY", script);
});
after(() => {
  home.stop();
  upstream.stop();
});

test("a command has the value, and the caller has not", async (t) => {
  const client = home.client();
  t.after(() => client.close());
  const child = await client.spawn([script], {
    secrets: ["KEY"], stdin: "ignore", captureOutput: true, env: { MINE: "mine", NODE_OPTIONS: "--no-such" },
  });
  assert.ok(child.pid > 0);
  const exit = await child.wait();
  assert.deepEqual([exit.code, exit.signal], [3, null]);
  assert.equal(exit.stdout.toString(), `out [REDACTED:KEY] ${value.length} mine\n`);
  assert.equal(exit.stderr.toString(), "err [REDACTED:KEY]\n");
  assert.equal(await child.wait(), exit);
});

test("a child is signalled", async (t) => {
  home.allowCommand("KEY", "sleep", "60");
  const client = home.client();
  t.after(() => client.close());
  const child = await client.spawn(["sleep", "60"], { stdin: "ignore" });
  child.kill();
  assert.deepEqual(await child.wait(), { code: null, signal: "SIGTERM", stdout: null, stderr: null });
  assert.throws(() => child.kill("SIGNONE"), InvalidCall);
});

test("what is not granted is refused", async (t) => {
  const client = home.client();
  t.after(() => client.close());
  await assert.rejects(client.spawn(["printenv", "KEY"], { secrets: ["KEY"] }), (error) => {
    assert.ok(error instanceof CommandNotAllowed);
    assert.equal(error.hint, "agentsecrets allow KEY --command -- printenv KEY");
    return true;
  });
  await assert.rejects(client.spawn("printenv KEY"), InvalidCall);
  await assert.rejects(client.spawn([script], { stdout: "nowhere" }), InvalidCall);
  const changed = join(home.dir, "changed.sh");
  writeFileSync(changed, "#!/bin/sh\nexit 0\n");
  chmodSync(changed, 0o755);
  home.allowCommand("KEY", changed);
  writeFileSync(changed, "#!/bin/sh\nprintenv\n");
  await assert.rejects(client.spawn([changed]), CommandChanged);
});

test("in-process starts no child", async (t) => {
  const client = home.client({ isolation: "in-process" });
  t.after(() => client.close());
  await assert.rejects(client.spawn([script]), NeedsBroker);
});

test("a child ends with the process that wanted it", async () => {
  home.allowCommand("KEY", "sleep", "61");
  const program = `
    const { AgentSecrets } = require("agentsecrets");
    new AgentSecrets({ home: ${JSON.stringify(home.home)}, project: "tests" })
      .spawn(["sleep", "61"], { stdin: "ignore" })
      .then((child) => { console.log(child.pid); return child.wait(); });
  `;
  const caller = spawnProcess(process.execPath, ["-e", program], {
    cwd: join(here, ".."), env: home.env(), stdio: ["ignore", "pipe", "inherit"],
  });
  const pid = Number(await new Promise((done) => createInterface(caller.stdout).once("line", done)));
  assert.ok(existsSync(`/proc/${pid}`));
  caller.kill("SIGKILL");
  await until(() => !existsSync(`/proc/${pid}`), "the child's end");
});
