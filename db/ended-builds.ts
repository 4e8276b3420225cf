/** Builds that have ended, as those who watch hear of them: for who has come, or has missed some. */
import { z } from "zod";
import { type EndedBuild, endedBuildSchema, MOST_ENDED_LISTED } from "../protocol/model/status.ts";
import { request } from "./request.ts";

/** The last first. They are found by the index of settled ones. */
export const endedBuilds = request(
  {
    args: z.object({ limit: z.int().positive().max(MOST_ENDED_LISTED) }),
    result: z.array(endedBuildSchema).max(MOST_ENDED_LISTED),
  },
  async (sql, { limit }) => {
    const rows = await sql<
      (Omit<EndedBuild, "endedAt" | "suspicious"> & {
        readonly endedAt: Date;
        readonly suspicious: string[];
      })[]
    >`
      select b.token, p.name as package, v.version, t.name as target, s.label as slave,
        b.slave_id as "slaveId", b.cause,
        case when b.cause = 'built' and b.outcome <> 'published' then b.outcome
          else left(b.message, 2000) end as message,
        coalesce(b.duration_ms, 0) as "durationMs", b.settled_at as "endedAt",
        array(select f.filename from file f where f.token = b.token and f.removed_at is null
          order by f.filename limit 100) as files,
        array(select left(f.filename || ': ' || f.suspicious, 2000) from file f
          where f.token = b.token and f.suspicious is not null and f.removed_at is null
          order by f.filename limit 100) as suspicious
      from (
        select * from build where settled_at is not null and cause is not null
        order by settled_at desc limit ${limit}) b
      join version v on v.id = b.version_id join package p on p.id = v.package_id
      join target t on t.id = b.target_id join slave s on s.id = b.slave_id
      order by b.settled_at desc, b.token desc`;
    return rows.map(({ suspicious, endedAt, ...build }) => ({
      ...build,
      endedAt: endedAt.getTime(),
      ...(suspicious.length > 0 && { suspicious }),
    }));
  },
);
