// Reads server-sent events as they come. Run it with `node examples/node/streaming.mjs`.
import { AgentSecrets } from "agentsecrets";

const base = process.env.EXAMPLE_URL ?? "https://api.example.com";
const client = new AgentSecrets();
const stream = await client.stream(`${base}/sse?events=3`, { bearer: "API_KEY" });
for await (const event of stream.events()) console.log(event.event, event.data);
await client.close();
