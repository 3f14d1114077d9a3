#!/usr/bin/env node
// Starts the real executable: same terminal, same descriptors, its signals and its exit code.

"use strict";

const { spawn } = require("node:child_process");
const { existsSync } = require("node:fs");
const { dirname, join } = require("node:path");
const { constants } = require("node:os");

const PACKAGES = { "linux-x64": "@agentsecrets/linux-x64-gnu" };

function locate() {
  const built = join(__dirname, "..", "native", "agentsecrets");
  if (existsSync(built)) return built;
  const platform = `${process.platform}-${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) return fail(`there is no build for ${platform}`);
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), "agentsecrets");
  } catch {
    return fail(`the package ${name} is missing; install without --omit=optional`);
  }
}

function fail(message) {
  process.stderr.write(`agentsecrets: ${message}\n`);
  process.exit(1);
}

/** Descriptors that the arguments name (`--passphrase-fd 3`, `--unlock fd:4`): passed on, where others are not. */
function descriptors(args) {
  const named = args.flatMap((arg, at) => {
    const found = /^(?:--(?:passphrase-fd|unlock)=)?(?:fd:)?([0-9]{1,4})$/.exec(arg);
    const isNamed = found && (arg.includes("fd") || args[at - 1] === "--passphrase-fd");
    return isNamed ? [Number(found[1])] : [];
  });
  const last = Math.max(2, ...named);
  return Array.from({ length: last + 1 }, (_, fd) => (fd < 3 || named.includes(fd) ? fd : "ignore"));
}

const args = process.argv.slice(2);
const child = spawn(locate(), args, { stdio: descriptors(args) });
child.on("error", (error) => fail(`the executable does not start: ${error.code}`));

// A terminal sends an interrupt to both; one that is sent to this process alone is passed on.
const PASSED = ["SIGTERM", "SIGHUP", "SIGQUIT", ...(process.stdin.isTTY ? [] : ["SIGINT"])];
for (const signal of PASSED) process.on(signal, () => child.kill(signal));
if (process.stdin.isTTY) process.on("SIGINT", () => undefined);

child.on("exit", (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
  // Where the signal does not end this process, its number does.
  setTimeout(() => process.exit(128 + constants.signals[signal]), 100);
});
