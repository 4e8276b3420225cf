/**
 * Shows a person how the farm gets on: a line for each build that ended and, on a terminal, one line
 * below that says what is going on. Used by the watcher and by the programs' actors for their errors;
 * lives outside of them, so that a restart forgets nothing.
 *
 * Events come at once but may be lost; reports come later and are the truth. Each outcome is shown once,
 * by whichever of the two comes first.
 */
import { causeText, verdictOf } from "../../protocol/model/cause.ts";
import type { FarmEvent, FarmReport, ReportRow } from "../../protocol/model/status.ts";
import { harmless } from "./log-line.ts";
import type { ProgressOutput } from "./parts.ts";

export interface Progress {
  /** A line that stays. */
  note(line: string): void;
  event(event: FarmEvent): void;
  report(report: FarmReport): void;
  /** Takes the line below away; it comes back with the next event or report. */
  close(): void;
  /** From now on only notes are shown: the farm is being stopped. */
  end(): void;
}

interface Build {
  readonly package: string;
  readonly version: string;
  readonly target: string;
}

const words = (build: Build) =>
  harmless(`${build.package} ${build.version}${build.target === "" ? "" : ` for ${build.target}`}`);
const keyOf = (build: Build) => `${build.package} ${build.version} ${build.target}`;
const said = ({ status, text }: { readonly status: string; readonly text: string }) =>
  text === "" ? status : `${status}: ${text}`;
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

const SHOWN_STATES: ReadonlySet<ReportRow["state"]> = new Set(["built", "failed", "blocked"]);

export function openProgress(output: ProgressOutput): Progress {
  const shown = new Map<string, string>();
  const building = new Map<string, string>();
  const away = new Set<number>();
  const isTerminal = output.isTTY === true;
  let latest: FarmReport | undefined;
  let below = "";
  let hasEnded = false;

  const erase = () => {
    if (below !== "") output.write("\r\u001B[K");
    below = "";
  };
  const draw = () => {
    if (!isTerminal || hasEnded) return;
    const width = Math.max(20, (output.columns ?? 80) - 1);
    const line = statusLine(latest, [...building.values()]).slice(0, width);
    if (line === below) return;
    erase();
    output.write(line);
    below = line;
  };
  const note = (line: string) => {
    erase();
    output.write(`${line}\n`);
    draw();
  };
  /** Says an outcome unless it was the last that was said of this build. */
  const say = (build: Build, state: string, line: string) => {
    if (shown.get(keyOf(build)) === state) return;
    shown.set(keyOf(build), state);
    note(line);
  };

  const ended = (event: Extract<FarmEvent, { kind: "build-ended" }>) => {
    building.delete(keyOf(event));
    const why = harmless(event.message === "" ? causeText[event.cause] : event.message);
    const took = seconds(event.durationMs);
    switch (verdictOf(event.cause)) {
      case "success":
        say(
          event,
          "built",
          `built    ${words(event)} in ${took}: ${harmless(event.files.join(", "))}`,
        );
        for (const line of event.suspicious ?? []) note(`odd      ${harmless(line)}`);
        break;
      case "failure":
        say(event, "failed", `failed   ${words(event)} after ${took}: ${why}`);
        break;
      case "blocked":
        say(event, "blocked", `blocked  ${words(event)}: ${why}`);
        break;
      case "transient":
        say(event, "again", `again    ${words(event)} will be tried again: ${why}`);
        break;
    }
  };

  /** Once, however often it is said meanwhile. */
  const leaves = ({ id, label, state }: Extract<FarmEvent, { kind: "slave" }>) => {
    if (state !== "gone" && state !== "silent") away.delete(id);
    else if (!away.has(id)) {
      away.add(id);
      note(`slave ${harmless(label)} is ${state}`);
    }
  };

  return {
    note,
    event(event) {
      if (hasEnded) return;
      switch (event.kind) {
        case "build-started":
          building.set(keyOf(event), words(event));
          shown.delete(keyOf(event));
          if (!isTerminal) note(`building ${words(event)} on ${harmless(event.slave)}`);
          break;
        case "build-ended":
          ended(event);
          break;
        case "build-status":
          building.set(keyOf(event), `${words(event)} (${harmless(said(event))})`);
          if (!isTerminal) note(`says     ${words(event)}: ${harmless(said(event))}`);
          break;
        case "slave":
          leaves(event);
          break;
        case "published":
        case "order":
        case "figures":
        case "host":
          break;
      }
      draw();
    },
    report(report) {
      if (hasEnded) return;
      const isFirst = latest === undefined;
      latest = report;
      let earlier = 0;
      const leased = new Set<string>();
      for (const row of report.rows) {
        if (row.state === "leased") {
          leased.add(keyOf(row));
          if (!building.has(keyOf(row))) building.set(keyOf(row), words(row));
        }
        if (!SHOWN_STATES.has(row.state)) continue;
        if (isFirst && !shown.has(keyOf(row))) {
          earlier += 1;
          shown.set(keyOf(row), row.state);
        } else {
          say(row, row.state, `${row.state.padEnd(8)} ${words(row)}: ${harmless(row.reason)}`);
        }
      }
      for (const key of building.keys()) if (!leased.has(key)) building.delete(key);
      if (earlier > 0) note(`${earlier} results of earlier runs are kept`);
      draw();
    },
    close: erase,
    end() {
      erase();
      hasEnded = true;
    },
  };
}

function statusLine(report: FarmReport | undefined, building: readonly string[]): string {
  const counts =
    report === undefined
      ? ""
      : `${report.ready + report.leased} to build, ${report.waiting + report.blocked} waiting`;
  const slaves = report?.slaves === 0 ? ", no slave connected" : "";
  const reading = report?.followed === false ? ", reading the upstream" : "";
  const now = building.length === 0 ? "" : `, building ${building.join(", ")}`;
  return counts === "" ? "" : `[${counts}${slaves}${reading}${now}]`;
}
