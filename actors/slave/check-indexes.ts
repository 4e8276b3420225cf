/**
 * The part of `piw-slave --check` that asks the indexes which the master names: whether builds will reach them, and
 * by the Date of their answers whether this machine's clock is far off. Called by tree.ts.
 */
import { request } from "undici";
import type { CheckRow } from "./check.ts";
import { createDispatcher, USER_AGENT } from "./http-client.ts";

const SILENCE_MS = 10_000;
/** Certificates and the time stamps of archives bear as much. */
const FAR_OFF_MS = 120_000;

interface Answer {
  readonly row: CheckRow;
  /** This clock less that of the index; undefined where it told no time. */
  readonly offMs: number | undefined;
}

/** Nothing where there are none to ask: what the master did not say has a row already. */
export async function checkIndexes(indexes: readonly string[]): Promise<CheckRow[]> {
  if (indexes.length === 0) return [];
  const answers = await Promise.all(indexes.map(askIndex));
  return [...answers.map(({ row }) => row), clockRow(answers)];
}

async function askIndex(index: string): Promise<Answer> {
  const dispatcher = createDispatcher();
  try {
    const url = new URL(`${index.replace(/\/+$/, "")}/`);
    const askedAtMs = Date.now();
    // The whole list of a large index has tens of megabytes: its head is enough.
    const { statusCode, headers, body } = await request(url, {
      ...{ dispatcher, method: "HEAD", signal: AbortSignal.timeout(SILENCE_MS) },
      headers: { accept: "text/html", "user-agent": USER_AGENT },
    });
    body.on("error", () => {}).destroy();
    const here = (askedAtMs + Date.now()) / 2;
    return {
      row: indexRow(index, statusCode),
      offMs: offBy(here, headers["date"], headers["age"]),
    };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { row: unreached(index, `could not be reached (${why})`), offMs: undefined };
  } finally {
    await dispatcher.destroy();
  }
}

const indexRow = (index: string, statusCode: number): CheckRow =>
  statusCode >= 500 || statusCode === 407
    ? unreached(index, `answers ${statusCode}`)
    : { state: "ok", text: `index ${shown(index)}` };

const unreached = (index: string, why: string): CheckRow => ({
  state: "lacks",
  text: `index ${shown(index)} ${why}: builds that need something from it will fail`,
});

/** Without user and password: people show others what a check printed. */
const shown = (index: string): string => index.replace(/(:\/\/)[^/?#]*@/, "$1");

/** A cache may give the Date of its copy, with its Age beside it: the nearer reading counts. */
function offBy(
  hereMs: number,
  date: string | string[] | undefined,
  age: string | string[] | undefined,
): number | undefined {
  const thereMs = Date.parse(String(date));
  if (Number.isNaN(thereMs)) return undefined;
  const ageMs = Number(age) > 0 ? Number(age) * 1_000 : 0;
  const readings = [hereMs - thereMs, hereMs - thereMs - ageMs];
  return readings.sort((a, b) => Math.abs(a) - Math.abs(b))[0];
}

/** The nearest of all: one index whose own clock is wrong blames nobody. */
function clockRow(answers: readonly Answer[]): CheckRow {
  const [offMs] = answers
    .flatMap((answer) => answer.offMs ?? [])
    .sort((a, b) => Math.abs(a) - Math.abs(b));
  if (offMs === undefined) return { state: "lacks", text: "clock: no index told the time" };
  if (Math.abs(offMs) < FAR_OFF_MS) return { state: "ok", text: "clock" };
  const minutes = Math.round(Math.abs(offMs) / 60_000);
  return {
    state: "lacks",
    text: `clock: ${minutes} minutes ${offMs > 0 ? "ahead of" : "behind"} that of the index: set it (Debian: systemd-timesyncd), or certificates and time stamps will be wrong`,
  };
}
