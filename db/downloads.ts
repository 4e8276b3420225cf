/** Downloads of the farm's wheels, by what Lumberjack has counted. Read by statistics.ts and views.ts. */
import type { Tx } from "./connection.ts";

interface Downloads {
  readonly downloadsLastHour: number;
  readonly downloads30Days: number;
  /** Ever. */
  readonly downloads: number;
}

/** A scan of the last hour's rows and of one row a day. */
export async function readDownloads(sql: Tx): Promise<Downloads> {
  const [row] = await sql<Downloads[]>`
    select (select count(*)::int from access_log
        where kind = 'download' and at > now() - interval '1 hour') as "downloadsLastHour",
      coalesce(sum(visits) filter (where day > (now() at time zone 'UTC')::date - 30), 0)::bigint
        as "downloads30Days",
      coalesce(sum(visits), 0)::bigint as downloads
    from access_day where aspect = 'kind' and value = 'download'`;
  return row ?? { downloadsLastHour: 0, downloads30Days: 0, downloads: 0 };
}
