// A hundred megabytes up and down are streamed: the process does not grow by them.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { canary, here, Home, Upstream } from "./harness.mjs";

const SIZE = 100 << 20;
let upstream, home;

before(async () => {
  upstream = await Upstream.start("--no-recording");
  home = new Home(upstream);
  home.set("KEY", canary());
});

after(() => {
  home?.stop();
  upstream?.stop();
});

/** How much a program grew while it did something, beyond what it had used before, in MiB. */
function growth(body) {
  const source = `
    import { AgentSecrets } from "agentsecrets";
    const client = new AgentSecrets({ home: ${JSON.stringify(home.home)}, project: "tests" });
    const url = (path) => ${JSON.stringify(upstream.origin)} + path;
    const SIZE = ${SIZE};
    const piece = Buffer.alloc(1 << 16, 7);
    async function* pieces(size) {
      for (let sent = 0; sent < size; sent += piece.length) yield piece;
    }
    const work = async (SIZE) => { ${body} };
    // The first time loads what is loaded once, and lets the heap find its size.
    await work(32 << 20);
    const before = process.memoryUsage().rss;
    let most = 0;
    const timer = setInterval(() => { most = Math.max(most, process.memoryUsage().rss); }, 5);
    await work(SIZE);
    clearInterval(timer);
    console.log(Math.max(0, most - before) / (1 << 20));
  `;
  const args = ["--max-semi-space-size=1", "--input-type=module", "--eval", source];
  return Number(execFileSync(process.execPath, args, { cwd: join(here, ".."), timeout: 120_000 }));
}

const works = {
  "a download": `
    const response = await client.fetch(url("/bytes?n=" + SIZE), { bearer: "KEY" });
    let length = 0;
    for await (const piece of response.body) length += piece.byteLength;
    if (length !== SIZE) throw new Error("cut");
  `,
  "an upload": `
    const body = pieces(SIZE);
    const response = await client.call(url("/upload"), { method: "POST", bearer: "KEY", body, timeout: 100_000 });
    if (response.json().length !== SIZE) throw new Error("cut");
  `,
};

for (const [what, body] of Object.entries(works)) {
  test(`${what} of 100 MiB does not grow the process`, () => {
    const grown = growth(body);
    console.log(`# ${what}: ${grown.toFixed(1)} MiB`);
    assert.ok(grown < 10, `${grown} MiB`);
  });
}

test("the measure sees what is held", () => {
  const grown = growth(`
    const held = [];
    for await (const piece of pieces(SIZE)) held.push(Buffer.from(piece));
    await new Promise((done) => setTimeout(done, 50));
    if (held.length === 0) throw new Error("nothing");
  `);
  assert.ok(grown > 60, `${grown} MiB`);
});
