/**
 * What the screens show, made of what is known of the farm (`protocol/watching/`): words for states and events, the order
 * of the list, figures as plots. The watcher calls it for each change. Pure.
 */
import { type FarmStatistics, figureNames } from "../../../protocol/model/statistics.ts";
import type { EndedBuild } from "../../../protocol/model/status.ts";
import type { FarmPicture, SlaveSeen } from "../../../protocol/watching/farm-picture.ts";
import type { PastPoint } from "../../../protocol/watching/past-hour.ts";
import { shownEvent } from "./event-words.ts";
import type {
  BuildShown,
  EventShown,
  FarmView,
  PlotData,
  Subject,
  SubjectKey,
  SubjectState,
} from "./farm-view.ts";

const STEP_MS = 10_000;
/** An hour. */
const STEPS = 360;

export function viewOf(picture: FarmPicture, selected: SubjectKey): FarmView {
  const { connection, figures, tree } = picture;
  const lastBuilds = lastBuildOf(picture.ended());
  const slaves = picture.slaves().map((slave) => slaveSubject(slave, lastBuilds.get(slave.id)));
  const isKnown = connection.state !== "connecting" || slaves.length > 0;
  return {
    connection: {
      isHere: connection.state === "here",
      isNew: connection.state === "connecting",
      sinceAt: connection.sinceAt,
      why: connection.why === "" ? null : connection.why,
    },
    clockOffsetMs: connection.aheadMs,
    subjects: isKnown ? [masterSubject(picture), ...slaves.sort(byAbiAndLabel)] : [],
    farm: figures.farm,
    targets: figures.targets,
    tasks: tree?.tasks ?? null,
    silentParts: tree?.silent ?? [],
    events: picture.events().flatMap(({ number, at, event }): EventShown[] => {
      const shown = shownEvent(event);
      return shown === undefined ? [] : [{ number, at: at + connection.aheadMs, ...shown }];
    }),
    plots: plotsOf(picture, selected),
  };
}

/** The newest of each slave: they come newest first. */
function lastBuildOf(ended: readonly EndedBuild[]): ReadonlyMap<number, EndedBuild> {
  const last = new Map<number, EndedBuild>();
  for (const build of ended) if (!last.has(build.slaveId)) last.set(build.slaveId, build);
  return last;
}

const stateWords: Readonly<Record<SlaveSeen["state"], SubjectState>> = {
  idle: "idle",
  building: "building",
  delivering: "sending",
  cleaning: "cleaning",
  asleep: "asleep",
  silent: "silent",
  gone: "dead",
};

function slaveSubject(slave: SlaveSeen, ended: EndedBuild | undefined): Subject {
  const { id, label, state, sinceAt, asleep, build, connectedAt, facts, stats, says } = slave;
  const doing = build === null ? "" : `${build.package} ${build.version}`;
  const said = says === null ? "" : ` (${says.status}${says.text === "" ? "" : `: ${says.text}`})`;
  const targets = facts?.targets ?? [];
  return {
    key: id,
    label,
    abi: [...new Set(targets.map((target) => target.split("-")[0] ?? ""))].join(" "),
    state: stateWords[state],
    upSinceAt: connectedAt,
    task: [doing + (doing === "" ? "" : said), asleep?.why ?? ""].filter(Boolean).join("; "),
    taskSinceAt: build !== null && state === "building" ? build.sinceAt : sinceAt,
    isAsleep: asleep !== null,
    build: build === null ? null : buildShown(build),
    lastBuild: build !== null ? buildShown(build) : ended === undefined ? null : buildShown(ended),
    stats,
    facts:
      facts === null
        ? [`slave ${id}`]
        : [
            `slave ${id}`,
            `host ${facts.hostname}`,
            ...(facts.os === "" ? [] : [facts.os]),
            ...(facts.board === "" ? [] : [facts.board]),
            `version ${facts.version}`,
            facts.targets.join(" "),
          ],
  };
}

const buildShown = ({ token, package: name, version, target }: BuildShown): BuildShown => ({
  token,
  package: name,
  version,
  target,
});

function masterSubject({ connection, figures, tree }: FarmPicture): Subject {
  const { asOf, resting, master } = figures;
  const troubled = (tree?.tasks ?? []).filter(
    ({ degraded, state }) => degraded !== undefined || state === "failed",
  );
  const paused = (tree?.tasks ?? []).filter(({ state }) => state === "paused");
  const isHere = connection.state === "here";
  const [state, task] = ((): readonly [SubjectState, string] => {
    if (!isHere) return ["away", connection.why];
    if (troubled.length > 0 || (tree?.silent.length ?? 0) > 0)
      return ["degraded", [...troubled.map(troubleOf), ...(tree?.silent ?? [])].join("; ")];
    if (resting !== null) return ["resting", resting];
    if (paused.length > 0) return ["paused", paused.map(({ path }) => lastWord(path)).join(" ")];
    return ["running", connection.isHearing ? "" : "no news come from its status queue"];
  })();
  return {
    key: "master",
    label: "master",
    abi: "",
    state,
    upSinceAt: isHere ? connection.upSinceAt : null,
    task,
    taskSinceAt: isHere ? null : connection.sinceAt + connection.aheadMs,
    isAsleep: false,
    build: null,
    lastBuild: null,
    stats: master,
    facts: asOf === null ? [] : figuresFacts(figures),
  };
}

const lastWord = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

type TreeTask = NonNullable<FarmPicture["tree"]>["tasks"][number];
const troubleOf = ({ path, degraded, lastError }: TreeTask): string =>
  `${lastWord(path)}: ${degraded?.reason ?? lastError ?? "failed"}`;

function figuresFacts({ farm }: FarmStatistics): string[] {
  if (farm === null) return [];
  const { packages, versionsBuilt, versions } = farm;
  return [
    `${packages ?? 0} packages`,
    `${versionsBuilt ?? 0} of ${versions ?? 0} versions have wheels`,
    ...(farm.downloads30Days === null ? [] : [`${farm.downloads30Days} downloads in 30 days`]),
  ];
}

/** `cp39` before `cp311`: digits count as numbers. */
const collator = new Intl.Collator("en", { numeric: true });

export function byAbiAndLabel(a: Subject, b: Subject): number {
  return (
    collator.compare(a.abi, b.abi) ||
    collator.compare(a.label, b.label) ||
    Number(a.key) - Number(b.key)
  );
}

function plotsOf(picture: FarmPicture, selected: SubjectKey): PlotData[] {
  const isMaster = selected === "master";
  const machine = picture.findPast(
    isMaster ? { kind: "master", id: 0 } : { kind: "slave", id: selected },
  );
  const target = isMaster ? undefined : targetOf(picture, selected);
  const queue = isMaster
    ? picture.findPast({ kind: "farm", id: 0 })
    : target && picture.findPast({ kind: "target", id: target.id });
  const end = Math.floor((Date.now() + picture.connection.aheadMs) / STEP_MS) * STEP_MS;
  const host = (name: (typeof figureNames.master)[number]) =>
    series(machine, figureNames.master.indexOf(name), end);
  // The figures of a target begin with those of the farm.
  const builds = (name: (typeof figureNames.target)[number]) =>
    series(queue, figureNames.target.indexOf(name), end);
  const memorySize = host("memorySizeBytes");
  const diskSize = host("diskSizeBytes");
  const whose = target === undefined ? "" : ` ${target.name.split("-")[0]}`;
  return [
    { title: "load", unit: "number", values: host("loadAverage"), ceiling: 1 },
    {
      title: "memory",
      unit: "bytes",
      values: used(memorySize, host("memoryFreeBytes")),
      ceiling: largest(memorySize),
    },
    {
      title: "disk",
      unit: "bytes",
      values: used(diskSize, host("diskFreeBytes")),
      ceiling: largest(diskSize),
    },
    { title: "temperature", unit: "celsius", values: host("temperatureC"), ceiling: 60 },
    { title: `queue${whose}`, unit: "number", values: builds("ready"), ceiling: 1 },
    { title: `builds/h${whose}`, unit: "number", values: builds("buildsLastHour"), ceiling: 1 },
  ];
}

/** The first of its targets that has a queue: what the watcher follows beside the slave itself. */
export function targetOf(
  picture: FarmPicture,
  slave: number,
): { readonly id: number; readonly name: string } | undefined {
  const names = picture.findSlave(slave)?.facts?.targets ?? [];
  return picture.figures.targets.find(({ name }) => names.includes(name));
}

/** A value for each step of the last hour; what was measured last stands until the next is due. */
function series(
  points: readonly PastPoint[] | undefined,
  place: number,
  end: number,
): (number | null)[] {
  const byStep = new Map((points ?? []).map(({ at, figures }) => [at, figures[place] ?? null]));
  return Array.from({ length: STEPS }, (_, step) => {
    const at = end - (STEPS - 1 - step) * STEP_MS;
    return byStep.get(at) ?? null;
  });
}

const used = (
  sizes: readonly (number | null)[],
  free: readonly (number | null)[],
): (number | null)[] =>
  sizes.map((size, step) => {
    const left = free[step] ?? null;
    return size === null || left === null ? null : Math.max(0, size - left);
  });

const largest = (values: readonly (number | null)[]): number =>
  values.reduce<number>((most, value) => Math.max(most, value ?? 0), 1);
