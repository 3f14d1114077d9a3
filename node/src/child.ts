// A granted command as a child of the broker: this process never holds a value.

import { constants } from "node:os";

import { InvalidCall } from "./errors.js";
import { run } from "./mailbox.js";
import { type NativeChild, type SpawnSpec } from "./native.js";
import type { SpawnOptions, StreamOption } from "./types.js";

/** How a child ended. */
export interface ChildExit {
  /** The exit code; `null` where a signal ended it. */
  readonly code: number | null;
  /** The signal that ended it, as in `SIGTERM`. */
  readonly signal: NodeJS.Signals | null;
  /** What it wrote to stdout without values, where that was captured. */
  readonly stdout: Buffer | null;
  /** What it wrote to stderr without values, where that was captured. */
  readonly stderr: Buffer | null;
}

/** A child of the broker. It ends with this process at the latest. */
export class Child {
  /** The process id. */
  readonly pid: number;
  readonly #native: NativeChild;
  #exit: Promise<ChildExit> | undefined;

  /** @internal */
  constructor(native: NativeChild) {
    this.#native = native;
    this.pid = native.pid;
  }

  /** Waits for the end. */
  wait(): Promise<ChildExit> {
    return (this.#exit ??= this.#wait());
  }

  /** Sends a signal to the child and its group; one that has ended gets none. */
  kill(signal: NodeJS.Signals | number = "SIGTERM"): void {
    const number = typeof signal === "number" ? signal : constants.signals[signal];
    if (!Number.isInteger(number)) throw new InvalidCall("the signal is unknown");
    this.#native.signal(number);
  }

  async #wait(): Promise<ChildExit> {
    const { exit } = await run((id) => this.#native.wait(id));
    const { code, signal, stdout, stderr } = exit!;
    return { code: code ?? null, signal: nameOf(signal), stdout: stdout ?? null, stderr: stderr ?? null };
  }
}

function nameOf(signal: number | null | undefined): NodeJS.Signals | null {
  const found = Object.entries(constants.signals).find(([, number]) => number === signal);
  return found ? (found[0] as NodeJS.Signals) : null;
}

/** The description of a child as the native module takes it. */
export function specOf(argv: readonly string[], options: SpawnOptions): SpawnSpec {
  if (!Array.isArray(argv) || argv.length === 0 || argv.some((word) => typeof word !== "string")) {
    throw new InvalidCall("the command is a list of words");
  }
  const { secrets = [], stdin, stdout, stderr, captureOutput = false, cwd, env } = options;
  if (captureOutput && (stdout !== undefined || stderr !== undefined)) {
    throw new InvalidCall("captureOutput excludes stdout and stderr");
  }
  const captured = captureOutput ? "capture" : undefined;
  const variables = env && Object.entries(env).flatMap(([name, value]) => (value === undefined ? [] : [name, String(value)]));
  return {
    argv: [...argv],
    secrets: secrets.map(String),
    streams: [numberOf(stdin), numberOf(stdout ?? captured), numberOf(stderr ?? captured)],
    variables,
    directory: cwd === undefined ? undefined : String(cwd),
  };
}

function numberOf(stream: StreamOption | "capture" | undefined): number {
  if (stream === undefined || stream === "inherit") return -1;
  if (stream === "ignore") return -2;
  if (stream === "capture") return -3;
  if (Number.isInteger(stream) && stream >= 0) return stream;
  throw new InvalidCall('a stream is "inherit", "ignore", "capture" or a descriptor');
}
