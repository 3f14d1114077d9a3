// Are the types wrong? Asked of the packed package, as a user gets it.

"use strict";

const { spawnSync } = require("node:child_process");
const { mkdtempSync, readdirSync, rmSync } = require("node:fs");
const { tmpdir } = require("node:os");
const { join } = require("node:path");

const folder = mkdtempSync(join(tmpdir(), "agentsecrets-attw-"));
try {
  const packed = spawnSync("npm", ["pack", "--silent", "--pack-destination", folder], { stdio: ["ignore", "ignore", "inherit"] });
  const [tarball] = readdirSync(folder);
  if (packed.status !== 0 || tarball === undefined) process.exit(1);
  // Node 20 is the oldest there is, so `node10` resolution, which knows no `exports`, is not asked about.
  const asked = spawnSync("npx", ["attw", "--profile", "node16", join(folder, tarball)], { stdio: "inherit" });
  process.exitCode = asked.status ?? 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
