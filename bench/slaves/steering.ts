/**
 * How soon a person's word reaches a slave that builds: from the question on the control link to the slave's socket. For
 * the bench `slaves`.
 */
import { setTimeout as delay } from "node:timers/promises";
import { withMaster } from "../../bin/ask-master.ts";
import { controlLink } from "../../protocol/links/control.ts";
import type { Steering } from "../../protocol/model/steering.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { nowUs, type Told } from "./words.ts";

/** What a slave hears of each. */
const heardOf: Readonly<Record<Steering, Told>> = {
  sleep: "SLEEP",
  wake: "CONT",
  skip: "DONE",
  kill: "DIE",
};
/** Of a slave that sleeps one thing is asked, of one that is skipped nothing more. */
const ORDER: readonly (readonly Steering[])[] = [["sleep", "wake"], ["skip"], ["kill"]];
const PATIENCE_MS = 20_000;

/** Whoever is told something says so here. */
export class Tellings {
  readonly #atUs = new Map<string, number>();

  add(label: string, what: Told, atUs: number): void {
    this.#atUs.set(`${label} ${what}`, atUs);
  }

  async when(label: string, what: Told, signal: AbortSignal): Promise<number> {
    const endAt = performance.now() + PATIENCE_MS;
    for (;;) {
      const atUs = this.#atUs.get(`${label} ${what}`);
      if (atUs !== undefined) return atUs;
      if (performance.now() > endAt) throw new Error(`${label} did not hear ${what}`);
      await delay(2, undefined, { signal });
    }
  }
}

/** In ms, of all words to all of them. @param labels of slaves that build, used in their order */
export function timesToHear(
  address: string,
  labels: readonly string[],
  tellings: Tellings,
  signal: AbortSignal,
): Promise<number[]> {
  const master = { link: controlLink, address, waitMs: PATIENCE_MS, logger: silentLogger, signal };
  return withMaster(master, async (ask) => {
    const times: number[] = [];
    for (const [at, label] of labels.entries())
      for (const action of ORDER[at % ORDER.length] ?? []) {
        const startedUs = nowUs();
        const { slaves } = await ask("STEER", { slaves: { label }, action, by: "the bench" });
        if (slaves.length !== 1) throw new Error(`${label} is ${slaves.length} slaves`);
        times.push(((await tellings.when(label, heardOf[action], signal)) - startedUs) / 1_000);
      }
    return times;
  });
}
