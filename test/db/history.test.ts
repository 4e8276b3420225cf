/** The history of figures: written again to the same end, thinned as a naive list of all of it would be. */
import fc from "fast-check";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Sql } from "../../db/connection.ts";
import type { Sample } from "../../db/history.ts";
import { figureNames, type HistoryPoint, MAX_POINTS } from "../../protocol/model/statistics.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { run } from "../support/queue-fixture.ts";

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = database.sql;
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await sql`delete from history`;
  await sql`update history_made set until = '-infinity'`;
});

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const DAY = 24 * HOUR;
/** A full hour. */
const start = Date.UTC(2026, 0, 5, 12);

const slave = (subject: number, ...figures: (number | null)[]): Sample => ({
  kind: "slave",
  subject,
  figures: [...figures, ...Array<null>(figureNames.slave.length - figures.length).fill(null)],
});
const record = (at: number, ...samples: Sample[]) => run(sql, "recordFigures", { at, samples });
const thin = (at: number, bounds: { steps?: number; rows?: number } = {}) =>
  run(sql, "thinHistory", { at, steps: bounds.steps ?? 1_000, rows: bounds.rows ?? 100_000 });
const points = async (
  stepS: 10 | 300 | 3600,
  subject: number | null = null,
  kind: Sample["kind"] = "slave",
) => (await run(sql, "historyOf", { kind, subject, stepS, after: null })).points;
const firstFigures = (list: readonly HistoryPoint[]) =>
  list.map(({ at, average }) => [(at - start) / SECOND, average[0]]);

describe("what is recorded", () => {
  it("said again, or within the same 10 s, is one row with the last word", async () => {
    await record(start + 3_000, slave(1, 5), slave(2, 7));
    await record(start + 3_000, slave(1, 5), slave(2, 7));
    await record(start + 9_999, slave(1, 6));
    expect(firstFigures(await points(10, 1))).toEqual([[0, 6]]);
    expect(firstFigures(await points(10))).toEqual([
      [0, 6],
      [0, 7],
    ]);
  });

  it("is of its kind and subject, with what could not be told as null", async () => {
    await record(start, slave(1, 1.5, null, 3), { kind: "farm", subject: 0, figures: [9, null] });
    expect(await points(10, null, "farm")).toEqual([
      { subject: 0, at: start, samples: 1, average: [9, null], maximum: null },
    ]);
    expect((await points(10, 1))[0]?.average.slice(0, 4)).toEqual([1.5, null, 3, null]);
    expect(await points(10, 2)).toEqual([]);
  });

  it("of an empty moment is nothing", async () => {
    await record(start);
    expect(await points(10)).toEqual([]);
  });

  it("is read a page at a time, whole and in order", async () => {
    const slaves = Array.from({ length: 100 }, (_, at) => slave(at + 1, at));
    for (let at = 0; at < 103; at += 1) await record(start + at * 10 * SECOND, ...slaves);
    const found: HistoryPoint[] = [];
    let after: { at: number; subject: number } | null = null;
    for (let pages = 1; ; pages += 1) {
      const page: { points: readonly HistoryPoint[]; isMore: boolean } = await run(
        sql,
        "historyOf",
        { kind: "slave", subject: null, stepS: 10, after },
      );
      found.push(...page.points);
      const last = page.points.at(-1);
      expect([pages, page.isMore]).toEqual([pages, pages === 1]);
      if (!page.isMore || last === undefined) break;
      expect(page.points).toHaveLength(MAX_POINTS);
      after = { at: last.at, subject: last.subject };
    }
    expect(found).toHaveLength(10_300);
    const keys = found.map(({ at, subject }) => at * 1_000 + subject);
    expect(keys).toEqual(keys.toSorted((a, b) => a - b));
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe("thinning", () => {
  it("gives the average and the maximum of what was measured, and counts no gap as 0", async () => {
    for (const [seconds, load] of [
      [0, 1],
      [10, 2],
      [290, 9],
    ] as const)
      await record(start + seconds * SECOND, slave(1, load, seconds === 10 ? 40 : null));
    await thin(start + 360 * SECOND);
    const [row] = await points(300);
    expect(row).toMatchObject({ at: start, samples: 3, subject: 1 });
    expect([row?.average.slice(0, 3), row?.maximum?.slice(0, 3)]).toEqual([
      [4, 40, null],
      [9, 40, null],
    ]);
  });

  it("waits until a step has been over for a minute", async () => {
    await record(start, slave(1, 1));
    await thin(start + 359 * SECOND);
    expect(await points(300)).toEqual([]);
    await thin(start + 360 * SECOND);
    expect(await points(300)).toHaveLength(1);
  });

  it("keeps 10 s for an hour, 5 min for a week, and hours for ever", async () => {
    await record(start, slave(1, 4));
    await thin(start + HOUR);
    expect([(await points(10)).length, (await points(300)).length]).toEqual([1, 1]);
    await thin(start + HOUR + 10 * SECOND);
    expect([(await points(10)).length, (await points(300)).length]).toEqual([0, 1]);
    await thin(start + 7 * DAY + 300 * SECOND);
    expect([(await points(300)).length, (await points(3600)).length]).toEqual([0, 1]);
    await thin(start + 3_650 * DAY);
    expect(firstFigures(await points(3600))).toEqual([[0, 4]]);
  });

  it("goes on after an outage of days, and after the clock was wrong for a while", async () => {
    await record(start, slave(1, 1));
    await thin(start + 10 * DAY);
    await record(start + 10 * DAY, slave(1, 2));
    await thin(start + 5_000 * DAY);
    // Back to the right time: what comes is thinned as ever.
    await record(start + 11 * DAY, slave(1, 3));
    await thin(start + 11 * DAY + 2 * HOUR);
    expect(firstFigures(await points(3600))).toEqual([
      [0, 1],
      [864_000, 2],
      [950_400, 3],
    ]);
  });

  it("does a bounded part at a time, and says whether more is left", async () => {
    for (let at = 0; at < 40; at += 1) await record(start + at * 300 * SECOND, slave(1, at));
    const now = start + 2 * DAY;
    let calls = 0;
    for (let isMore = true; isMore; calls += 1) {
      const before = (await points(300)).length + (await points(3600)).length;
      isMore = await thin(now, { steps: 7, rows: 3 });
      expect((await points(300)).length + (await points(3600)).length - before).toBeLessThan(15);
    }
    expect(calls).toBeGreaterThan(5);
    expect([(await points(10)).length, (await points(300)).length]).toEqual([0, 40]);
    expect((await points(3600)).map(({ samples }) => samples)).toEqual([12, 12, 12, 4]);
  });

  it("done by two at once comes to the same end", async () => {
    const rival = await import("../../db/connection.ts").then(({ openConnection }) =>
      openConnection(database.dsn),
    );
    for (let at = 0; at < 100; at += 1) await record(start + at * 60 * SECOND, slave(1, at));
    const now = start + 3 * HOUR;
    const step = { at: now, steps: 5, rows: 10 };
    const drain = async (by: Sql) => {
      while (await run(by, "thinHistory", step));
    };
    await Promise.all([drain(sql), drain(rival)]);
    await rival.end();
    await drain(sql);
    expect((await points(10)).length).toBe(0);
    expect((await points(300)).map(({ samples }) => samples)).toEqual(Array(20).fill(5));
    expect(firstFigures(await points(3600))).toEqual([
      [0, 29.5],
      [3_600, 79.5],
    ]);
  });
});

/** What a naive keeper of everything would show: all that was ever said, by 10 s, newest word last. */
class NaiveHistory {
  readonly #said = new Map<string, { subject: number; at: number; figure: number | null }>();

  record(at: number, subject: number, figure: number | null): void {
    const from = Math.floor(at / 10_000) * 10_000;
    this.#said.set(`${from} ${subject}`, { subject, at: from, figure });
  }

  /** Rows of a step that begin in [from, until), by time and subject. */
  rows(stepS: number, from: number, until: number): unknown[] {
    const fine = [...this.#said.values()].sort((a, b) => a.at - b.at || a.subject - b.subject);
    const byStep = stepS === 10 ? [] : this.#coarse(fine, 300);
    const rows =
      stepS === 10
        ? fine.map(({ subject, at, figure }) => ({
            subject,
            at,
            samples: 1,
            average: figure,
            maximum: figure,
          }))
        : stepS === 300
          ? byStep
          : this.#hours(byStep);
    return rows.filter(({ at }) => at >= from && at < until);
  }

  #coarse(
    fine: readonly { subject: number; at: number; figure: number | null }[],
    stepS: number,
  ): Row[] {
    return grouped(fine, stepS).map((group) => {
      const told = group.rows.map(({ figure }) => figure).filter((figure) => figure !== null);
      const sum = told.reduce((total, figure) => total + figure, 0);
      return {
        subject: group.subject,
        at: group.at,
        samples: group.rows.length,
        average: told.length === 0 ? null : sum / told.length,
        maximum: told.length === 0 ? null : Math.max(...told),
      };
    });
  }

  /** An hour weighs each of its rows by its samples. */
  #hours(rows: readonly Row[]): Row[] {
    return grouped(rows, 3600).map((group) => {
      const told = group.rows.filter(({ average }) => average !== null);
      const weight = told.reduce((total, row) => total + row.samples, 0);
      const sum = told.reduce((total, row) => total + (row.average ?? 0) * row.samples, 0);
      return {
        subject: group.subject,
        at: group.at,
        samples: group.rows.reduce((total, row) => total + row.samples, 0),
        average: weight === 0 ? null : sum / weight,
        maximum: weight === 0 ? null : Math.max(...told.map((row) => row.maximum ?? 0)),
      };
    });
  }
}

interface Row {
  readonly subject: number;
  readonly at: number;
  readonly samples: number;
  readonly average: number | null;
  readonly maximum: number | null;
}

function grouped<T extends { subject: number; at: number }>(
  rows: readonly T[],
  stepS: number,
): { subject: number; at: number; rows: T[] }[] {
  const groups = new Map<string, { subject: number; at: number; rows: T[] }>();
  for (const row of rows) {
    const at = Math.floor(row.at / (stepS * 1_000)) * stepS * 1_000;
    const key = `${at} ${row.subject}`;
    const group = groups.get(key) ?? { subject: row.subject, at, rows: [] };
    group.rows.push(row);
    groups.set(key, group);
  }
  return [...groups.values()].sort((a, b) => a.at - b.at || a.subject - b.subject);
}

describe("the history against a naive list", () => {
  const moments = fc.array(
    fc.record({
      // From the next 10 s to a gap of days.
      afterS: fc.oneof(
        { weight: 8, arbitrary: fc.integer({ min: 1, max: 200 }) },
        { weight: 2, arbitrary: fc.integer({ min: 200, max: 8_000 }) },
        { weight: 1, arbitrary: fc.integer({ min: 8_000, max: 900_000 }) },
      ),
      figures: fc.array(
        fc.record({ subject: fc.integer({ min: 1, max: 3 }), figure: fc.option(fc.nat(1_000)) }),
        { maxLength: 4 },
      ),
      /** How much thinning follows. */
      thin: fc.option(
        fc.record({ steps: fc.integer({ min: 1, max: 4 }), rows: fc.integer({ min: 1, max: 20 }) }),
      ),
    }),
    { minLength: 1, maxLength: 60 },
  );

  it("is the same whenever and however much is thinned", { timeout: 120_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(moments, async (said) => {
        await sql`delete from history`;
        await sql`update history_made set until = '-infinity'`;
        const naive = new NaiveHistory();
        let now = start;
        for (const moment of said) {
          now += moment.afterS * SECOND;
          const unique = new Map(moment.figures.map((one) => [one.subject, one.figure]));
          for (const [subject, figure] of unique) naive.record(now, subject, figure);
          await record(now, ...[...unique].map(([subject, figure]) => slave(subject, figure)));
          if (moment.thin !== null) await thin(now, moment.thin);
        }
        while (await thin(now, { steps: 3, rows: 50 }));
        const over = (stepS: number) =>
          Math.floor((now - 60_000) / (stepS * 1_000)) * stepS * 1_000;
        const since = (keepMs: number, stepS: number) =>
          Math.floor((now - keepMs) / (stepS * 1_000)) * stepS * 1_000;
        const shown = async (stepS: 10 | 300 | 3600) =>
          (await points(stepS)).map(({ subject, at, samples, average, maximum }) => ({
            subject,
            at,
            samples,
            average: average[0] ?? null,
            maximum: (maximum ?? average)[0] ?? null,
          }));
        const near = (rows: unknown[]) =>
          (rows as Row[]).map((row) => ({
            ...row,
            average: row.average === null ? null : (expect.closeTo(row.average, 2) as number),
          }));
        // A fine row stays until its coarse one stands, though its time is up.
        const tenUntil = Math.min(since(HOUR, 10), over(300));
        const fiveUntil = Math.min(since(7 * DAY, 300), over(3600));
        expect(await shown(10)).toEqual(near(naive.rows(10, tenUntil, Infinity)));
        expect(await shown(300)).toEqual(near(naive.rows(300, fiveUntil, over(300))));
        expect(await shown(3600)).toEqual(near(naive.rows(3600, 0, over(3600))));
      }),
      { numRuns: 30 },
    );
  });
});
