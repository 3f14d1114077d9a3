// `fetch` as the web has it, for libraries that take one. Run it with `node examples/node/fetch.mjs`.
import { AgentSecrets, SecretRef } from "agentsecrets";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const client = new AgentSecrets();

const response = await client.fetch(`${base}/echo`, { method: "POST", body: "{}", bearer: "API_KEY" });
console.log(response.status, (await response.json()).method);

// A library that insists on a key is given the name's placeholder.
const key = new SecretRef("API_KEY").placeholder;
const same = await client.fetch(`${base}/echo`, { headers: { authorization: `Bearer ${key}` } });
console.log(same.status, (await same.text()).includes("REDACTED"));
await client.close();
