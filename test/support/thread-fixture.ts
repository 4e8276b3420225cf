/** A system with actors in worker threads and a journal of what they did, on the real clock. */
import { expect, onTestFinished, vi } from "vitest";
import {
  type ActorRef,
  type ChildSpec,
  child,
  defineActor,
  type SupervisorOptions,
  type System,
  type SystemOptions,
  silentLogger,
  startSystem,
  supervisor,
  type ThreadOptions,
  type TreeNode,
  threadChild,
} from "../../supervisor/index.ts";
import { getNode } from "./probe.ts";
import type { ThreadModules } from "./thread-modules.ts";
import type { actor, JournalMessages, ProberArgs, ProberMessages } from "./thread-probe.ts";

const file = "test/support/thread-probe.ts";
const quick = { minMs: 1, maxMs: 5, resetAfterMs: 60_000 };

const journal = defineActor<JournalMessages, string[], string[]>({
  name: "keeps what it is told",
  init: (_ctx, lines) => lines,
  handle: {
    NOTE: (lines, line) => void lines.push(line),
    ECHO: (_lines, value) => value,
    SLOW: (lines, _body, ctx) =>
      new Promise<void>((resolve) => {
        ctx.askSignal.addEventListener("abort", () => {
          lines.push("journal: the asker gave up");
          resolve();
        });
      }),
  },
});

/** Some turns of the parent's event loop: what was told is under way to the thread after them. */
export async function turns(count = 30): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Stops between the journal and everybody else, so that the journal has their last words. */
const patience = defineActor<object>({
  name: "lets the journal write",
  init() {},
  handle: {},
  stop: () => turns(),
});

/** A gate that a thread can look through: `HOLD` ends once it is open. */
export function sharedGate() {
  const buffer = new SharedArrayBuffer(4);
  return { buffer, open: () => Atomics.store(new Int32Array(buffer), 0, 1) };
}

export class ThreadFixture {
  readonly system: System;
  readonly lines: string[];
  constructor(system: System, lines: string[]) {
    this.system = system;
    this.lines = lines;
  }

  ref(path = "/a"): ActorRef<ProberMessages> {
    return this.system.ref<ProberMessages>(path);
  }

  node(path = "/a"): TreeNode {
    return getNode(this.system, path);
  }

  /** What an actor noted, without its life. */
  notes(name = "a"): string[] {
    return this.lines.filter(
      (line) => line.startsWith(`${name}: `) || line.startsWith(`${name}! `),
    );
  }

  async said(line: string): Promise<void> {
    await eventually(() => expect(this.lines).toContain(line));
  }
}

/** The worker threads of this process, as its diagnostic report sees them. */
export function threads(): number {
  const { workers } = process.report.getReport() as unknown as { readonly workers: unknown[] };
  return workers.length;
}

/** Waits for a condition; threads take their time on a busy machine. */
export async function eventually(condition: () => void, timeoutMs = 15_000): Promise<void> {
  await vi.waitFor(condition, { timeout: timeoutMs, interval: 2 });
}

export function threaded(
  modules: ThreadModules,
  id: string,
  args: ProberArgs = {},
  options: ThreadOptions = {},
): ChildSpec<ProberMessages> {
  const { program } = modules;
  return threadChild<typeof actor>(id, modules.module(file), args, { program, ...options });
}

/** Starts a journal and the given children; everything is stopped when the test ends. */
export async function bootThreads(
  children: readonly ChildSpec[],
  options: Partial<SystemOptions> & SupervisorOptions = {},
): Promise<ThreadFixture> {
  const { strategy = "one_for_one", intensity, ...systemOptions } = options;
  const lines: string[] = [];
  const root = supervisor(
    "root",
    { strategy, backoff: quick, intensity: intensity ?? { restarts: 1_000, withinMs: 1_000 } },
    [child("journal", journal, lines), child("patience", patience, undefined), ...children],
  );
  const system = await startSystem({ name: "t", logger: silentLogger, root, ...systemOptions });
  onTestFinished(() => system.stop());
  return new ThreadFixture(system, lines);
}
