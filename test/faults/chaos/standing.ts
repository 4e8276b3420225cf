/**
 * What a farm at rest is made of: its trees, its open handles, its database connections, its memory.
 * Taken before a chaos and after it, the two are to be the same within what is said here.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { getHeapSnapshot, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { eachNode, type System } from "../../../supervisor/index.ts";
import type { Stage } from "./stage.ts";

export interface Standing {
  readonly handles: Readonly<Record<string, number>>;
  /** By application name. */
  readonly connections: Readonly<Record<string, number>>;
  /** What the program holds. The engine's own part grows for minutes with what has been run. */
  readonly dataBytes: number;
  readonly heapBytes: number;
  readonly rssBytes: number;
}

/** A farm at rest still polls: of some seconds the least that was open at a time is what is always open. */
const SAMPLES = 20;
const SAMPLE_EVERY_MS = 100;

/** As `node --expose-gc` would give it, for a program that is started without. */
setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc") as () => void;
const COLLECTIONS = 10;

/** The data after a chaos may be larger by this. */
const GROWTH = 0.1;

/**
 * What may be more, and why:
 * - a second thread for wheel checks, which goes after 30 s without work: its port, its event loop's
 *   descriptors, its timer;
 * - timers: an actor at rest holds none to some, by how its last wait began.
 */
const allowedMore: Readonly<Record<string, number>> = {
  MessagePort: 1,
  Worker: 1,
  Timeout: 4,
  "fd anon_inode:[eventpoll]": 1,
  "fd anon_inode:[eventfd]": 2,
  "fd pipe": 2,
};

/** Where something runs that should run: `path state`, with what has a trouble marked. */
export function treeOf(system: System): string[] {
  return [...eachNode(system.tree())]
    .map(({ path, kind, role, state, degraded }) => {
      const trouble = degraded === undefined ? "" : ` degraded (${degraded.reason})`;
      return `${path} ${kind} (${role}) ${state}${trouble}`;
    })
    .sort();
}

/** Of a dynamic supervisor's children the names differ from session to session, the number does not. */
export const namelessTree = (system: System): string[] =>
  treeOf(system).map((line) => line.replace(/\/(sessions|transfers)\/\S+/, "/$1/*"));

export async function takeStanding(stage: Stage): Promise<Standing> {
  const least = new Map<string, number>();
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const now = countHandles();
    for (const kind of new Set([...least.keys(), ...now.keys()])) {
      const seen = sample === 0 ? Infinity : (least.get(kind) ?? 0);
      least.set(kind, Math.min(seen, now.get(kind) ?? 0));
    }
    await delay(SAMPLE_EVERY_MS);
  }
  const memory = await measureMemory();
  return {
    handles: Object.fromEntries([...least].filter(([, count]) => count > 0).sort()),
    connections: await countConnections(stage),
    ...memory,
  };
}

export async function countConnections({ admin }: Stage): Promise<Record<string, number>> {
  const rows = await admin<{ name: string; count: number }[]>`
    select application_name as name, count(*)::int as count from pg_stat_activity
    where datname = current_database() group by 1 order by 1`;
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
}

/** What is wrong with the second, as lines. */
export function compareStandings(before: Standing, after: Standing): string[] {
  const wrong: string[] = [];
  for (const kind of keysOf(before.handles, after.handles)) {
    const [was, is] = [before.handles[kind] ?? 0, after.handles[kind] ?? 0];
    if (is > was + (allowedMore[kind] ?? 0)) wrong.push(`${kind}: ${was} open before, ${is} after`);
  }
  for (const name of keysOf(before.connections, after.connections)) {
    const [was, is] = [before.connections[name] ?? 0, after.connections[name] ?? 0];
    if (is !== was) wrong.push(`database connections of "${name}": ${was} before, ${is} after`);
  }
  if (after.dataBytes > before.dataBytes * (1 + GROWTH))
    wrong.push(
      `memory: ${megabytes(before.dataBytes)} before, ${megabytes(after.dataBytes)} after`,
    );
  return wrong;
}

export const megabytes = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;

const keysOf = (...records: Readonly<Record<string, number>>[]): string[] =>
  [...new Set(records.flatMap((record) => Object.keys(record)))].sort();

/** Of libuv by kind, and descriptors by what they are. */
function countHandles(): Map<string, number> {
  const counts = new Map<string, number>();
  const count = (kind: string): void => {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  };
  for (const kind of process.getActiveResourcesInfo()) count(kind);
  for (const kind of descriptorKinds()) count(`fd ${kind}`);
  for (const name of childNames()) count(`child ${name}`);
  return counts;
}

/** Of what Linux shows; nothing elsewhere. */
function descriptorKinds(): string[] {
  return list("/proc/self/fd").flatMap((number) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${number}`);
      // `socket:[123]` and `pipe:[123]` are numbered one by one; other names say what it is.
      return [/^(socket|pipe):/.exec(target)?.[1] ?? target];
    } catch {
      // It was closed meanwhile, e.g. that of the listing itself.
      return [];
    }
  });
}

/** Programs that this one started and that still run. */
function childNames(): string[] {
  return list("/proc/self/task").flatMap((thread) => {
    try {
      const pids = readFileSync(`/proc/self/task/${thread}/children`, "utf8").trim().split(" ");
      return pids
        .filter((pid) => pid !== "")
        .map((pid) => readFileSync(`/proc/${pid}/comm`, "utf8").trim());
    } catch {
      return [];
    }
  });
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

async function measureMemory() {
  for (let round = 0; round < COLLECTIONS; round += 1) {
    collect();
    await delay(50);
  }
  const { heapUsed, rss } = process.memoryUsage();
  return { dataBytes: await countDataBytes(), heapBytes: heapUsed, rssBytes: rss };
}

/** The part of a heap snapshot's format that is read here. */
interface HeapSnapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[]];
    };
  };
  readonly nodes: readonly number[];
}

/** Kinds of nodes that the engine keeps for itself: code, what it learnt of it, shapes of objects. */
const ENGINE_KINDS = ["code", "hidden", "object shape"];

/** What the program holds, by a heap snapshot: nothing less tells its data from the engine's own. */
async function countDataBytes(): Promise<number> {
  const parts: Buffer[] = [];
  for await (const part of getHeapSnapshot()) parts.push(Buffer.from(part as Uint8Array));
  const { snapshot, nodes } = JSON.parse(Buffer.concat(parts).toString("utf8")) as HeapSnapshot;
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const isEngines = types[0].map((kind) => ENGINE_KINDS.includes(kind));
  const [kindAt, sizeAt] = [fields.indexOf("type"), fields.indexOf("self_size")];
  let sum = 0;
  for (let at = 0; at < nodes.length; at += fields.length)
    if (isEngines[nodes[at + kindAt] ?? 0] !== true) sum += nodes[at + sizeAt] ?? 0;
  return sum;
}
