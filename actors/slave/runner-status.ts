/**
 * What a runner says of its build, line by line: `STATUS TEXT`, e.g. `Building 40 % of the kernels`. Read by the
 * workshop. Statuses are news for people, but for two that are the runner's verdict, whatever its exit code:
 *
 *     Failed TEXT                    it stands; the build is not tried again by itself
 *     Blocked needs REQUIREMENT …    again when these can be had (without white space in each)
 *     Blocked for 30m TEXT           again after that time (s, m, h, d)
 *     Blocked TEXT                   again later
 *
 * The last verdict counts; `Done` takes it back.
 */
import { MAX_DEFER_MS } from "../../protocol/model/build.ts";
import { parseRequirement } from "../../protocol/packaging/requirement.ts";
import type { Finding } from "./cause.ts";

export interface RunnerStatus {
  readonly status: string;
  readonly text: string;
}

const MAX_LINE_BYTES = 4_096;
/** People and monitors need no more. */
const INTERVAL_MS = 1_000;

export class StatusReader {
  readonly #tell: (status: RunnerStatus) => void;
  /** Of the line that has no end yet; undefined: it is too long, and is left out to its end. */
  #line: Buffer[] | undefined = [];
  #lengthBytes = 0;
  #verdict: Finding | undefined;
  #latest: RunnerStatus | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** @param tell called once a second at most, with the newest */
  constructor(tell: (status: RunnerStatus) => void) {
    this.#tell = tell;
  }

  /** What the runner decided; undefined: it left it to its exit code. */
  get verdict(): Finding | undefined {
    return this.#verdict;
  }

  write(chunk: Buffer): void {
    let at = 0;
    for (;;) {
      const end = chunk.indexOf(10, at);
      this.#append(chunk.subarray(at, end < 0 ? chunk.length : end));
      if (end < 0) return;
      this.#endLine();
      at = end + 1;
    }
  }

  /** Tells what was held back. */
  close(): void {
    this.#endLine();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#tellLatest();
  }

  #append(part: Buffer): void {
    this.#lengthBytes += part.length;
    if (this.#lengthBytes > MAX_LINE_BYTES) this.#line = undefined;
    else this.#line?.push(Buffer.from(part));
  }

  #endLine(): void {
    const line = this.#line === undefined ? "" : Buffer.concat(this.#line).toString("utf8");
    this.#line = [];
    this.#lengthBytes = 0;
    const plain = line.replace(/\p{Cc}+/gu, " ").trim();
    if (plain === "") return;
    const [, word = "", rest = ""] = /^(\S+)\s*(.*)$/u.exec(plain) ?? [];
    const status = { status: word.slice(0, 50), text: rest.slice(0, 500) };
    this.#judge(word, rest);
    this.#latest = status;
    if (this.#timer !== undefined) return;
    this.#tellLatest();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#tellLatest();
    }, INTERVAL_MS);
  }

  #judge(status: string, text: string): void {
    if (status === "Failed") {
      const message = text === "" ? "the runner says that it failed" : text;
      this.#verdict = { cause: "build-failed", message, missing: [] };
    } else if (status === "Blocked") {
      this.#verdict = blockedBy(text);
    } else if (status === "Done") {
      this.#verdict = undefined;
    }
  }

  #tellLatest(): void {
    const latest = this.#latest;
    this.#latest = undefined;
    if (latest !== undefined) this.#tell(latest);
  }
}

const unitsMs: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

function blockedBy(text: string): Finding {
  const missing = (/^needs (.+)$/.exec(text)?.[1] ?? "").split(/\s+/).filter(isRequirement);
  if (missing.length > 0) {
    return {
      cause: "dependency-missing",
      message: `the runner waits for ${missing.join(", ")}`.slice(0, 2_000),
      missing: missing.slice(0, 100),
    };
  }
  const [, amount, unit = "", rest] = /^for (\d{1,9})([smhd])\b\s*(.*)$/.exec(text) ?? [];
  const message = (rest ?? text) === "" ? "the runner asks for another try later" : (rest ?? text);
  return {
    cause: "deferred",
    message,
    missing: [],
    ...(amount !== undefined && {
      retryAfterMs: Math.min(Number(amount) * (unitsMs[unit] ?? 0), MAX_DEFER_MS),
    }),
  };
}

function isRequirement(text: string): boolean {
  try {
    parseRequirement(text);
    return text.length <= 500;
  } catch {
    return false;
  }
}
