// What the core tells, with the names and times of this language.

const TIMES: ReadonlySet<string> = new Set(["created", "updated", "expires", "time", "began", "ended", "asked", "heard"]);

/** The same tree in camelCase, its times as dates. */
export function told<T>(answer: unknown): T {
  return tell(answer) as T;
}

function tell(answer: unknown): unknown {
  if (Array.isArray(answer)) return answer.map(tell);
  if (answer === null || typeof answer !== "object") return answer;
  const found: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(answer)) {
    // The id of a sealed record is the command line's concern.
    if (name === "record") continue;
    const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
    found[key] = TIMES.has(name) && typeof value === "string" ? new Date(value) : tell(value);
  }
  return found;
}
