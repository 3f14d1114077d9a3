// What a program of Node's does that knows nothing of AgentSecrets: a WebSocket by the library that is named.

import http from "node:http";
import tls from "node:tls";

import undici from "undici";
import { WebSocket } from "ws";

const [library, address] = process.argv.slice(2);
const url = new URL(address);
const proxy = new URL(process.env.HTTPS_PROXY);
const token = `Basic ${Buffer.from(`${proxy.username}:${proxy.password}`).toString("base64")}`;
const headers = { authorization: `Bearer ${process.env.KEY}` };

/** A tunnel through the proxy, as an agent of `ws` makes it. */
function tunnel() {
  return new Promise((done, failed) => {
    const { hostname: host, port } = proxy;
    const connect = http.request({ host, port, method: "CONNECT", path: url.host, headers: { "proxy-authorization": token } });
    connect.on("connect", (_, socket) => done(tls.connect({ socket, servername: url.hostname })));
    connect.on("error", failed).end();
  });
}

async function opened() {
  if (library === "ws") {
    const connection = await tunnel();
    return new WebSocket(url, ["realtime"], { headers, createConnection: () => connection, perMessageDeflate: { threshold: 0 } });
  }
  const dispatcher = new undici.ProxyAgent({ uri: proxy.origin, token });
  return new undici.WebSocket(url, { protocols: ["realtime"], headers, dispatcher });
}

const socket = await opened();
const said = ["hello", "long ".repeat(50_000), "credential"];
socket.addEventListener("open", () => {
  console.log(socket.protocol, socket.extensions);
  socket.send(said[0]);
});
socket.addEventListener("message", ({ data }) => {
  const sent = said.shift();
  console.log(data === sent ? "echoed" : data);
  if (said.length > 0) socket.send(said[0]);
  else socket.close(4000, "done");
});
socket.addEventListener("error", ({ message, error }) => console.log("error", message ?? error));
socket.addEventListener("close", ({ code }) => {
  console.log("closed", code);
  process.exit(0);
});
