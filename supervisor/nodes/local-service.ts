/**
 * What actors of another node say to those of this one: checked by the protocol of whom it is for, then
 * delivered as if it were said here. Only paths with a declared protocol can be reached.
 */
import { PendingAsk } from "../ask.ts";
import { AskError, Refusal } from "../ask-error.ts";
import type { Watcher } from "../death-watch.ts";
import type { Terminated } from "../exit-reason.ts";
import { toError } from "../exit-reason.ts";
import type { Guard } from "../mailbox.ts";
import type { Protocol } from "../protocol.ts";
import type { Receiver, Runtime } from "../runtime.ts";
import type { NodeChannel } from "./node-channel.ts";
import type { Item } from "./node-message.ts";
import { withBody } from "./remote-calls.ts";

/** One node cannot make another one remember more than this. */
const mostPins = 10_000;
const mostWatches = 100_000;
const longestText = 2_000;
const longestPath = 1_000;
const longestType = 100;
/** An invalid item is logged at most once in this time. */
const quietMs = 1_000;

interface Pin {
  readonly path: string;
  readonly guard: Guard;
}

class RemoteWatcher implements Watcher {
  readonly #tell: (news: Terminated) => void;
  constructor(tell: (news: Terminated) => void) {
    this.#tell = tell;
  }
  deliverTerminated(_type: string, news: Terminated, guard: Guard): void {
    if (guard.admit(0) === "take") this.#tell(news);
  }
}

export interface ServiceOptions {
  readonly node: string;
  readonly runtime: Runtime;
  protocols(path: string): Protocol | undefined;
  channel(): NodeChannel;
}

export class LocalService {
  readonly #options: ServiceOptions;
  /** Questions of the other node that are being answered here. */
  readonly #served = new Map<number, PendingAsk>();
  readonly #watchers = new Map<string, RemoteWatcher>();
  readonly #pins = new Map<number, Pin>();
  /** Raised when the other node is gone: what was begun for it before is answered to nobody. */
  #generation = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: ServiceOptions) {
    this.#options = options;
  }

  /** Questions of the other node that wait for an answer here. */
  get openQuestions(): number {
    return this.#served.size;
  }

  take(item: Item): void {
    const [kind, ...rest] = item;
    switch (kind) {
      case "tell": {
        const [path, pin, type, body] = rest;
        this.#tell(path, pin, type, body);
        return;
      }
      case "send": {
        const [id, path, pin, type, body] = rest;
        if (isNumber(id)) void this.#send(id, path, pin, type, body);
        else this.#damaged("send");
        return;
      }
      case "ask": {
        const [id, path, pin, type, waitMs, body] = rest;
        if (isNumber(id)) this.#ask(id, path, pin, type, waitMs, body);
        else this.#damaged("ask");
        return;
      }
      case "cancel":
        if (isNumber(rest[0])) this.#served.get(rest[0])?.giveUp("the asker gave up");
        else this.#damaged("cancel");
        return;
      case "watch":
        if (isPath(rest[0])) this.#watch(rest[0]);
        else this.#damaged("watch");
        return;
      case "unwatch":
        if (isPath(rest[0])) this.#unwatch(rest[0]);
        else this.#damaged("unwatch");
        return;
      case "pin":
        if (isNumber(rest[0]) && isPath(rest[1])) this.#pin(rest[0], rest[1]);
        else this.#damaged("pin");
        return;
      case "unpin":
        if (isNumber(rest[0])) this.#pins.delete(rest[0]);
        else this.#damaged("unpin");
        return;
      case "void":
        return;
      default:
        this.#invalid("?", "?", "an unknown kind of item");
    }
  }

  /** The other node began anew or is out of reach: nobody waits for what it had asked. */
  forget(): void {
    this.#generation += 1;
    for (const ask of [...this.#served.values()]) ask.giveUp("its node is gone");
    this.#served.clear();
    for (const watcher of this.#watchers.values()) this.#options.runtime.deathWatch.forget(watcher);
    this.#watchers.clear();
    this.#pins.clear();
  }

  // ---- messages --------------------------------------------------------------------------------

  #tell(path: unknown, pin: unknown, type: unknown, body: unknown): void {
    const found = this.#find(path, pin, type, body);
    if (typeof found === "string") return;
    found.receiver.deliver({
      type: found.type,
      body: found.body,
      ask: undefined,
      guard: found.guard,
    });
  }

  async #send(
    id: number,
    path: unknown,
    pin: unknown,
    type: unknown,
    body: unknown,
  ): Promise<void> {
    const found = this.#find(path, pin, type, body);
    if (typeof found === "string") {
      this.#post(["ok", id, "dead"]);
      return;
    }
    const { receiver, guard } = found;
    const generation = this.#generation;
    const isCurrent = () => generation === this.#generation;
    let isIn = false;
    // Who waits for room when its node is gone does not get in any more.
    const unlessGone: Guard = {
      admit: (incarnation) =>
        isIn || isCurrent() ? (guard?.admit(incarnation) ?? "take") : "drop",
    };
    const envelope = { type: found.type, body: found.body, ask: undefined, guard: unlessGone };
    const result = await receiver.deliverWhenRoom(envelope);
    if (!isCurrent()) return;
    isIn = result === "queued";
    this.#post(["ok", id, result]);
  }

  #ask(
    id: number,
    path: unknown,
    pin: unknown,
    type: unknown,
    waitMs: unknown,
    body: unknown,
  ): void {
    const found = this.#find(path, pin, type, body);
    if (typeof found === "string") {
      this.#post(["error", id, found === "nobody" ? "dead" : "failed", this.#whyNot(found, path)]);
      return;
    }
    const timeoutMs = isNumber(waitMs) && waitMs > 0 ? waitMs : Number.POSITIVE_INFINITY;
    const { clock } = this.#options.runtime;
    const ask = new PendingAsk(clock, String(path), found.type, { timeoutMs });
    this.#served.set(id, ask);
    ask.promise.then(
      (value) => this.#answer(id, ask, withBody(["ok", id], value)),
      (thrown: unknown) => this.#answer(id, ask, errorItem(id, toError(thrown))),
    );
    found.receiver.deliver({ type: found.type, body: found.body, ask, guard: found.guard });
  }

  #answer(id: number, ask: PendingAsk, item: Item): void {
    if (this.#served.get(id) !== ask) return;
    this.#served.delete(id);
    // Who gave up, over there or by the clock that both of us watch, waits for no answer.
    if (!ask.wasGivenUp) this.#post(item);
  }

  #find(path: unknown, pin: unknown, type: unknown, body: unknown) {
    const { runtime, protocols } = this.#options;
    if (!isPath(path) || typeof type !== "string" || type.length > longestType) {
      this.#damaged("message");
      return "damaged";
    }
    const protocol = protocols(path);
    if (protocol === undefined) {
      runtime.undelivered.record(path, type, "no-such-actor");
      return "nobody";
    }
    const checked = protocol.checkBody(type, body);
    if (!checked.ok) {
      this.#invalid(path, type, checked.reason);
      return `invalid: ${checked.reason}` as const;
    }
    const pinned = isNumber(pin) ? this.#pins.get(pin) : undefined;
    const guard = pin === 0 ? undefined : (pinned?.guard ?? stale);
    const receiver = runtime.receivers.get(path);
    if (!receiver?.isOpen) {
      runtime.undelivered.record(path, type, guard ? "stale-incarnation" : "no-such-actor");
      return "nobody";
    }
    return { receiver: receiver as Receiver, type, body: checked.value, guard };
  }

  #whyNot(found: string, path: unknown): string {
    return found === "nobody" ? `nobody lives at ${String(path)}` : found.slice(0, longestText);
  }

  #damaged(what: string): void {
    this.#invalid("?", "?", `a damaged ${what}`);
  }

  #invalid(path: string, type: string, reason: string): void {
    const { runtime, node } = this.#options;
    runtime.undelivered.record(path, type, "invalid");
    const nowMs = runtime.clock.monotonicMs();
    if (nowMs - this.#loggedAtMs < quietMs) return;
    this.#loggedAtMs = nowMs;
    runtime.logger.warn({ node, path, type, reason }, "an invalid message of another node");
  }

  #post(item: Item): void {
    this.#options.channel().postDue(item);
  }

  // ---- watches and pins ------------------------------------------------------------------------

  #watch(path: string): void {
    if (this.#watchers.has(path)) return;
    const { runtime, protocols } = this.#options;
    const watcher = new RemoteWatcher(({ incarnation, reason }) => {
      this.#watchers.delete(path);
      this.#options.runtime.deathWatch.forget(watcher);
      const text =
        reason.kind === "error"
          ? reason.error.message
          : reason.kind === "shutdown"
            ? (reason.cause?.message ?? null)
            : null;
      this.#post(["ended", path, incarnation, reason.kind, text]);
    });
    if (this.#watchers.size >= mostWatches) {
      this.#invalid(path, "watch", "too many watches");
      this.#post(["ended", path, 0, "noconnection", null]);
      return;
    }
    this.#watchers.set(path, watcher);
    const isAlive =
      protocols(path) !== undefined && (runtime.receivers.get(path)?.isAlive ?? false);
    runtime.deathWatch.watch(watcher, path, "", isAlive);
  }

  #unwatch(path: string): void {
    const watcher = this.#watchers.get(path);
    if (watcher === undefined) return;
    this.#watchers.delete(path);
    this.#options.runtime.deathWatch.forget(watcher);
  }

  #pin(pin: number, path: string): void {
    if (this.#pins.size >= mostPins) {
      const [oldest] = this.#pins.keys();
      if (oldest !== undefined) this.#pins.delete(oldest);
    }
    const pinnedTo = this.#options.runtime.receivers.get(path)?.incarnationNumber ?? 0;
    const guard: Guard = {
      admit: (incarnation) => (incarnation === pinnedTo ? "take" : "stale"),
    };
    this.#pins.set(pin, { path, guard: pinnedTo > 0 ? guard : stale });
  }
}

/** What another node sends may be anything: an object, say, that has no conversion to a number. */
const isNumber = (value: unknown): value is number => typeof value === "number";
const isPath = (value: unknown): value is string =>
  typeof value === "string" && value.length <= longestPath;

/** Of a pin that pinned nobody, or that was forgotten. */
const stale: Guard = { admit: () => "stale" };

function errorItem(id: number, error: Error): Item {
  const text = error.message.slice(0, longestText);
  if (error instanceof Refusal) return withBody(["refused", id, text, error.code], error.data);
  return ["error", id, error instanceof AskError ? error.code : "failed", text];
}
