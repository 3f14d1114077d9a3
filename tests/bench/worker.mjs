// The contenders of Node. One line in, `CONTENDER IN_FLIGHT CALLS`, one line out: microseconds a call.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const { AgentSecrets } = require(process.env.BENCH_NODE_PACKAGE);
const undici = require(process.env.BENCH_UNDICI);

const url = process.env.BENCH_URL;
const inside = new AgentSecrets({ isolation: "in-process", unlock: process.env.BENCH_UNLOCK });
const broker = new AgentSecrets({ isolation: "broker" });

const contenders = {
  "in-process": async () => (await inside.call(url, { bearer: "KEY_0" })).arrayBuffer(),
  broker: async () => (await broker.call(url, { bearer: "KEY_0" })).arrayBuffer(),
  "broker/download": async () => {
    let length = 0;
    for await (const piece of (await broker.stream(`${url}bytes`, { bearer: "KEY_0" })).bytes()) length += piece.length;
    if (length !== 100 << 20) throw new Error("the answer has another length");
    return new ArrayBuffer(1024);
  },
  undici: async () => (await undici.request(url)).body.arrayBuffer(),
  fetch: async () => (await fetch(url)).arrayBuffer(),
};

for await (const line of createInterface({ input: process.stdin })) {
  const [name, inFlight, calls] = line.split(" ");
  let left = Number(calls);
  const began = process.hrtime.bigint();
  const oneAfterTheOther = async () => {
    while (left > 0) {
      left -= 1;
      if ((await contenders[name]()).byteLength !== 1024) throw new Error("the answer has another length");
    }
  };
  await Promise.all(Array.from({ length: Number(inFlight) }, oneAfterTheOther));
  console.log(Number(process.hrtime.bigint() - began) / 1e3 / Number(calls));
}
await Promise.all([inside.close(), broker.close()]);
