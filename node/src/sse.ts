// Lines and server-sent events, from text in any pieces.

import type { ServerSentEvent } from "./types.js";

/** Cuts text at LF, CR and CRLF. A line is given at its end, not when the next one begins. */
export class LineSplitter {
  #rest: string[] = [];
  #afterCr = false;

  feed(given: string): string[] {
    let text = given;
    if (this.#afterCr && text !== "") {
      // A CR ended the line before; an LF now belongs to it.
      this.#afterCr = false;
      if (text.startsWith("\n")) text = text.slice(1);
    }
    if (text === "") return [];
    this.#afterCr = text.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    this.#rest.push(lines[0] as string);
    if (lines.length === 1) return [];
    lines[0] = this.#rest.join("");
    this.#rest = [lines.pop() as string];
    return lines;
  }

  /** The last line, where the text does not end with a line's end. */
  end(): string[] {
    const rest = this.#rest.join("");
    this.#rest = [];
    return rest === "" ? [] : [rest];
  }
}

/** Reads events from lines; one cut off at the stream's end is none. */
export class EventParser {
  #data: string[] = [];
  #event = "";
  #id = "";
  #retry: number | undefined;

  /** The event that ends with this line. */
  line(line: string): ServerSentEvent | undefined {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const rest = colon < 0 ? "" : line.slice(colon + 1);
    const value = rest.startsWith(" ") ? rest.slice(1) : rest;
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#event = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.#retry = Number(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const [data, event, retry] = [this.#data, this.#event, this.#retry];
    this.#data = [];
    this.#event = "";
    if (data.length === 0) return undefined;
    this.#retry = undefined;
    return Object.freeze({ event: event || "message", data: data.join("\n"), id: this.#id, retry });
  }
}
