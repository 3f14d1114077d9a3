// An agent in Node. It knows the name DEMO_KEY, and nothing here could tell it more.

import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [origin, folder] = process.argv.slice(2);
// A user writes `import { AgentSecrets } from "agentsecrets"`; here it comes from the folder it was built in.
const entry = createRequire(import.meta.url)(join(folder, "package.json")).exports["."].import.default;
const { AgentSecrets, AgentSecretsError } = await import(pathToFileURL(join(folder, entry)).href);

const client = new AgentSecrets();
const account = await client.call(`${origin}/v1/account`, { bearer: "DEMO_KEY" });
const charge = await client.call(`${origin}/v1/charges`, { method: "POST", bearer: "DEMO_KEY", body: { amount: 1000 } });
const echo = await client.call(`${origin}/v1/echo`, { bearer: "DEMO_KEY" });

const refused = [];
for (const [url, styles] of [
  ["https://collector.example/v1/account", { bearer: "DEMO_KEY" }],
  [`${origin}/v1/account`, { query: { key: "DEMO_KEY" } }],
]) {
  try {
    await client.call(url, styles);
  } catch (error) {
    if (!(error instanceof AgentSecretsError)) throw error;
    refused.push({ code: error.code, message: error.message, hint: error.hint });
  }
}

console.log(
  JSON.stringify({
    isolation: client.isolation,
    account: account.json(),
    charge: charge.json(),
    echo: echo.text(),
    redacted: echo.redacted,
    refused,
  }),
);
await client.close();
