/** The farm's figures as they are now, for Big Brother. Sums of counters: nothing here grows with the farm. */
import { z } from "zod";
import { instantSchema } from "../protocol/model/scalar.ts";
import {
  type FarmFigures,
  farmFiguresSchema,
  type TargetFigures,
  targetFiguresSchema,
} from "../protocol/model/statistics.ts";
import { readDownloads } from "./downloads.ts";
import { request } from "./request.ts";
import { readTallies, type Tallies } from "./tallies.ts";

export const farmFigures = request(
  {
    args: z.null(),
    result: z.object({
      /** The database's clock, in ms since 1970. */
      asOf: instantSchema,
      /** `slaves` is null: who is connected is not known here. */
      farm: farmFiguresSchema,
      targets: z.array(targetFiguresSchema),
    }),
    slow: true,
  },
  async (sql) => {
    const [clock] = await sql<{ as_of: Date }[]>`select now() as as_of`;
    const targets = await sql<{ id: number; name: string }[]>`
      select id, name from target order by rank, id`;
    const tallies = await readTallies(sql);
    const versions = tallies("versions", 0);
    const farm: FarmFigures = {
      ...builtFigures(tallies, 0),
      versions: versions.total,
      newVersionsLastHour: versions.lastHour,
      slaves: null,
      ...(await readDownloads(sql)),
    };
    return {
      asOf: clock?.as_of.getTime() ?? 0,
      farm,
      targets: targets.map(({ id, name }) => ({ id, name, figures: builtFigures(tallies, id) })),
    };
  },
);

function builtFigures(tallies: Tallies, targetId: number): TargetFigures["figures"] {
  const total = (name: string): number => tallies(name, targetId).total;
  return {
    ready: total("ready"),
    leased: total("leased"),
    waiting: total("waiting"),
    blocked: total("blocked"),
    buildsLastHour: tallies("builds", targetId).lastHour,
    failuresLastHour: tallies("failures", targetId).lastHour,
    builds: total("builds"),
    failed: total("failed"),
    packages: total("packages"),
    versionsBuilt: total("versions_built"),
    files: total("files"),
    sizeBytes: total("bytes"),
    buildTimeMs: total("build_ms"),
  };
}
