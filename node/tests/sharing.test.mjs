// Two homes share a workspace by a real server, and programs see names of it, never values.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect } from "node:util";

import {
  InvalidCall, NeedsBroker, NotLoggedIn, ProjectNotFound, SecretNotFound, SyncUnavailable, WorkspaceNotFound,
} from "agentsecrets";
import { MockAgentSecrets } from "agentsecrets/testing";

import { canary, Home, Upstream } from "./harness.mjs";
import { PERSONAL, SHARED, team, WORKSPACE } from "./team.mjs";

let upstream, server, ann, ben, annClient, benClient;

before(async () => {
  upstream = await Upstream.start();
  ({ server, ann, ben } = await team(upstream));
  [annClient, benClient] = [ann.client(), ben.client()];
});

after(async () => {
  ann?.stop();
  ben?.stop();
  await server?.remove();
  upstream?.stop();
});

/** The only one of this name. */
function of(name, drift) {
  const found = drift.filter((one) => one.name === name);
  assert.equal(found.length, 1, name);
  return found[0];
}

const has = (name, drift) => drift.some((one) => one.name === name);
const versions = (history) => history.map(({ version }) => version);
const sharing = ({ secrets, workspaces }) => [
  () => secrets.diff(), () => secrets.pull(), () => secrets.push(), () => secrets.history("KEY"), () => workspaces.members(),
];

test("what one gives, the other takes and uses", async () => {
  const value = ann.store("GIVEN");
  ann.allow("GIVEN");
  const added = of("GIVEN", await annClient.secrets.diff());
  assert.deepEqual([added.state, added.change, added.author, added.version], ["local", "added", undefined, undefined]);
  assert.deepEqual([added.project, added.environment], [SHARED, "development"]);
  assert.ok(!("record" in added));
  assert.ok(has("GIVEN", (await annClient.secrets.push("GIVEN")).pushed));

  const there = of("GIVEN", await benClient.secrets.diff());
  assert.deepEqual([there.state, there.change, there.author, there.version], ["remote", "added", ann.email, 1]);
  assert.ok(there.time instanceof Date);
  assert.equal((await benClient.secrets.check("GIVEN"))[0].present, false);
  assert.ok(has("GIVEN", (await benClient.secrets.pull()).pulled));
  assert.ok(!has("GIVEN", [...(await benClient.secrets.diff()), ...(await annClient.secrets.diff())]));
  await upstream.forget();
  assert.equal((await benClient.call(upstream.url("/echo"), { bearer: "GIVEN" })).status, 200);
  const [received] = await upstream.received("/echo");
  assert.ok(received.headers.some(([name, text]) => name === "authorization" && text === `Bearer ${value}`));
});

test("a new name needs no human, and a change needs the owner", async () => {
  ann.store("CHANGED");
  assert.ok(has("CHANGED", (await annClient.secrets.push("CHANGED")).pushed));
  ann.owner(["secrets", "set", "CHANGED"], canary());
  const report = await annClient.secrets.push();
  assert.equal(of("CHANGED", report.needsOwner).change, "changed");
  assert.ok(!has("CHANGED", report.pushed));
  assert.deepEqual(versions(await annClient.secrets.history("CHANGED")), [1]);
  // The owner's own push is what gives it.
  ann.owner(["secrets", "push", "CHANGED"]);
  assert.deepEqual(versions(await annClient.secrets.history("CHANGED")), [2, 1]);
});

test("a conflict comes back by name, with its author", async () => {
  ann.store("DISPUTED");
  await annClient.secrets.push("DISPUTED");
  await benClient.secrets.pull();
  ann.owner(["secrets", "set", "DISPUTED"], canary());
  ann.owner(["secrets", "push", "DISPUTED"]);
  ben.owner(["secrets", "set", "DISPUTED"], canary());
  const { secrets } = benClient;
  for (const found of [await secrets.diff(), (await secrets.pull()).conflicts, (await secrets.push("DISPUTED")).conflicts]) {
    const { state, change, author } = of("DISPUTED", found);
    assert.deepEqual([state, change, author], ["conflict", "changed", ann.email]);
  }
  assert.equal((await benClient.status()).sync.conflicts, 1);
  ben.owner(["secrets", "pull", "--theirs", "DISPUTED"]);
  assert.deepEqual((await secrets.pull()).conflicts, []);
});

test("history, and names of every environment", async () => {
  ann.store("OLD");
  const production = ann.client({ environment: "production" });
  assert.ok(!has("OLD", await production.secrets.diff()));
  assert.equal(of("OLD", await production.secrets.diff({ all: true })).environment, "development");
  await annClient.secrets.push("OLD");
  const [first, ...others] = await annClient.secrets.history("OLD");
  assert.deepEqual([others, first.version, first.author, first.deleted, first.current], [[], 1, ann.email, false, true]);
  assert.ok(first.time instanceof Date);
  await assert.rejects(annClient.secrets.history("NEVER_SET"), SecretNotFound);
  await assert.rejects(annClient.secrets.history("no name"), InvalidCall);
  await assert.rejects(annClient.secrets.push("no name"), InvalidCall);
});

test("who is in it, and how it came to be", async () => {
  const members = await annClient.workspaces.members();
  const [own, other] = [of(ann.email, members), of(ben.email, members)];
  assert.deepEqual([own.role, own.own, own.devices], ["admin", true, 1]);
  assert.deepEqual([other.role, other.own, other.fingerprint.split(" ").length], ["member", false, 6]);
  const [mine, theirs] = [await annClient.workspaces.log(), await benClient.workspaces.log()];
  assert.ok(mine.length >= 3 && mine.every(({ time, says }) => time instanceof Date && says));
  assert.deepEqual(mine.slice(0, 3).map(({ hash }) => hash), theirs.slice(0, 3).map(({ hash }) => hash));
});

test("the status tells of the server", async () => {
  await annClient.secrets.diff();
  const { workspace, project, sync } = await annClient.status();
  assert.deepEqual([workspace, project], [WORKSPACE, SHARED]);
  assert.deepEqual([sync.server, sync.email, sync.stale], [server.url, ann.email, false]);
  assert.ok(sync.asked instanceof Date && sync.heard instanceof Date);
  assert.equal(sync.entries, (await annClient.workspaces.log()).length);
});

test("one client in two workspaces", async () => {
  ann.store("INSIDE");
  const own = ann.client({ workspace: PERSONAL, project: "tests" });
  const inside = own.workspace(WORKSPACE);
  const [outer, inner] = [await own.status(), await inside.status()];
  assert.deepEqual([outer.workspace, outer.project], [PERSONAL, "tests"]);
  assert.deepEqual([inner.workspace, inner.project, inner.brokerPid], [WORKSPACE, SHARED, outer.brokerPid]);
  assert.ok((await inside.secrets.check("INSIDE"))[0].present);
  assert.ok(!(await own.secrets.check("INSIDE"))[0].present);
  assert.equal((await own.workspace(WORKSPACE, { project: SHARED }).status()).project, SHARED);
  await assert.rejects(own.workspace(WORKSPACE, { project: "tests" }).secrets.list(), ProjectNotFound);
  await assert.rejects(own.workspace("nowhere").secrets.list(), WorkspaceNotFound);
  assert.throws(() => own.workspace("no name"), InvalidCall);
  await own.close();
  // Each is closed by itself.
  assert.throws(() => own.workspace(WORKSPACE), InvalidCall);
  assert.ok((await inside.secrets.check("INSIDE"))[0].present);
});

test("the workspace in use", async () => {
  const client = ben.client({ workspace: undefined });
  const listed = await client.workspaces.list();
  assert.deepEqual(listed.map(({ name, shared, role }) => [name, shared, role]), [
    [PERSONAL, false, undefined], [WORKSPACE, true, "member"],
  ]);
  assert.deepEqual(await client.workspaces.use(PERSONAL), { project: "tests" });
  assert.equal((await client.status()).workspace, PERSONAL);
  assert.deepEqual(await client.workspaces.use(WORKSPACE), { project: SHARED });
  assert.equal((await client.status()).workspace, WORKSPACE);
  await assert.rejects(client.workspaces.use("nowhere"), WorkspaceNotFound);
});

test("what is refused is refused by class", async () => {
  const alone = new Home(upstream);
  try {
    for (const ask of sharing(alone.client())) await assert.rejects(ask(), NotLoggedIn);
    assert.equal((await alone.client().status()).sync, undefined);
  } finally {
    alone.stop();
  }
  const own = annClient.workspace(PERSONAL);
  for (const ask of [...sharing(own), () => own.workspaces.log()]) await assert.rejects(ask(), WorkspaceNotFound);
  const inside = ann.client({ isolation: "in-process" });
  for (const ask of sharing(inside)) await assert.rejects(ask(), NeedsBroker);
});

test("without its server a home goes on", async () => {
  ann.store("KEPT");
  ann.allow("KEPT");
  await server.stop();
  try {
    for (const ask of sharing(annClient)) {
      await assert.rejects(ask(), (error) => error instanceof SyncUnavailable && error.retryable);
    }
    assert.ok((await annClient.workspaces.log()).length > 0);
    assert.equal((await annClient.call(upstream.url("/echo"), { bearer: "KEPT" })).status, 200);
  } finally {
    await server.start();
  }
  assert.equal(of("KEPT", await annClient.secrets.diff()).state, "local");
});

async function everything(client) {
  const { secrets, workspaces } = client;
  const found = [client, secrets, workspaces, client.workspace(WORKSPACE), await client.status()];
  found.push(await secrets.diff({ all: true }), await secrets.pull(), await secrets.push());
  found.push(await workspaces.list(), await workspaces.members(), await workspaces.log());
  for (const { name } of await secrets.list()) found.push(await secrets.history(name).catch((error) => error));
  found.push(await secrets.history("NEVER_SET").catch((error) => error));
  return found;
}

function shown(object) {
  const inspected = inspect(object, { depth: Infinity, showHidden: true, getters: true });
  return [inspected, JSON.stringify(object), String(object), object.stack].join("\n");
}

test("no answer leads to a value", async () => {
  const value = ann.store("HIDDEN");
  const found = [await annClient.secrets.diff(), await annClient.secrets.push()];
  found.push(...(await everything(annClient)), ...(await everything(benClient)));
  assert.ok(shown({ planted: [{ author: value }] }).includes(value), "the search finds what is there");
  for (const answer of found) assert.ok(!shown(answer).includes(value));
});

test("the acts of the owner are not there", () => {
  for (const name of ["append", "follow", "leave", "create", "invite", "join", "remove", "promote", "enrol", "sign"]) {
    assert.ok(!(name in annClient.secrets) && !(name in annClient.workspaces), name);
  }
  assert.equal(annClient.secrets.pull.length, 0);
});

test("a mock has nothing to share", async () => {
  const mock = new MockAgentSecrets();
  assert.equal(mock.workspace(WORKSPACE), mock);
  assert.deepEqual([await mock.secrets.diff(), await mock.secrets.history(), await mock.workspaces.members()], [[], [], []]);
  assert.deepEqual(await mock.secrets.pull(), { pulled: [], conflicts: [], unpushed: [] });
  mock.tell({ push: { pushed: [], conflicts: [], needsOwner: [{ name: "KEY" }] } });
  assert.ok(has("KEY", (await mock.secrets.push()).needsOwner));
});
