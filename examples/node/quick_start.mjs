// One authenticated call. Run it with `node examples/node/quick_start.mjs`.
import { AgentSecrets } from "agentsecrets";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const client = new AgentSecrets();
const response = await client.call(`${base}/echo`, { bearer: "API_KEY" });
console.log(response.status, response.json().method, response.redacted);
await client.close();
