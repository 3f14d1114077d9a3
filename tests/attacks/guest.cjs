// A guest of a shared broker in Node: the same as `guest.py sdk`, as far as the walls are concerned.
"use strict";

const { readFileSync } = require("node:fs");
const { AgentSecrets, AgentSecretsError } = require(process.argv[2]);

async function codeOf(work) {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof AgentSecretsError)) throw error;
    return error.code;
  }
}

(async () => {
  const plan = JSON.parse(readFileSync(0, "utf8"));
  const client = new AgentSecrets(plan.options ?? {});
  const calls = [];
  for (const { url, secret } of plan.calls) {
    calls.push(await codeOf(async () => (await client.call(url, { bearer: secret })).status));
  }
  const names = await codeOf(async () => (await client.secrets.list()).map((info) => info.name));
  const logged = await codeOf(async () => [
    ...new Set((await client.logs()).map((entry) => `${entry.agent} ${entry.isolation}`)),
  ]);
  process.stdout.write(JSON.stringify({ isolation: client.isolation, calls, names, logged }));
  await client.close();
})();
