// Puts the native module and the executable where the loader finds them.
//
//   node scripts/native.js             a debug build, into native/
//   node scripts/native.js --package   a release build, into the platform's package
//   node scripts/native.js --from DIR  what is already in a target folder, into native/

"use strict";

const { spawnSync } = require("node:child_process");
const { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } = require("node:fs");
const { join, resolve } = require("node:path");

const args = process.argv.slice(2);
const isPackage = args.includes("--package");
const from = args.includes("--from") ? resolve(args[args.indexOf("--from") + 1]) : undefined;
const root = resolve(__dirname, "..", "..");

if (from === undefined) {
  const release = isPackage ? ["--release"] : [];
  for (const name of ["agentsecrets-node", "agentsecrets-cli"]) {
    const { status } = spawnSync("cargo", ["build", "--package", name, ...release], { cwd: root, stdio: "inherit" });
    if (status !== 0) process.exit(status ?? 1);
  }
}

const built = from ?? join(root, "target", isPackage ? "release" : "debug");
const into = join(__dirname, "..", isPackage ? join("npm", "linux-x64-gnu") : "native");
mkdirSync(into, { recursive: true });
for (const [source, name] of [["libagentsecrets_node.so", "agentsecrets.node"], ["agentsecrets", "agentsecrets"]]) {
  const path = join(built, source);
  if (!existsSync(path)) {
    process.stderr.write(`${path} is not there\n`);
    process.exitCode = 1;
    continue;
  }
  const target = join(into, name);
  // A running program keeps the file it has; writing into it would fail or crash it.
  rmSync(target, { force: true });
  copyFileSync(path, target);
  chmodSync(target, 0o755);
}
