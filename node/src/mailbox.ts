// Work under way: each has an id, and a batch of what is done comes with one wake-up of the event loop.

import { errorOf, native, type Completion, type Refusal } from "./native.js";

type Settle = (completion: Completion) => void;

const pending = new Map<number, Settle>();
let lastId = 0;

export const mailbox = new native.Mailbox((batch) => {
  for (const completion of batch) {
    const settle = pending.get(completion.id);
    // Given up in the meantime.
    if (settle === undefined) continue;
    pending.delete(completion.id);
    settle(completion);
  }
  if (pending.size === 0) mailbox.release();
});
// Nothing is under way yet, so nothing holds the event loop; the mailbox is made that way.

/** An id for work. */
export function makeId(): number {
  do lastId = (lastId + 1) >>> 0;
  while (pending.has(lastId));
  return lastId;
}

/** Waits for the work of an id. Something that waits holds the event loop. */
export function expect(id: number, settle: Settle): void {
  if (pending.size === 0) mailbox.hold();
  pending.set(id, settle);
}

/** Gives work up: what it used is closed, and nothing comes of it any more. */
export function giveUp(id: number): void {
  if (!pending.delete(id)) return;
  mailbox.cancel(id);
  if (pending.size === 0) mailbox.release();
}

/** Starts work, and waits for it. An abort rejects with the signal's reason and closes the socket. */
export function run(start: (id: number) => Refusal | null, signal?: AbortSignal | null): Promise<Completion> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const id = makeId();
    const refusal = start(id);
    if (refusal) {
      reject(errorOf(refusal));
      return;
    }
    const aborted = () => {
      giveUp(id);
      reject(signal?.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
    expect(id, (completion) => {
      signal?.removeEventListener("abort", aborted);
      if (completion.error) reject(errorOf(completion.error));
      else resolve(completion);
    });
  });
}
