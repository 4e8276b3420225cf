/**
 * Who is let in over HTTP: by a token, said as `Authorization: Bearer` or as a cookie. The handlers of mounts ask here, with each
 * request and while a stream of events is open.
 *
 * What a token is good for is asked of the database by its hash, and remembered for moments: a token that is revoked
 * lets nobody in after 5 s, and while the database is away those go on for 5 s who were just let in. Nobody can guess 32 random bytes; that
 * attempts are limited keeps guesses from the database. Those who were let in lately are not held up by the limit, since
 * behind one address there may be many. Hashes are compared, never tokens: how long that takes says nothing of either.
 *
 * Whoever is not let in is told the same whatever is wrong with the token.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import {
  isEnough,
  type Right,
  type TokenHolder,
  tokenPattern,
} from "../../protocol/model/access-token.ts";
import { AttemptLimits, type AttemptRates } from "./attempt-limits.ts";
import { findToken, isSameOrigin } from "./token-cookie.ts";

export interface TokenGateOptions {
  /** Who has the token with this SHA-256 (hex); null: nobody. Rejects while that cannot be known. */
  readonly check: (sha256: string) => Promise<TokenHolder | null>;
  /** Told of everyone who is not let in. */
  readonly onRefused?: (reason: RefusalReason) => void;
  readonly times?: Partial<GateTimes>;
  /** Attempts that come to nothing: default 10 and one more every 6 s. */
  readonly perAddress?: AttemptRates;
  /** Default 100 and 2 a second. */
  readonly inAll?: AttemptRates;
}

export interface GateTimes {
  /** An answer is asked for anew after this. Default 2,000. */
  readonly freshMs: number;
  /** Without a new one it counts for so long. Default 5,000. */
  readonly holdMs: number;
  /** The database has so long to answer. Default 2,000. */
  readonly checkMs: number;
  /** How often held tokens are looked at. Default 500. */
  readonly lookMs: number;
}

/**
 * - `no-token`: none was said.
 * - `bad-token`: it is unknown, has been revoked or is expired.
 * - `too-many`: too many attempts came to nothing.
 * - `no-right`: its right is not enough.
 * - `other-origin`: another site's page had the cookie sent along with what would change something.
 * - `away`: the database does not answer.
 */
export type RefusalReason =
  | "no-token"
  | "bad-token"
  | "too-many"
  | "no-right"
  | "other-origin"
  | "away";

export interface Refused {
  readonly isAdmitted: false;
  readonly reason: RefusalReason;
  readonly status: 401 | 403 | 429 | 503;
  /** One line for people. */
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Admitted {
  readonly isAdmitted: true;
  readonly holder: TokenHolder;
  readonly sha256: string;
  readonly needed: Right;
}

interface Verdict {
  readonly holder: TokenHolder;
  /** When it was asked for: what is true of the token later may be something else. */
  readonly askedAt: number;
}

interface Held {
  readonly admitted: Admitted;
  readonly onOver: (refused: Refused) => void;
}

/** More tokens than there may be. */
const MAX_VERDICTS = 2_000;
/** Questions to the database at once. */
const MAX_ASKED = 50;

export class TokenGate {
  readonly #options: TokenGateOptions;
  readonly #times: GateTimes;
  readonly #limits: AttemptLimits;
  /** Of valid tokens, by hash. An old one only says that its token was valid. */
  readonly #verdicts = new Map<string, Verdict>();
  readonly #asked = new Map<string, Promise<TokenHolder | null>>();
  readonly #held = new Set<Held>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: TokenGateOptions) {
    this.#options = options;
    this.#times = { freshMs: 2_000, holdMs: 5_000, checkMs: 2_000, lookMs: 500, ...options.times };
    this.#limits = new AttemptLimits({
      perAddress: options.perAddress ?? { burst: 10, perSecond: 1 / 6 },
      inAll: options.inAll ?? { burst: 100, perSecond: 2 },
    });
  }

  /** By the token that a request says. */
  async admit(request: IncomingMessage, needed: Right): Promise<Admitted | Refused> {
    const said = findToken(request);
    if (said === undefined) return this.#refuse("no-token");
    const isChange = request.method !== "GET" && request.method !== "HEAD";
    if (said.isCookie && isChange && !isSameOrigin(request)) return this.#refuse("other-origin");
    return this.admitToken(said.text, request, needed);
  }

  /** By a token that somebody typed into the form of this request. */
  async admitToken(
    text: string,
    request: IncomingMessage,
    needed: Right,
  ): Promise<Admitted | Refused> {
    const address = request.socket.remoteAddress ?? "";
    const sha256 = createHash("sha256").update(text).digest("hex");
    const wasValid = this.#verdicts.has(sha256);
    const waitS = wasValid ? 0 : this.#limits.take(address);
    if (waitS > 0) return this.#refuse("too-many", { "retry-after": String(waitS) });
    const holder = tokenPattern.test(text) ? await this.#verify(sha256) : null;
    if (holder === null) {
      if (wasValid) this.#limits.take(address);
      return this.#refuse("bad-token");
    }
    if (!wasValid) this.#limits.giveBack(address);
    if (holder === undefined) return this.#refuse("away");
    if (!isEnough(holder.right, needed)) return this.#refuse("no-right");
    return { isAdmitted: true, holder, sha256, needed };
  }

  /**
   * For what goes on, such as a stream of events: `onOver` is called once, when the token is good for it no longer or when
   * nobody can say. Returns how to stop looking.
   */
  hold(admitted: Admitted, onOver: (refused: Refused) => void): () => void {
    const held: Held = { admitted, onOver };
    this.#held.add(held);
    this.#timer ??= setInterval(() => this.#look(), this.#times.lookMs).unref();
    return () => this.#release(held);
  }

  #look(): void {
    const now = performance.now();
    for (const sha256 of new Set([...this.#held].map(({ admitted }) => admitted.sha256))) {
      const verdict = this.#verdicts.get(sha256);
      const isFresh = verdict !== undefined && now - verdict.askedAt < this.#times.freshMs;
      if (isFresh || this.#asked.has(sha256)) continue;
      void this.#verify(sha256).then((holder) => this.#end(sha256, holder));
    }
  }

  /** Of those who were let in by this token, whom it no longer lets. */
  #end(sha256: string, holder: TokenHolder | null | undefined): void {
    for (const held of [...this.#held]) {
      const { admitted, onOver } = held;
      if (admitted.sha256 !== sha256) continue;
      if (holder && isEnough(holder.right, admitted.needed)) continue;
      this.#release(held);
      onOver(this.#refuse(holder === undefined ? "away" : "bad-token"));
    }
  }

  #release(held: Held): void {
    this.#held.delete(held);
    if (this.#held.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Null: nobody's. Undefined: nobody can say now. */
  async #verify(sha256: string): Promise<TokenHolder | null | undefined> {
    const known = this.#heldFor(sha256, this.#times.freshMs);
    if (known !== undefined) return known;
    try {
      return await this.#ask(sha256);
    } catch {
      return this.#heldFor(sha256, this.#times.holdMs);
    }
  }

  #heldFor(sha256: string, longestMs: number): TokenHolder | undefined {
    const verdict = this.#verdicts.get(sha256);
    const isYoung = verdict !== undefined && performance.now() - verdict.askedAt < longestMs;
    return isYoung ? verdict.holder : undefined;
  }

  /** Many who come with one token at once wait for one answer. */
  #ask(sha256: string): Promise<TokenHolder | null> {
    const asked = this.#asked.get(sha256);
    if (asked !== undefined) return asked;
    if (this.#asked.size >= MAX_ASKED) return Promise.reject(new Error("too many are asked for"));
    const asking = this.#askAnew(sha256).finally(() => this.#asked.delete(sha256));
    this.#asked.set(sha256, asking);
    return asking;
  }

  async #askAnew(sha256: string): Promise<TokenHolder | null> {
    const askedAt = performance.now();
    const holder = await within(this.#times.checkMs, this.#options.check(sha256));
    this.#verdicts.delete(sha256);
    if (holder !== null) this.#verdicts.set(sha256, { holder, askedAt });
    const [oldest] = this.#verdicts.keys();
    if (oldest !== undefined && this.#verdicts.size > MAX_VERDICTS) this.#verdicts.delete(oldest);
    return holder;
  }

  #refuse(reason: RefusalReason, headers: Readonly<Record<string, string>> = {}): Refused {
    this.#options.onRefused?.(reason);
    return { ...refusals[reason], reason, headers: { ...refusals[reason].headers, ...headers } };
  }
}

const unauthorised = {
  isAdmitted: false,
  status: 401,
  text: "This needs a valid token: piw token create NAME makes one.",
  headers: { "www-authenticate": 'Bearer realm="wheelwright"' },
} as const;
const refusals: Readonly<Record<RefusalReason, Omit<Refused, "reason">>> = {
  "no-token": unauthorised,
  "bad-token": unauthorised,
  "too-many": {
    isAdmitted: false,
    status: 429,
    text: "Too many attempts came to nothing: try again later.",
    headers: {},
  },
  "no-right": {
    isAdmitted: false,
    status: 403,
    text: "This token is not good for that: it needs one that was created with --right control.",
    headers: {},
  },
  "other-origin": {
    isAdmitted: false,
    status: 403,
    text: "This was asked for by another site, or by no page at all: programs say Authorization: Bearer.",
    headers: {},
  },
  away: {
    isAdmitted: false,
    status: 503,
    text: "Whether this token is valid cannot be said now: the database does not answer.",
    headers: { "retry-after": "5" },
  },
};

/** Answers a request that was not let in, in words. */
export function sendRefusal(response: ServerResponse, { status, text, headers }: Refused): void {
  const body = `${text}\n`;
  response.writeHead(status, {
    ...headers,
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("no answer in time")), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
