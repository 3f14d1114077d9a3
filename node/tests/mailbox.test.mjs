// What is done comes in batches: one wake-up of the event loop for many calls, and none is lost.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";

const require = createRequire(new URL("../dist/index.js", import.meta.url));
const built = new URL("../native/agentsecrets.node", import.meta.url).pathname;
const native = require(existsSync(built) ? built : "@agentsecrets/linux-x64-gnu");
const counted = { batches: 0, completions: 0 };

// Before the package is loaded, which makes its mailbox then.
native.Mailbox = class extends native.Mailbox {
  constructor(dispatch) {
    super((batch) => {
      counted.batches += 1;
      counted.completions += batch.length;
      dispatch(batch);
    });
  }
};

const { canary, Home, Upstream } = await import("./harness.mjs");
let upstream, home, client;

before(async () => {
  upstream = await Upstream.start("--no-recording");
  home = new Home(upstream);
  home.set("KEY", canary());
  client = home.client({ isolation: "in-process" });
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

test("many calls share a wake-up", async () => {
  const rounds = Array.from({ length: 64 }, async (_, n) => {
    for (let round = 0; round < 5; round += 1) {
      const response = await client.call(upstream.url(`/bytes?n=${n + 1}`), { bearer: "KEY" });
      assert.equal(response.bytes().length, n + 1);
    }
  });
  await Promise.all(rounds);
  assert.equal(counted.completions, 320);
  assert.ok(counted.batches < 250, `${counted.batches} wake-ups`);
});
