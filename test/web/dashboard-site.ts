/** A dashboard of a farm that a test makes up, behind a real server and a real gate: for tests that ask it over HTTP. */
import { createHash } from "node:crypto";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import type { LogAnswer } from "../../protocol/model/build-log.ts";
import { rowIdSchema } from "../../protocol/model/scalar.ts";
import type { Farm, Picture, SlaveSeen } from "../../web/dashboard/contract.ts";
import { buildDashboard, type Dashboard } from "../../web/dashboard/dashboard.ts";
import type { Order } from "../../web/dashboard/orders.ts";
import { Mounts, TokenGate } from "../../web/server.ts";
import { startTestSite, type TestSite } from "./test-site.ts";

export const tokenOf = (name: string): string => `piw_${name.padEnd(43, "x")}`;

const nothing: Picture = {
  connection: { isHere: true, sinceAt: 1_000, why: "" },
  figures: { asOf: null, farm: null, targets: [], master: null, resting: null },
  slaves: [],
  ended: [],
  notes: [],
  tree: null,
};

export const slave = (id: number, change: Partial<SlaveSeen> = {}): SlaveSeen => ({
  id: rowIdSchema.parse(id),
  label: `slave-${id}`,
  state: "idle",
  sinceAt: 1_000,
  asleep: null,
  build: null,
  delivering: 0,
  connectedAt: 1_000,
  facts: null,
  stats: null,
  heardAt: null,
  says: null,
  ...change,
});

export interface DashboardSite {
  readonly url: string;
  readonly ask: TestSite["ask"];
  /** Orders that reached the farm, and by whom. */
  readonly orders: readonly { readonly order: Order; readonly by: string }[];
  readonly treeLooks: readonly (number | null)[];
  readonly dashboard: Dashboard;
  readonly crashes: readonly unknown[];
  picture: Picture;
  /** What is said of any log. */
  readLog: Farm["readLog"];
  readHistory: Farm["readHistory"];
  /** Takes names of tokens away. */
  revoke(name: string): void;
  change(change: Partial<Picture>): void;
  post(
    path: string,
    body: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<{ status: number; headers: IncomingMessage["headers"]; text: string }>;
  close(): Promise<void>;
}

export async function startDashboardSite(
  options: { readonly whoMayLook?: "everyone" | "local" | "token"; readonly stallMs?: number } = {},
): Promise<DashboardSite> {
  const valid = new Map(
    (["watch", "control"] as const).map((right) => [
      createHash("sha256").update(tokenOf(right)).digest("hex"),
      { name: right, right },
    ]),
  );
  const orders: { order: Order; by: string }[] = [];
  const treeLooks: (number | null)[] = [];
  const crashes: unknown[] = [];
  const mounts = new Mounts();
  const site = await startTestSite({ mounts });
  const farm: Farm = {
    get picture() {
      return made.picture;
    },
    lookAtTree: (everyMs) => treeLooks.push(everyMs),
    readHistory: (asked) => made.readHistory(asked),
    readLog: (token, position, waitMs) => made.readLog(token, position, waitMs),
    explain: () => Promise.reject(new Error("the database does not answer")),
    readOrders: async () => [],
    order: async (order, by) => {
      orders.push({ order, by });
      return { isDone: true, text: "it was done" };
    },
  };
  const dashboard = await buildDashboard({
    farm,
    tokens: new TokenGate({
      check: async (sha256) => valid.get(sha256) ?? null,
      times: { freshMs: 50, lookMs: 20 },
    }),
    whoMayLook: options.whoMayLook ?? "everyone",
    cookie: { path: "/farm", isTls: false },
    log: { error: () => undefined },
    stallMs: options.stallMs ?? 300_000,
    onCrash: (error) => crashes.push(error),
  });
  const leave = mounts.reserve("/farm").serve(dashboard.handle);
  const none: LogAnswer = {
    build: null,
    part: null,
    trouble: "there is no build 1",
    isForNow: false,
  };
  const made: DashboardSite = {
    url: site.url.replace(/\/$/, ""),
    ask: site.ask,
    orders,
    treeLooks,
    crashes,
    dashboard,
    picture: nothing,
    readLog: async () => none,
    readHistory: async () => [],
    revoke: (name) => {
      for (const [hash, holder] of valid) if (holder.name === name) valid.delete(hash);
    },
    change(change) {
      made.picture = { ...made.picture, ...change };
      dashboard.changed();
    },
    async post(path, body, headers = {}) {
      const response = await fetch(`${made.url}${path}`, {
        method: "POST",
        headers,
        body,
        redirect: "manual",
      });
      const found = Object.fromEntries(response.headers.entries());
      return { status: response.status, headers: found, text: await response.text() };
    },
    async close() {
      leave();
      await dashboard.close();
      await site.close();
    },
  };
  return made;
}

interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A reader of a stream of events, as a browser is one. */
export class StreamReader {
  readonly events: StreamEvent[] = [];
  readonly response: Promise<IncomingMessage>;
  isOver = false;
  readonly #request: ClientRequest;

  constructor(url: string, headers: Readonly<Record<string, string>> = {}) {
    this.#request = httpRequest(url, { headers, agent: false });
    this.response = new Promise((resolve, reject) => {
      this.#request.on("error", reject);
      this.#request.on("response", resolve);
    });
    this.response.catch(() => undefined);
    this.#request.on("response", (response) => this.#read(response));
    this.#request.end();
  }

  #read(response: IncomingMessage): void {
    let rest = "";
    response.setEncoding("utf8");
    response.on("data", (text: string) => {
      const blocks = (rest + text).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) {
        const of = (name: string) => new RegExp(`^${name}: (.*)$`, "m").exec(block)?.[1] ?? "";
        if (of("event") !== "")
          this.events.push({ id: of("id"), event: of("event"), data: of("data") });
      }
    });
    response.on("close", () => {
      this.isOver = true;
    });
    response.on("error", () => undefined);
  }

  /** Takes nothing more. */
  async pause(): Promise<void> {
    (await this.response).pause();
  }
  async resume(): Promise<void> {
    (await this.response).resume();
  }

  close(): void {
    this.#request.destroy();
  }
}
