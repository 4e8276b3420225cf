/** The slaves of a farm as lines of text. */
import type { SlaveRow } from "../protocol/model/steering.ts";
import { columns } from "./columns.ts";

export function slaveLines(rows: readonly SlaveRow[]): string[] {
  if (rows.length === 0) return ["no slaves yet"];
  return columns(
    ["ID", "SLAVE", "STATE", "FOR", "TARGETS", "VERSION", "KEY", ""],
    rows.map((row) => [
      String(row.id),
      row.label,
      row.state,
      forHowLong(row),
      row.targets.join(" "),
      row.version,
      shortKey(row.identity),
      remark(row),
    ]),
  );
}

function forHowLong({ state, build, silentMs }: SlaveRow): string {
  if (state === "silent" || state === "gone") return shortTime(silentMs);
  return state !== "idle" && state !== "asleep" && build !== null ? shortTime(build.forMs) : "";
}

/** The build in hand, and why it gets no other. */
function remark({ build, asleep }: SlaveRow): string {
  return [
    ...(build === null ? [] : [`${build.package} ${build.version} (build ${build.token})`]),
    ...(asleep === null ? [] : [asleep.why]),
  ].join("; ");
}

/** As much as tells keys apart. */
const shortKey = (identity: string): string =>
  identity.startsWith("local:") ? "none" : identity.slice(0, 8);

function shortTime(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  const hours = Math.round(seconds / 3_600);
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} d`;
}
