// A call as the native module takes it. What contradicts itself is refused; what a name may open, the core decides.

import { prepareBody, type Prepared } from "./body.js";
import { InvalidCall } from "./errors.js";
import { SecretRef } from "./secretRef.js";
import type { CallOptions, HeaderPairs, Injections, Pairs, Secret } from "./types.js";

const KNOWN: ReadonlySet<string> = new Set<keyof CallOptions>([
  "method", "bearer", "basic", "header", "query", "bodyField", "formField", "headers", "params", "body", "form",
  "files", "timeout", "maxResponse", "retries", "followRedirects", "placeholders", "signal", "project", "environment",
]);

/**
 * Checks a call's options.
 * @throws {InvalidCall} They contradict themselves.
 */
export function prepare(url: string | URL, options: CallOptions = {}): Prepared {
  for (const key in options) {
    if (!KNOWN.has(key)) throw new InvalidCall(`there is no option ${key}`);
  }
  const prepared = prepareBody(options);
  const { spec } = prepared;
  spec.method = options.method ?? "GET";
  spec.url = String(url);
  spec.injections = injections(options);
  if (options.headers !== undefined) spec.headers = headers(options.headers);
  if (options.params !== undefined) spec.params = pairs(options.params, "params");
  if (options.timeout !== undefined) spec.timeout = numberOf(options.timeout, "timeout");
  if (options.maxResponse !== undefined) spec.maxResponse = numberOf(options.maxResponse, "maxResponse");
  if (options.retries !== undefined) spec.retries = whole(options.retries);
  if (options.followRedirects !== undefined) spec.noRedirects = !truth(options.followRedirects, "followRedirects");
  if (options.placeholders !== undefined) spec.placeholders = truth(options.placeholders, "placeholders");
  if (options.project !== undefined) spec.project = options.project;
  if (options.environment !== undefined) spec.environment = options.environment;
  return prepared;
}

function injections(options: Injections): string[] {
  const flat: string[] = [];
  const add = (style: string, place: string, secret: Secret) => {
    if (secret instanceof SecretRef) flat.push(style, place, String(secret), secret.pattern ?? "");
    else if (typeof secret === "string") flat.push(style, place, secret, "");
    else throw new InvalidCall("a secret is named by a string or a SecretRef");
  };
  if (options.bearer !== undefined) add("bearer", "", options.bearer);
  if (options.basic !== undefined) add("basic", "", options.basic);
  for (const style of ["header", "query", "bodyField", "formField"] as const) {
    const places = options[style];
    if (places === undefined) continue;
    if (places === null || typeof places !== "object") throw new InvalidCall(`${style} maps places to secrets`);
    for (const place of Object.keys(places)) add(style, place, places[place] as Secret);
  }
  return flat;
}

function headers(given: HeaderPairs): string[] {
  const flat: string[] = [];
  const add = (name: string, value: unknown) => {
    if (value instanceof SecretRef) {
      throw new InvalidCall(`the plain header ${name} has a SecretRef`, { hint: 'header: {"NAME": new SecretRef(…)}' });
    }
    if (typeof value !== "string") throw new InvalidCall(`the value of header ${name} is no string`);
    flat.push(name, value);
  };
  for (const [name, value] of entries(given, "headers")) {
    if (Array.isArray(value)) value.forEach((one) => add(name, one));
    else if (value !== undefined) add(name, value);
  }
  return flat;
}

/** Plain names and values; a list gives its name as often, `null` and `undefined` leave it out. */
export function pairs(given: Pairs, what: "params" | "form"): string[] {
  const flat: string[] = [];
  const add = (name: string, value: unknown) => {
    if (value === null || value === undefined) return;
    if (value instanceof SecretRef) {
      const style = what === "params" ? "query" : "formField";
      throw new InvalidCall(`${what} has a SecretRef`, { hint: `${style}: {"NAME": new SecretRef(…)}` });
    }
    if (!["string", "number", "bigint", "boolean"].includes(typeof value)) {
      throw new InvalidCall(`a value in ${what} is neither string, number nor boolean`);
    }
    flat.push(name, String(value));
  };
  for (const [name, value] of entries(given, what)) {
    if (Array.isArray(value)) value.forEach((one) => add(name, one));
    else add(name, value);
  }
  return flat;
}

function entries(given: object, what: string): Iterable<readonly [string, unknown]> {
  if (given === null || typeof given !== "object") throw new InvalidCall(`${what} maps names to values`);
  if (!(Symbol.iterator in given)) return Object.entries(given);
  return (given as Iterable<readonly [string, unknown]>);
}

function numberOf(value: unknown, what: string): number {
  if (typeof value !== "number") throw new InvalidCall(`${what} is a number`);
  return value;
}

function truth(value: unknown, what: string): boolean {
  if (typeof value !== "boolean") throw new InvalidCall(`${what} is a boolean`);
  return value;
}

function whole(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 2 ** 32) return value;
  throw new InvalidCall("retries is a whole number");
}
