/**
 * Metrics: answers /metrics for Prometheus, below a mount of the web server. Each figure is asked for where it is known, and no
 * more often than once a second, however many ask; what cannot be known now is left out, and `wheelwright_up` says who did
 * not answer. Families are made in metrics/; this keeps nothing but the last answer.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { ToControl, Vitals } from "../../protocol/links/tasks/control.ts";
import { type ActorRef, defineActor } from "../../supervisor/index.ts";
import { isAskedHere, type Mount, sendRefusal, type TokenGate } from "../../web/server.ts";
import type { DatabaseRef } from "./database.ts";
import { exposition, family, labelled } from "./metrics/family.ts";
import { databaseFamilies, diskFamilies, slaveFamily } from "./metrics/farm-families.ts";
import type { MasterPart } from "./part.ts";

export interface MetricsArgs {
  readonly mount: Mount;
  readonly gate: TokenGate;
  /** Who may ask. */
  readonly access: "everyone" | "local" | "token";
  readonly control: ActorRef<ToControl>;
  readonly database: DatabaseRef;
  /** Tells of itself also while Control is away. */
  readonly own: MasterPart;
  /** Of the product. */
  readonly version: string;
}

type NoMessages = Readonly<Record<never, never>>;

interface State {
  readonly args: MetricsArgs;
  /** What was gathered last, or is being gathered. */
  last: { readonly atMs: number; readonly text: Promise<string> } | undefined;
  leave: () => void;
}

/** Whoever asks sooner is told the same. */
const FRESH_MS = 1_000;
const ALL_PARTS = 7;
/** Prometheus waits for 10 s unless it is told otherwise. */
const PATIENCE = { timeoutMs: 4_000 };

export const metrics = defineActor<NoMessages, MetricsArgs, State>({
  name: "answers /metrics",
  init(_ctx, args) {
    const state: State = { args, last: undefined, leave: () => undefined };
    state.leave = args.mount.serve((request, response) => answer(state, request, response));
    return state;
  },
  handle: {},
  stop: (state) => state.leave(),
});

async function answer(
  state: State,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { access, gate, mount } = state.args;
  const [path] = (request.url ?? "").split("?");
  if (path !== mount.prefix) return sendText(response, 404, "404: nothing here\n");
  if (request.method === "POST") {
    response.setHeader("allow", "GET, HEAD, OPTIONS");
    return sendText(response, 405, "Metrics are for reading.\n");
  }
  if (access === "token" || (access === "local" && !isAskedHere(request))) {
    const admission = await gate.admit(request, "watch");
    if (!admission.isAdmitted) return sendRefusal(response, admission);
  }
  const text = await current(state);
  sendText(response, 200, text, "text/plain; version=0.0.4; charset=utf-8");
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = "text/plain; charset=utf-8",
): void {
  const body = Buffer.from(text);
  response.writeHead(status, { "content-type": type, "content-length": body.length });
  response.end(body);
}

/** Many who ask at once wait for one answer. */
function current(state: State): Promise<string> {
  const now = performance.now();
  if (state.last !== undefined && now - state.last.atMs < FRESH_MS) return state.last.text;
  const text = gather(state.args);
  state.last = { atMs: now, text };
  // One that failed is not told again.
  text.catch(() => {
    if (state.last?.text === text) state.last = undefined;
  });
  return text;
}

async function gather(args: MetricsArgs): Promise<string> {
  const { control, database, own, version } = args;
  const startedAt = performance.now();
  const [vitals, farm] = await Promise.all([
    control.ask("VITALS", undefined, PATIENCE).catch(() => undefined),
    database.ask("farmMetrics", null, PATIENCE).catch(() => undefined),
  ]);
  const processes = vitals?.processes ?? [await own.vitals()];
  const known = processes.flatMap(({ families }) => families);
  const up = {
    control: vitals !== undefined,
    database: farm !== undefined,
    ...(vitals && { slave_driver: vitals.slaves !== null, storage: vitals.disk !== null }),
    ...Object.fromEntries((vitals?.silent ?? []).map((part) => [`part ${part}`, false])),
  };
  return exposition([
    family("wheelwright_build_info", "gauge", "Always 1; which version this is.", [
      { labels: { version }, value: 1 },
    ]),
    family(
      "wheelwright_up",
      "gauge",
      "1 where whoever knows part of this answered, 0 where its figures are missing.",
      Object.entries(up).map(([source, isUp]) => ({ labels: { source }, value: Number(isUp) })),
    ),
    ...(farm === undefined ? [] : databaseFamilies(farm, known, Date.now())),
    ...farmOf(vitals, farm),
    ...processes.flatMap(({ process, families }) =>
      labelled(families, { process: shortly(process) }),
    ),
    family("wheelwright_scrape_duration_seconds", "gauge", "How long it took to gather this.", [
      { value: (performance.now() - startedAt) / 1_000 },
    ]),
  ]);
}

/** A master in one process has all of the parts for a name. */
const shortly = (process: string): string =>
  process.split("-").length === ALL_PARTS ? "master" : process;

function farmOf(vitals: Vitals | undefined, farm: Parameters<typeof slaveFamily>[1]) {
  const { slaves, disk } = vitals ?? { slaves: null, disk: null };
  return [
    ...(slaves === null ? [] : [slaveFamily(slaves, farm)]),
    ...(disk === null ? [] : diskFamilies(disk)),
  ];
}
