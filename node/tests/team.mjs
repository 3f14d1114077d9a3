// A real server on loopback, and two homes that share a workspace by it.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { canary, find, Home, root } from "./harness.mjs";

export const PERSONAL = "personal";
export const WORKSPACE = "acme";
export const SHARED = "payments";

const executable = find("AGENTSECRETS_TEST_SERVER", join(root, "target/debug/agentsecrets-server"));

/** The server that is shipped, on SQLite. */
export class Server {
  #address = "127.0.0.1:0";
  #child;
  #data = mkdtempSync(join(tmpdir(), "agentsecrets-server-"));

  get url() {
    return `http://${this.#address}`;
  }

  /** Starts it, at the address that it had before. */
  async start() {
    // Everybody comes from one address here.
    const words = ["--listen", this.#address, "--data", this.#data, "--logins-per-minute", "1000"];
    this.#child = spawn(executable, words, { stdio: ["ignore", "ignore", "pipe"] });
    const lines = createInterface(this.#child.stderr);
    this.#address = await new Promise((done, failed) => {
      this.#child.once("exit", () => failed(new Error("the server did not start")));
      lines.on("line", (line) => line.includes('"listening"') && done(JSON.parse(line).fields.address));
    });
  }

  async stop() {
    const ended = new Promise((done) => this.#child.once("exit", done));
    this.#child.kill();
    await ended;
  }

  async remove() {
    await this.stop();
    rmSync(this.#data, { recursive: true, force: true });
  }
}

/** Somebody with an account at the server. */
export class Member extends Home {
  constructor(upstream, server, name) {
    super(upstream);
    this.email = `${name}@example.com`;
    const words = ["login", "--server", server.url, "--email", this.email, "--new"];
    this.owner(words, "", [], { given: { "--password-fd": canary("password-") }, told: "--recovery-fd" });
  }

  /** Stores a value that nobody has seen before. */
  store(name) {
    const value = canary();
    this.run(["secrets", "set", name], value);
    return value;
  }

  client(options = {}) {
    return super.client({ workspace: WORKSPACE, project: undefined, ...options });
  }
}

/** Ann, who has made a workspace, and Ben, whom she has invited. */
export async function team(upstream) {
  const server = new Server();
  await server.start();
  const [ann, ben] = ["ann", "ben"].map((name) => new Member(upstream, server, name));
  ann.owner(["workspace", "create", WORKSPACE, "--project", SHARED]);
  const code = ann.owner(["workspace", "invite", ben.email], "", [], { told: "--code-fd" });
  ben.owner(["workspace", "join"], "", [], { given: { "--code-fd": code } });
  return { server, ann, ben };
}
