/**
 * The actor at `/desk` that the probes of the suite speak to, and what the test sees of it: their journal, and the
 * gates behind which they wait. It lives in the test's own process, whatever kind of reference leads to them.
 */
import { child, type Deferred, defineActor } from "../../../supervisor/index.ts";
import type { DeskMessages } from "./probe.ts";

/** What an actor did, as it said it, and the gates that the test opens for it. */
export class Desk {
  readonly lines: string[] = [];
  readonly #open = new Set<string>();
  readonly #shut = new Set<string>();
  readonly #waiting: { readonly gate: string; readonly deferred: Deferred<string> }[] = [];

  /** Of one actor, without its name: `: 1`, ` holds here`. */
  of(name: string): string[] {
    return this.lines
      .filter((line) => line.startsWith(name) && /^[ :!]/.test(line.slice(name.length)))
      .map((line) => line.slice(name.length));
  }

  /** What NOTE and NEWS wrote, in order. */
  notes(name: string): string[] {
    return this.of(name)
      .filter((line) => line.startsWith(": "))
      .map((line) => line.slice(2));
  }

  open(gate: string): void {
    this.#open.add(gate);
    this.#shut.delete(gate);
    for (const { deferred } of this.#waiting.filter((one) => one.gate === gate)) {
      deferred.resolve(gate);
    }
  }

  /** Gates of inits (`init NAME`) are open unless they are shut; all others the other way round. */
  shut(gate: string): void {
    this.#open.delete(gate);
    this.#shut.add(gate);
  }

  pass(gate: string, deferred: Deferred<string>): void {
    const isOpen = gate.startsWith("init ") ? !this.#shut.has(gate) : this.#open.has(gate);
    if (isOpen) deferred.resolve(gate);
    else this.#waiting.push({ gate, deferred });
  }
}

const keeper = defineActor<DeskMessages, Desk, Desk>({
  name: "writes down what the others say, and keeps the gates",
  mailbox: { bound: 1_000_000 },
  init: (_ctx, desk) => desk,
  handle: {
    NOTE: (desk, line) => void desk.lines.push(line),
    PASS: (desk, gate, ctx) => {
      const deferred = ctx.defer<string>();
      desk.pass(gate, deferred);
      return deferred;
    },
  },
});

/** As a child: `/desk`. */
export const deskChild = (desk: Desk) => child("desk", keeper, desk);
