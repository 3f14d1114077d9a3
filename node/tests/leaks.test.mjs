// No object of this process leads to a value: not by inspection, serialisation, cloning, or a snapshot of the heap.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import { SecretRef } from "agentsecrets";

import { canary, here, Home, Upstream } from "./harness.mjs";

const value = canary();
const encoded = Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -1);
const forms = [value, encoded, Buffer.from(value).toString("hex"), [...value].reverse().join("")];
let upstream, home, client;

before(async () => {
  upstream = await Upstream.start();
  home = new Home(upstream);
  home.set("KEY", value, "--slot", "bearer", "--slot", "query:key");
  client = home.client();
});

after(async () => {
  await client?.close();
  home?.stop();
  upstream?.stop();
});

function shown(object) {
  const all = [inspect(object, { depth: Infinity, showHidden: true, getters: true }), String(object)];
  for (const show of [JSON.stringify, (one) => inspect(structuredClone(one), { depth: Infinity })]) {
    try {
      all.push(String(show(object)));
    } catch {
      // What refuses to be shown shows nothing.
    }
  }
  return all.join("\n");
}

test("a reference shows its name", () => {
  const reference = new SecretRef("p/e/KEY").format("Bot {}");
  assert.equal(inspect(reference), "p/e/KEY");
  assert.equal(`${reference}`, "p/e/KEY");
  assert.equal(JSON.stringify({ reference }), '{"reference":"p/e/KEY"}');
  assert.equal(structuredClone(reference).name, "KEY");
});

test("nothing that a program holds shows a value", async () => {
  const reference = new SecretRef("KEY");
  const response = await client.call(upstream.url("/echo"), { bearer: reference, query: { key: "KEY" } });
  const streamed = await client.stream(upstream.url("/echo"), { bearer: "KEY" });
  const web = await client.fetch(upstream.url("/echo/encoded?as=raw,base64,hex,percent"), { bearer: "KEY" });
  const text = await web.text();
  const errors = [];
  for (const options of [{ basic: "KEY" }, { bearer: "KEY", timeout: 1 }, { query: { key: "KEY", other: "KEY" } }]) {
    await client.call(upstream.url("/hang"), options).catch((error) => errors.push(error, error.stack));
  }
  assert.ok(errors.length >= 4);
  const listed = [await client.secrets.list(), await client.logs(), await client.status(), await client.grants()];
  for (const object of [client, reference, response, response.text(), response.headers, streamed, web, text, errors, listed]) {
    const all = shown(object);
    for (const form of forms) assert.ok(!all.includes(form));
  }
  assert.ok(shown({ planted: [value] }).includes(value), "the search finds what is there");
  streamed.close();
});

test("a snapshot of the heap holds no value", () => {
  const folder = mkdtempSync(join(tmpdir(), "agentsecrets-heap-"));
  const file = join(folder, "heap.heapsnapshot");
  // Planted in pieces and joined at run time, so that the source itself is not what is found.
  const sentinel = canary("sentinel_");
  const source = `
    import { writeHeapSnapshot } from "node:v8";
    import { AgentSecrets } from "agentsecrets";
    const client = new AgentSecrets({ home: ${JSON.stringify(home.home)}, project: "tests" });
    const url = ${JSON.stringify(upstream.origin)};
    const planted = { it: [${JSON.stringify(sentinel.slice(0, 12))}, ${JSON.stringify(sentinel.slice(12))}].join("") };
    JSON.stringify(planted);
    const response = await client.call(url + "/echo", { bearer: "KEY" });
    const body = response.text();
    const streamed = await client.fetch(url + "/split?every=3&as=raw", { bearer: "KEY" });
    const text = await streamed.text();
    const failed = await client.call(url + "/", { basic: "KEY" }).catch((error) => error);
    const hanging = client.call(url + "/hang", { bearer: "KEY" });
    writeHeapSnapshot(${JSON.stringify(file)});
    globalThis.held = [client, planted, response, body, streamed, text, failed, hanging];
    process.exit(0);
  `;
  try {
    execFileSync(process.execPath, ["--input-type=module", "--eval", source], { cwd: join(here, "..") });
    const snapshot = readFileSync(file, "latin1");
    assert.ok(snapshot.includes(sentinel), "the search finds the sentinel");
    assert.ok(snapshot.includes("[REDACTED:KEY]"), "the bodies are in the snapshot");
    for (const form of forms) assert.ok(!snapshot.includes(form));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
