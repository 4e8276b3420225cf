/**
 * How fast is the site served, beside nginx with the example of `deploy/` and one worker, on the same tree? A part of the bench
 * `pages`. Both write an access log. The client takes as much of the machine as the server, for both.
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { IndexTree } from "../../test/support/index-tree.ts";
import { siteServers } from "../../test/support/web-servers.ts";
import { startChild } from "../bench-child.ts";
import { type Aim, atLeast, type Findings, type Table } from "../frame.ts";
import { type Comparison, figuresOf, playRounds, rounded } from "../rounds.ts";
import { type Visit, visit } from "./visitors.ts";

const ROUNDS = 5;
const ROUND_MS = 1_500;
const WHEEL = "bench_tide-1.0-py3-none-any.whl";
const PIP = {
  Accept:
    "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
};

const questions = [
  {
    name: "page",
    title: "A simple page of 50 files",
    path: "simple/bench-tide/",
    headers: PIP,
    connections: 32,
  },
  {
    name: "gzip",
    title: "The same, compressed",
    path: "simple/bench-tide/",
    headers: { ...PIP, "Accept-Encoding": "gzip, deflate" },
    connections: 32,
  },
  {
    name: "wheel",
    title: "A wheel of 1 MiB",
    path: `simple/bench-tide/${WHEEL}`,
    headers: { "Accept-Encoding": "identity" },
    connections: 8,
  },
] as const;

export async function measureServing(signal: AbortSignal): Promise<Findings> {
  const nginx = siteServers.find(({ name }) => name === "nginx");
  if (nginx === undefined || nginx.missing !== undefined) {
    return {
      tables: [],
      notes: ["nginx is not installed: nothing to compare with"],
      figures: {},
      aims: [],
    };
  }
  const tree = await IndexTree.make();
  const child = startChild<{ output: string }, { type: "serves"; url: string }>(
    "pages-server-child",
    signal,
  );
  try {
    await tree.addWheel({
      name: "bench-tide",
      version: "1.0",
      ballastBytes: 1_024 * 1_024 - 1_000,
    });
    for (let minor = 1; minor < 50; minor += 1)
      await tree.addWheel({ name: "bench-tide", version: `1.${minor}` });
    await tree.writePages();
    const rival = await nginx.start(join(tree.folder, "nginx"), tree.output);
    try {
      child.tell({ output: tree.output });
      const { url } = await child.said("serves");
      return await compare({ "built-in": url, nginx: rival.url }, signal);
    } finally {
      await rival.close();
    }
  } finally {
    await child.end();
    await rm(tree.folder, { recursive: true, force: true });
  }
}

async function compare(
  urls: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<Findings> {
  const tables: Table[] = [];
  const figures: Record<string, number> = {};
  const aims: Aim[] = [];
  for (const { name, title, path, headers, connections } of questions) {
    const contenders = Object.entries(urls).map(([server, url]) => ({
      name: server,
      play: (): Promise<Visit> => visit(`${url}${path}`, headers, { connections, forMs: ROUND_MS }),
    }));
    const rounds = await playRounds(contenders, ROUNDS, signal);
    const rates: Comparison = figuresOf(rounds, ({ perSecond }) => perSecond);
    const waits: Comparison = figuresOf(rounds, ({ p99Ms }) => p99Ms);
    tables.push(
      rates.table(`${title}, ${connections} connections`, "requests/s", "nginx"),
      waits.table("99 of 100 are answered within", "ms", "nginx"),
    );
    const ratio = rounded(rates.ratio("built-in", "nginx"));
    figures[`serve_${name}_per_second`] = rounded(rates.median("built-in"));
    figures[`serve_${name}_nginx_per_second`] = rounded(rates.median("nginx"));
    figures[`serve_${name}_of_nginx_ratio`] = ratio;
    figures[`serve_${name}_p99_ms`] = rounded(waits.median("built-in"));
    aims.push(atLeast(`serve_${name}_of_nginx_ratio`, ratio, 0.33, "of nginx"));
  }
  const notes = ["Each round is 1.5 s of one server, by turns; both write an access log."];
  return { tables, notes, figures, aims };
}
