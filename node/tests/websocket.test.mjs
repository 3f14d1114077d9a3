// The WebSockets of Node's libraries under `agentsecrets run`, with compression on.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { canary, executable, here, Home, Upstream } from "./harness.mjs";

const value = canary();
let upstream, home;

before(async () => {
  upstream = await Upstream.start("--http1");
  home = new Home(upstream);
  home.set("KEY", value);
});

after(() => {
  home?.stop();
  upstream?.stop();
});

for (const library of ["ws", "undici"]) {
  test(`${library} talks by a name, and the value does not come back`, async () => {
    await upstream.forget();
    const url = upstream.url("/ws/deflate?deflate=1&protocol=0").replace("https:", "wss:");
    const command = ["run", "--", process.execPath, join(here, "websocket-client.mjs"), library, url];
    const done = spawnSync(executable, command, { cwd: home.dir, env: home.env(), timeout: 60_000 });
    const said = done.stdout.toString();
    assert.ok(!said.includes(value) && !done.stderr.includes(value), "the value came out");
    // What a close is answered with is each library's own.
    const lines = said.trim().split("\n").slice(0, 4);
    assert.deepEqual(lines, ["realtime permessage-deflate", "echoed", "echoed", "[REDACTED:KEY]"], said + done.stderr);
    assert.match(said, /^closed 4000$/m);
    const [request] = await upstream.received("/ws/deflate");
    const authorization = request.headers.find(([name]) => name.toLowerCase() === "authorization");
    assert.equal(authorization[1], `Bearer ${value}`);
  });
}
