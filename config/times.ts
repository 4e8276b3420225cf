/**
 * Every timeout and interval that `--dev-mode` shortens: one table with both values, in milliseconds.
 *
 * The programs' settings take one column of it as a plain object; tasks are given those values and
 * know nothing of modes. Dev mode changes times and logging only: whatever builds in one mode builds
 * in the other.
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** [production, dev mode] in ms. */
type Row = readonly [productionMs: number, devMs: number];

const masterRows = {
  /** The Secretary gathers requests for one page this long before the Scribe writes it. */
  pageGatherMs: [60 * SECOND, 3 * SECOND],
  /** Cloud Gazer asks the upstream for news this often. */
  cloudGazerPollMs: [10 * SECOND, 500],
  /** It asks for the listing of an index without a changelog this often, or a tenth of the time that that takes. */
  listingMs: [60 * SECOND, 500],
  /** It looks at each page of an index without serials this often, where there are few; see `cloud-gazer.ts`. */
  lookAgainMs: [10 * MINUTE, 1 * SECOND],
  /** Longest pause of Cloud Gazer between attempts while the upstream is away or says "too often". */
  upstreamBackoffMaxMs: [10 * MINUTE, 10 * SECOND],
  /** A build is leased for this long; a lease that nobody renews expires. */
  leaseMs: [10 * MINUTE, 20 * SECOND],
  /** All leases are extended by this when the master or the database comes back. */
  leaseGraceMs: [2 * MINUTE, 10 * SECOND],
  /** A busy slave says BUSY this often (told in ACK). */
  busyIntervalMs: [30 * SECOND, 1 * SECOND],
  /** An idle slave asks by itself this often (told in ACK); it is also woken when work comes. */
  idleIntervalMs: [60 * SECOND, 3 * SECOND],
  /** The Architect looks for expired leases and missed notifications this often. */
  sweepMs: [30 * SECOND, 1 * SECOND],
  /** First delay before a build that failed for a transient reason is tried again; it grows. */
  retryBaseMs: [5 * MINUTE, 2 * SECOND],
  /** Longest such delay. */
  retryMaxMs: [6 * HOUR, 30 * SECOND],
  /** A range of a file that was asked for and did not come is asked for again after this. */
  fetchRetryMs: [20 * SECOND, 3 * SECOND],
  /** A transfer of less than 8 KiB a second over this long gives way where others wait for a turn. */
  transferPaceMs: [10 * MINUTE, 30 * SECOND],
  /** A blob that nothing refers to is removed when it is older than this. */
  blobGraceMs: [1 * HOUR, 1 * MINUTE],
  /** Big Brother takes the farm's figures this often. */
  statisticsMs: [10 * SECOND, 1 * SECOND],
  /** Big Brother looks this often whether the output disk has room. */
  diskCheckMs: [5 * SECOND, 500],
  /** Application heartbeats on the slave and file links. */
  heartbeatMs: [10 * SECOND, 2 * SECOND],
  /** What waits for another part of the master (`--tasks`) is given up when it has been away for so long. */
  partAwayMs: [30 * SECOND, 5 * SECOND],
  /** A master that was not heard of for so long may be followed by one on another host. */
  leaderMs: [60 * SECOND, 6 * SECOND],
  /** A master that is told to stop waits so long for builds whose files are on their way. */
  drainMs: [20 * SECOND, 5 * SECOND],
  /** The whole program has this long to stop in order after that, then it is ended. */
  shutdownMs: [30 * SECOND, 10 * SECOND],
} as const satisfies Record<string, Row>;

const slaveRows = {
  /** An idle slave asks for work this often where the master does not say (`--poll-time`). */
  pollMs: [60 * SECOND, 3 * SECOND],
  /** One build may take this long (`--timeout`). */
  buildTimeoutMs: [3 * HOUR, 1 * HOUR],
  /** First pause before a broken connection is made again; it grows. */
  reconnectMinMs: [500, 100],
  /** Longest such pause. */
  reconnectMaxMs: [30 * SECOND, 2 * SECOND],
  /** Application heartbeats on the slave and file links. */
  heartbeatMs: [10 * SECOND, 2 * SECOND],
  /** What a build started has this long between the request to end and the kill. */
  killGraceMs: [5 * SECOND, 2 * SECOND],
  /** The whole program has this long to stop in order, then it is ended. */
  shutdownMs: [30 * SECOND, 10 * SECOND],
} as const satisfies Record<string, Row>;

type Column<R> = { readonly [K in keyof R]: number };

/** The master's times in ms, one column of the table. */
export type MasterTimes = Column<typeof masterRows>;
/** The slave's times in ms, one column of the table. */
export type SlaveTimes = Column<typeof slaveRows>;

/** The two columns side by side, for the documents and the tests. */
export const timeTable = { master: masterRows, slave: slaveRows } as const;

function column<R extends Record<string, Row>>(rows: R, devMode: boolean): Column<R> {
  const entries = Object.entries(rows).map(([name, row]) => [name, row[devMode ? 1 : 0]]);
  return Object.freeze(Object.fromEntries(entries)) as Column<R>;
}

export function masterTimes(devMode: boolean): MasterTimes {
  return column(masterRows, devMode);
}

export function slaveTimes(devMode: boolean): SlaveTimes {
  return column(slaveRows, devMode);
}
