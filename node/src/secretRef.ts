// The name of a secret: what a program holds instead of a value.

import { inspect } from "node:util";

import { InvalidCall } from "./errors.js";
import { errorOf, isRefusal, native, type Reference } from "./native.js";

/**
 * A reference to a secret: `NAME`, `PROJECT/ENVIRONMENT/NAME` or `agentsecrets://WORKSPACE/PROJECT/ENVIRONMENT/NAME`.
 * Frozen, and safe to print, log and serialise: nothing in it leads to a value.
 */
export class SecretRef {
  /** The secret's name. */
  readonly name: string;
  /** The workspace, where the reference names one. */
  readonly workspace: string | undefined;
  /** The project, where the reference names one. */
  readonly project: string | undefined;
  /** The environment, where the reference names one. */
  readonly environment: string | undefined;
  /** The text around the value, with `{}` in the value's place. */
  readonly pattern: string | undefined;
  readonly #text: string;
  readonly #placeholder: string | undefined;

  /** @throws {InvalidCall} The text is no reference. */
  constructor(text: string, pattern?: string) {
    const parsed = parse(text, pattern);
    this.name = parsed.name;
    this.workspace = parsed.workspace ?? undefined;
    this.project = parsed.project ?? undefined;
    this.environment = parsed.environment ?? undefined;
    this.pattern = pattern;
    this.#text = parsed.text;
    this.#placeholder = parsed.placeholder ?? undefined;
    Object.freeze(this);
  }

  /**
   * The same secret with text around its value: `format("Bot {}")`.
   * @throws {InvalidCall} The pattern has not exactly one `{}`.
   */
  format(pattern: string): SecretRef {
    if (pattern === "") throw new InvalidCall("a format has exactly one {} for the value");
    return new SecretRef(this.#text, pattern);
  }

  /**
   * A text that stands for the secret where a library wants a string.
   * @throws {InvalidCall} The reference is scoped.
   */
  get placeholder(): string {
    if (this.#placeholder !== undefined) return this.#placeholder;
    throw new InvalidCall("a scoped reference has no placeholder", {
      hint: "choose project and environment on the client, and take the placeholder of the bare name",
    });
  }

  /**
   * A placeholder that begins like the vendor's keys do, for libraries that check: `placeholderLike("sk-")`.
   * @throws {InvalidCall} The beginning is empty, longer than 64 characters or not of printable ASCII, or the reference is
   *   scoped.
   */
  placeholderLike(beginning: string): string {
    const plain = this.placeholder;
    if (typeof beginning !== "string" || !/^[!-~]{1,64}$/.test(beginning)) {
      throw new InvalidCall("a key begins with 1 to 64 characters of printable ASCII");
    }
    return `${beginning}${plain.replace("AS_SECRET_", `AS_SECRET_${beginning.length}_`)}`;
  }

  toString(): string {
    return this.#text;
  }

  toJSON(): string {
    return this.#text;
  }

  [inspect.custom](): string {
    return this.#text;
  }
}

function parse(text: unknown, pattern: unknown): Reference {
  if (typeof text !== "string" || (pattern !== undefined && typeof pattern !== "string")) {
    throw new InvalidCall("a secret is named by a string");
  }
  const parsed = native.parseReference(text, pattern);
  if (isRefusal(parsed)) throw errorOf(parsed);
  return parsed;
}
