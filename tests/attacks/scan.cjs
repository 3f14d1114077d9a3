// The same in Node: a package in an agent's process that reads the native memory it is in.
"use strict";

const { createHash, randomBytes } = require("node:crypto");
const { openSync, readFileSync, readSync } = require("node:fs");
const { AgentSecrets, AgentSecretsError } = require(process.argv[2]);

const SHAPE = /sk_live_[A-Za-z0-9]{48}/g;
const CHUNK = 1 << 20;
const LARGE = 128 * CHUNK;
const found = new Set();
const hash = (text) => createHash("sha256").update(text).digest("hex");

function scan() {
  const memory = openSync("/proc/self/mem", "r");
  const buffer = Buffer.alloc(CHUNK + 64);
  let size = 0;
  for (const line of readFileSync("/proc/self/maps", "utf8").split("\n").filter(Boolean)) {
    const [where, protection] = line.split(/\s+/);
    const [start, end] = where.split("-").map((text) => BigInt(`0x${text}`));
    if (line.includes("[v") || (protection[0] !== "r" && end - start > LARGE)) continue;
    for (let at = start; at < end; at += BigInt(CHUNK)) {
      const left = end - at + 64n;
      let count = 0;
      try {
        count = readSync(memory, buffer, 0, Number(left < CHUNK + 64 ? left : CHUNK + 64), at);
      } catch {
        continue;
      }
      size += count;
      for (const [key] of buffer.toString("latin1", 0, count).matchAll(SHAPE)) found.add(hash(key));
    }
  }
  return size;
}

(async () => {
  const plan = JSON.parse(readFileSync(0, "utf8"));
  const own = `sk_live_${randomBytes(24).toString("hex")}`;
  globalThis.kept = [Buffer.from(own)];
  const codes = [];
  let size = 0;
  try {
    const client = new AgentSecrets(plan.client);
    for (const url of plan.urls) {
      kept.push((await client.call(url, { bearer: "TOKEN" })).text());
      codes.push("200");
    }
    const stream = await client.fetch(plan.stream, { bearer: "TOKEN" });
    const reader = stream.body.getReader();
    await reader.read();
    size = scan();
    await reader.cancel();
  } catch (error) {
    if (!(error instanceof AgentSecretsError)) throw error;
    codes.push(error.code);
    size = scan();
  }
  process.stdout.write(`${JSON.stringify({ found: [...found], own: hash(own), codes, bytes: size, usage: process.memoryUsage().rss })}\n`);
  process.exit(0);
})();
