// A real home, the real executable and a real upstream over TLS, for every test that needs them.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import https from "node:https";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { AgentSecrets } from "agentsecrets";

export const here = dirname(fileURLToPath(import.meta.url));
export const root = resolve(here, "..", "..");

export function find(variable, ...candidates) {
  const given = process.env[variable];
  const found = given ?? candidates.find((path) => existsSync(path));
  assert.ok(found, `${variable} names no executable, and there is no build of it`);
  return found;
}

export const executable = find(
  "AGENTSECRETS_TEST_EXECUTABLE",
  join(root, "node/native/agentsecrets"),
  join(root, "target/debug/agentsecrets"),
);
const upstreamExecutable = find("AGENTSECRETS_TEST_UPSTREAM", join(root, "target/debug/upstream"));

/** A value nobody has seen before, in the shape of a vendor's. */
export function canary(prefix = "sk_live_") {
  return prefix + randomBytes(24).toString("base64url").replace(/[-_]/g, "x");
}

/** The upstream, ended with the test process. */
export class Upstream {
  static async start(...options) {
    const dir = mkdtempSync(join(tmpdir(), "agentsecrets-upstream-"));
    const child = spawn(upstreamExecutable, ["--dir", dir, "--until-stdin-closes", ...options], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = await new Promise((done) => createInterface(child.stdout).once("line", (text) => done([text])));
    return new Upstream(child, dir, JSON.parse(line));
  }

  constructor(child, dir, ready) {
    Object.assign(this, { child, dir, ca: ready.ca, port: ready.https_port, origin: `https://localhost:${ready.https_port}` });
    child.unref();
    child.stdin.unref?.();
    child.stdout.unref?.();
  }

  url(path) {
    return `${this.origin}${path}`;
  }

  ask(path, method = "GET") {
    return new Promise((done, failed) => {
      const options = { method, ca: readFileSync(this.ca), agent: false };
      https.request(this.url(path), options, async (response) => {
        const pieces = [];
        for await (const piece of response) pieces.push(piece);
        done(Buffer.concat(pieces).toString());
      }).on("error", failed).end();
    });
  }

  async received(path) {
    const all = JSON.parse(await this.ask("/__received"));
    return path === undefined ? all : all.filter((one) => one.path === path);
  }

  async state() {
    return JSON.parse(await this.ask("/__state"));
  }

  forget() {
    return this.ask("/__received", "DELETE");
  }

  stop() {
    this.child.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** A descriptor of a file with this text, which is left under no name. */
function nameless(path, text) {
  writeFileSync(path, text, { mode: 0o600 });
  const descriptor = openSync(path, "r+");
  unlinkSync(path);
  return descriptor;
}

function read(descriptor) {
  const buffer = Buffer.alloc(64 << 10);
  return buffer.toString("utf8", 0, readSync(descriptor, buffer, 0, buffer.length, 0));
}

/** A throwaway home with an encrypted file as its store. */
export class Home {
  constructor(upstream) {
    this.dir = mkdtempSync(join(tmpdir(), "agentsecrets-home-"));
    this.home = join(this.dir, "home");
    this.upstream = upstream;
    this.passphrase = canary("pass-");
    const key = join(this.dir, "use-key");
    const choices = ["--store", "file", "--unlock", `file:${key}`, "--project", "tests"];
    this.owner(["init", ...choices]);
    this.owner(["trust", "add", upstream.ca]);
    this.unlock = `file:${key}`;
  }

  env() {
    return { PATH: process.env.PATH, HOME: this.dir, AGENTSECRETS_HOME: this.home };
  }

  /**
   * Runs the executable as the owner. The passphrase comes by a descriptor, and so does each text of `given`, by its
   * option; `told` is the option of a descriptor that a code is written to, which is returned in place of what is printed.
   */
  owner(args, input, last = [], { given = {}, told } = {}) {
    const texts = { "--passphrase-fd": `${this.passphrase}\n`, ...given, ...(told && { [told]: "" }) };
    const descriptors = Object.values(texts).map((text) => nameless(join(this.dir, "text"), text));
    const words = Object.keys(texts).flatMap((option, index) => [option, String(3 + index)]);
    try {
      const printed = this.run([...args, ...words, ...last], input, ...descriptors);
      return told === undefined ? printed : read(descriptors.at(-1)).trim();
    } finally {
      for (const descriptor of descriptors) closeSync(descriptor);
    }
  }

  run(args, input = "", ...descriptors) {
    const stdio = ["pipe", "pipe", "pipe", ...descriptors];
    const done = spawnSync(executable, args, { input, stdio, cwd: this.dir, env: this.env() });
    assert.equal(done.status, 0, `${args.join(" ")}\n${done.stdout}${done.stderr}`);
    return done.stdout.toString();
  }

  /** Stores a value, and grants it to the upstream. */
  set(name, value, ...options) {
    this.run(["secrets", "set", name, "--weak"], value);
    this.allow(name, ...options);
  }

  allow(name, ...options) {
    this.owner(["allow", name, this.upstream.origin, ...options]);
  }

  /** Gives a secret to a command. */
  allowCommand(name, ...argv) {
    this.owner(["allow", name], "", ["--command", "--", ...argv]);
  }

  client(options = {}) {
    const in_process = options.isolation === "in-process" ? { unlock: this.unlock } : {};
    return new AgentSecrets({ home: this.home, project: "tests", ...in_process, ...options });
  }

  stop() {
    spawnSync(executable, ["broker", "stop"], { env: this.env(), cwd: this.dir });
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Waits until a condition holds. */
export async function until(condition, what, limit = 20_000) {
  const end = Date.now() + limit;
  for (;;) {
    if (await condition()) return;
    assert.ok(Date.now() < end, `${what} did not happen`);
    await new Promise((done) => setTimeout(done, 20));
  }
}
