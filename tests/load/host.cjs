// Makes calls as lines of JSON on stdin say, all at the same time, and tells what came of each line.
"use strict";

const { createInterface } = require("node:readline");
const { AgentSecrets, AgentSecretsError } = require(process.argv[2]);

const shared = new AgentSecrets();
const newTally = () => ({ good: 0, wrong: 0, final: 0, codes: {}, said: [] });
let tally = newTally();
let streams = [];
let seenEvents = 0;
let close = () => {};
let closing = new Promise(() => {});

function failed(tally, error) {
  if (!(error instanceof AgentSecretsError)) throw error;
  tally.codes[error.code] = (tally.codes[error.code] ?? 0) + 1;
  if (!error.retryable) tally.final += 1;
  if (tally.said.length < 4 && !tally.said.includes(String(error))) tally.said.push(String(error));
}

// Every answer has to be that of its own request.
async function calls(said, client = shared, tally = newTally()) {
  let next = said.first;
  const oneAfterTheOther = async () => {
    while (next < said.first + said.count) {
      const own = `n=${next}`;
      next += 1;
      try {
        const answer = await client.call(said.url + own, { bearer: "TOKEN", timeout: 120_000 });
        const isOwn = answer.status === 200 && answer.json().target.endsWith(own) && answer.redacted.join() === "TOKEN";
        tally[isOwn ? "good" : "wrong"] += 1;
      } catch (error) {
        failed(tally, error);
      }
    }
  };
  await Promise.all(Array.from({ length: said.in_flight }, oneAfterTheOther));
  return tally;
}

// Every event has to come, in order, and be that of its own stream.
async function stream(said, number, opened) {
  let seen = 0;
  try {
    const url = `${said.urls[number % said.urls.length]}tag=${number}`;
    const answer = await shared.stream(url, { bearer: "TOKEN", timeout: 120_000 });
    for await (const event of answer.events()) {
      seen += 1;
      if (event.id !== String(seen) || !event.data.split("\n").includes(`tag ${number}`)) break;
      opened();
      seenEvents += 1;
      if (seen === said.events && said.hold) {
        await closing;
        break;
      }
    }
    tally[seen === said.events ? "good" : "wrong"] += 1;
  } catch (error) {
    failed(tally, error);
  } finally {
    opened();
  }
}

const commands = {
  calls: (said) => calls(said),
  // As many clients of their own, each with one call, all at once.
  async clients(said) {
    const tally = newTally();
    await Promise.all(Array.from({ length: said.count }, async (_, at) => {
      const own = new AgentSecrets();
      await calls({ ...said, first: said.first + at, count: 1, in_flight: 1 }, own, tally);
      await own.close();
    }));
    return tally;
  },
  // Opens streams, and tells when each has given its first event or failed.
  async open(said) {
    tally = newTally();
    seenEvents = 0;
    closing = new Promise((resolve) => { close = resolve; });
    const opened = [];
    streams = Array.from({ length: said.count }, (_, at) => new Promise((done) => {
      opened.push(new Promise((first) => stream(said, said.first + at, first).then(done)));
    }));
    await Promise.all(opened);
    return { ...tally, seen: seenEvents };
  },
  count: async () => ({ seen: seenEvents }),
  // Lets go of what is held, and tells of every stream.
  async close() {
    close();
    await Promise.all(streams);
    return tally;
  },
};

(async () => {
  for await (const line of createInterface({ input: process.stdin })) {
    const said = JSON.parse(line);
    commands[said.do](said).then((told) => console.log(JSON.stringify({ tag: said.tag, ...told })));
  }
  await shared.close();
})();
