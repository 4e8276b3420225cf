/**
 * Hooks: what happens reaches commands and webhooks, once and signed, and one that fails, stalls or floods costs the
 * others nothing. Real database, real HTTP receivers, real processes.
 */
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DatabaseRef } from "../../../actors/master/database.ts";
import { herald } from "../../../actors/master/herald.ts";
import { runHookCommand } from "../../../actors/master/hooks/hook-command.ts";
import {
  type ConfiguredHook,
  type Hooks,
  makeHooks,
} from "../../../actors/master/hooks/make-hooks.ts";
import { readHookSecret } from "../../../actors/master/hooks/webhook.ts";
import { Meters } from "../../../actors/master/metrics/meters.ts";
import type { RequestName } from "../../../db/requests.ts";
import type { HookDelivery } from "../../../protocol/model/hook.ts";
import { startSampleUpstream } from "../../../samples/index.ts";
import {
  child,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";
import { LocalMaster } from "../../support/local-master.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import {
  absentMs,
  emptyTables,
  hello,
  lease,
  recordProject,
  release,
  retry,
  run,
  settle,
  target,
  wheel,
} from "../../support/queue-fixture.ts";

let database: TestDatabase;
let folder: string;
const servers: Server[] = [];
const ends: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await emptyTables(database.sql);
  await database.sql`delete from hook`;
  folder = mkdtempSync(join(tmpdir(), "ww-hooks-"));
});
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

interface Told {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  readonly message: { id: string; type: string; data: Record<string, unknown> };
}

/** A receiver; `answer` says what it does. Gives its address and what it was told. */
async function receiver(answer: (response: ServerResponse, count: number) => void) {
  const told: Told[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      const message = JSON.parse(body) as Told["message"];
      told.push({ headers: request.headers, body, message });
      answer(response, told.length);
    });
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/hook`, told };
}
const ok = (response: ServerResponse): void => void response.end("thanks");

const until = async (what: string, fits: () => boolean | Promise<boolean>): Promise<void> => {
  const deadline = performance.now() + 30_000;
  while (!(await fits())) {
    if (performance.now() > deadline) throw new Error(`not within 30 s: ${what}`);
    await delay(20);
  }
};

const webhook = (
  name: string,
  url: string,
  more: Partial<ConfiguredHook> = {},
): ConfiguredHook => ({
  ...{ name, events: ["built", "failed", "published", "removed"], match: [], timeoutMs: 10_000 },
  action: { kind: "webhook", url, secretFile: undefined },
  ...more,
});

/** The herald alone, over the real database. */
async function startHerald(configured: readonly ConfiguredHook[], retryMs = 20): Promise<System> {
  const hooks: Hooks = makeHooks(configured, "wheelwright/test");
  const asked = {
    ask: async (name: RequestName, args: never) => {
      const result: unknown = await run(database.sql, name, args);
      return result;
    },
  } as unknown as DatabaseRef;
  const system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: () =>
      supervisor("main", {}, [
        child("herald", herald, {
          database: asked,
          hooks: hooks.list,
          lookMs: 20,
          retryMs,
          meters: new Meters().hooks(),
        }),
      ]),
  });
  ends.push(async () => {
    await system.stop();
    await hooks.close();
  });
  await until("the hooks are known", async () => {
    const rows = await database.sql`select from hook`;
    return rows.length === configured.length;
  });
  return system;
}

/** A build that is settled as built, and its wheel placed. */
async function buildAndPublish(name = "pkg"): Promise<number> {
  const { sql } = database;
  const slave = await hello(sql, "a", [target(11)]);
  await recordProject(sql, name, [release("1.0")], 1);
  const token = (await lease(sql, slave))?.order.token ?? 0;
  await settle(sql, slave, token, {}, [wheel(name, "py3-none-any", name)]);
  const { files } = await run(sql, "unplaced", { token, limit: 10 });
  await run(sql, "markPlaced", { fileIds: files.map(({ id }) => id), logTokens: [] });
  return token;
}
const owed = async (): Promise<number> => (await database.sql`select from hook_delivery`).length;

describe("what happens", () => {
  it("is told to a webhook: built, published, removed, failed, each once, with its id and signed", async () => {
    const secretFile = join(folder, "secret");
    writeFileSync(secretFile, "a secret of a team\n", { mode: 0o600 });
    const { url, told } = await receiver(ok);
    await startHerald([webhook("chat", url, { action: { kind: "webhook", url, secretFile } })]);
    const token = await buildAndPublish();
    await until("two events are told", () => told.length === 2);
    expect(told.map(({ message }) => [message.type, message.data["package"]])).toEqual([
      ["built", "pkg"],
      ["published", "pkg"],
    ]);
    expect(told[0]?.message.data).toMatchObject({ version: "1.0", build: token, cause: "built" });
    for (const { headers, body, message } of told) {
      const [id, timestamp] = [headers["webhook-id"], headers["webhook-timestamp"]];
      expect(message.id).toBe(id);
      const mac = createHmac("sha256", "a secret of a team")
        .update(`${String(id)}.${String(timestamp)}.${body}`)
        .digest("base64");
      expect(headers["webhook-signature"]).toBe(`v1,${mac}`);
      expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    }
    await database.sql`update file set removed_at = now()`;
    const [file] = await database.sql<{ id: number }[]>`select id from file`;
    await run(database.sql, "markRemoved", { fileIds: [file?.id ?? 0] });
    await until("the removal is told", () => told.length === 3);
    expect(told[2]?.message).toMatchObject({ type: "removed", data: { package: "pkg" } });

    const slave = await hello(database.sql, "a", [target(11)]);
    await recordProject(database.sql, "broken", [release("1.0")], 2);
    const failing = (await lease(database.sql, slave))?.order.token ?? 0;
    await settle(database.sql, slave, failing, { cause: "build-failed", message: "no <b>" });
    await until("the failure is told", () => told.length === 4);
    expect(told[3]?.message).toMatchObject({
      type: "failed",
      data: { package: "broken", cause: "build-failed", message: "no <b>" },
    });
    await until("nothing is owed", async () => (await owed()) === 0);
    expect(new Set(told.map(({ message }) => message.id)).size).toBe(4);
  });

  it("is told of the packages and events only that the hook is for", async () => {
    const { url, told } = await receiver(ok);
    await startHerald([
      webhook("some", url, { events: ["published"], match: ["other", "cp311-*/pk*"] }),
    ]);
    await buildAndPublish("pkg");
    await buildAndPublish("alien");
    await buildAndPublish("other");
    await until("both are told", () => told.length === 2);
    await until("nothing is owed", async () => (await owed()) === 0);
    expect(told.map(({ message }) => message.data["package"])).toEqual(["pkg", "other"]);
  });

  it("is told again after failures with the same id, and by the next master what this one owed", async () => {
    const { url, told } = await receiver((response, count) => {
      response.statusCode = count < 3 ? 503 : 200;
      response.end();
    });
    const first = await startHerald([webhook("chat", url, { events: ["built"] })], 600_000);
    await buildAndPublish();
    await until("one try has failed", async () => {
      const [row] = await database.sql<{ tries: number }[]>`select tries from hook_delivery`;
      return row?.tries === 1;
    });
    await first.stop();
    await database.sql`update hook_delivery set not_before = now()`;
    await startHerald([webhook("chat", url, { events: ["built"] })]);
    await until("it is told", async () => (await owed()) === 0);
    expect(told).toHaveLength(3);
    expect(new Set(told.map(({ message }) => message.id)).size).toBe(1);
  });

  it("is told to others while one receiver stalls, another is not there and a command hangs", async () => {
    const stalling = await receiver(() => undefined);
    const good = await receiver(ok);
    await startHerald([
      webhook("stalls", stalling.url),
      webhook("away", "http://127.0.0.1:9/hook"),
      webhook("hangs", "", { action: { kind: "command", argv: ["/bin/sleep", "600"] } }),
      webhook("good", good.url),
    ]);
    await buildAndPublish();
    await until("the good one has heard all", () => good.told.length === 2);
    expect(stalling.told).toHaveLength(1);
  });

  it("is not told any more to a receiver that is gone (410), until it is another one", async () => {
    const gone = await receiver((response) => void response.writeHead(410).end());
    const system = await startHerald([webhook("chat", gone.url)]);
    await buildAndPublish();
    await until("it is disabled", async () => {
      const [row] = await database.sql<{ disabled: string | null }[]>`select disabled from hook`;
      return row?.disabled === "it answered 410, Gone";
    });
    await buildAndPublish("other");
    expect([gone.told.length, await owed()]).toEqual([1, 0]);
    await system.stop();
    const next = await receiver(ok);
    await startHerald([webhook("chat", next.url)]);
    await until("it is enabled", async () => {
      const [row] = await database.sql<{ disabled: string | null }[]>`select disabled from hook`;
      return row?.disabled === null;
    });
    await buildAndPublish("third");
    await until("the new one hears", () => next.told.length === 2);
  });

  it("is told of a slave that was lost with a build in hand", async () => {
    const { sql } = database;
    const { url, told } = await receiver(ok);
    await startHerald([webhook("watch", url, { events: ["slave-lost"] })]);
    const slave = await hello(sql, "a", [target(11)]);
    await recordProject(sql, "pkg", [release("1.0")], 1);
    const token = (await lease(sql, slave))?.order.token ?? 0;
    await sql`update lease set expires_at = now() - interval '1 second'`;
    await run(sql, "sweepQueue", { retry, absentMs });
    await until("it is told", () => told.length === 1);
    expect(told[0]?.message).toMatchObject({
      type: "slave-lost",
      data: { package: "pkg", build: token, cause: "slave-lost" },
    });
  });

  it("is told by a real master: that its disk is low", async () => {
    const { url, told } = await receiver(ok);
    const known = { name: "ops", events: ["disk-low"], patterns: [], action: "of before" };
    await run(database.sql, "setHooks", { hooks: [known] });
    const upstream = await startSampleUpstream({ files: [] });
    ends.push(() => upstream.close());
    const master = await LocalMaster.start({
      ...{ dsn: database.dsn, upstream, slaves: 0, diskReserveBytes: 2 ** 52 },
      hooks: [
        {
          ...{ name: "ops", events: ["disk-low"], match: [], timeoutMs: 10_000 },
          action: { kind: "webhook", url, secretFile: undefined },
        },
      ],
    });
    ends.unshift(() => master.end());
    await until("it is told", () => told.length > 0);
    expect(told[0]?.message).toMatchObject({
      type: "disk-low",
      data: { message: expect.stringContaining("the output disk has") as string },
    });
  }, 90_000);

  it("is kept only so far for who is behind, the newest of it, and not at all for nobody", async () => {
    const hook = { name: "slow", events: ["disk-low"], patterns: [], action: "x" };
    await run(database.sql, "setHooks", { hooks: [hook, { ...hook, name: "other" }] });
    for (let count = 0; count < 5; count += 1)
      await run(database.sql, "announceEvent", { event: "disk-low", message: `${count}` });
    expect((await run(database.sql, "trimDeliveries", { keep: 3 })).dropped).toEqual(
      expect.arrayContaining([
        { hook: "slow", count: 2 },
        { hook: "other", count: 2 },
      ]),
    );
    const [oldest] = await run(database.sql, "dueDeliveries", { busy: ["other"] });
    expect(oldest?.body).toEqual({ message: "2" });
    await run(database.sql, "setHooks", { hooks: [] });
    await run(database.sql, "announceEvent", { event: "disk-low", message: "x" });
    await buildAndPublish();
    expect(await owed()).toBe(0);
  });
});

const delivery: HookDelivery = {
  ...{ id: 1, hook: "h", eventId: "e-1", event: "built", madeAt: 0, tries: 0 },
  body: { package: "pkg", durationMs: 5, message: "a\nb; $(id) \0", slave: null },
};
const never = new AbortController().signal;
const shell = (text: string, timeoutMs = 20_000) =>
  runHookCommand({ argv: ["/bin/sh", "-c", text], timeoutMs }, delivery, never);

describe("a command", () => {
  it("is given the message on standard input and its fields as variables, and no secret of the master's", async () => {
    process.env["PGPASSWORD"] = "of the master";
    try {
      const out = join(folder, "out");
      expect(await shell(`cat > ${out}; env > ${out}.env`)).toEqual({ kind: "delivered" });
      expect(JSON.parse(readFileSync(out, "utf8"))).toMatchObject({ id: "e-1", type: "built" });
      const environment = readFileSync(`${out}.env`, "utf8");
      expect(environment).toMatch(/^PIW_EVENT=built$/m);
      expect(environment).toMatch(/^PIW_DURATION_MS=5$/m);
      expect(environment).toContain("PIW_MESSAGE=a\nb; $(id) ");
      expect(environment).not.toMatch(/PIW_SLAVE|of the master/);
    } finally {
      delete process.env["PGPASSWORD"];
    }
  });

  it.each<[string, string, RegExp]>([
    ["ends with a code", "echo one; echo two >&2; exit 3", /^\/bin\/sh ended with 3: (one|two)$/],
    ["kills itself", "kill -9 $$", /^\/bin\/sh was ended by SIGKILL$/],
    [
      "floods",
      "yes xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx | head -c 50000000; exit 1",
      /ended with 1: x{1,200}$/,
    ],
  ])("that %s has failed, in one line", async (_what, text, words) => {
    const attempt = await shell(text);
    expect(attempt).toEqual({ kind: "failed", reason: expect.stringMatching(words) as string });
  });

  it("that is not there, or takes no input, is no crash", async () => {
    const missing = { argv: ["/no-such-folder/mail"] as [string], timeoutMs: 1_000 };
    expect(await runHookCommand(missing, delivery, never)).toEqual({
      kind: "failed",
      reason: expect.stringMatching(/^\/no-such-folder\/mail cannot be run: .*ENOENT/) as string,
    });
    expect(await shell("exec 0<&-; exit 0")).toEqual({ kind: "delivered" });
    // What is thrown at once, instead of being said later.
    expect(await shell("\0")).toEqual({
      kind: "failed",
      reason: expect.stringMatching(/^\/bin\/sh cannot be run: .*null bytes/) as string,
    });
  });

  it("that hangs is ended with all that it started, also one that hears no SIGTERM", async () => {
    const out = join(folder, "alive");
    const text = `trap '' TERM; (while :; do echo x >> ${out}; sleep 0.05; done) & while :; do sleep 0.1; done`;
    expect(await shell(text, 500)).toEqual({
      kind: "failed",
      reason: "/bin/sh ran for longer than 0.5 s",
    });
    const size = () => (existsSync(out) ? readFileSync(out).length : 0);
    const before = size();
    await delay(300);
    expect(size()).toBe(before);
  });

  it("is ended with the master", async () => {
    const end = new AbortController();
    const running = runHookCommand(
      { argv: ["/bin/sleep", "600"], timeoutMs: 600_000 },
      delivery,
      end.signal,
    );
    end.abort(new Error("the master stops"));
    await expect(running).rejects.toThrow("the master stops");
  });
});

describe("a webhook", () => {
  const post = async (url: string, timeoutMs = 10_000) => {
    const hooks = makeHooks([webhook("one", url, { timeoutMs })], "wheelwright/test");
    try {
      return await hooks.list[0]?.deliver(delivery, never);
    } finally {
      await hooks.close();
    }
  };

  it("that stalls, redirects, says how long to wait, talks for ever or hangs up has failed", async () => {
    const stalling = await receiver(() => undefined);
    expect(await post(stalling.url, 300)).toEqual({
      kind: "failed",
      reason: "no answer within 0.3 s",
    });
    const other = await receiver(ok);
    const redirecting = await receiver(
      (response) => void response.writeHead(307, { location: other.url }).end(),
    );
    expect(await post(redirecting.url)).toEqual({ kind: "failed", reason: "it answered 307" });
    expect(other.told).toEqual([]);
    const busy = await receiver(
      (response) => void response.writeHead(429, { "retry-after": "120" }).end(),
    );
    expect(await post(busy.url)).toEqual({
      ...{ kind: "failed", reason: "it answered 429", afterMs: 120_000 },
    });
    const talking = await receiver((response) => {
      const talk = setInterval(() => response.write("x".repeat(10_000)), 1);
      response.on("close", () => clearInterval(talk));
    });
    expect(await post(talking.url)).toEqual({ kind: "delivered" });
    const rude = await receiver((response) => void response.destroy());
    expect(await post(rude.url)).toMatchObject({ kind: "failed" });
  });

  it.each<[string, string, number, RegExp]>([
    ["that others may read", "a secret of a team", 0o644, /others than its owner may read it/],
    ["that is short", "short", 0o600, /a secret needs 16 characters or more/],
  ])("has no secret %s", (_what, text, mode, words) => {
    const file = join(folder, "secret");
    writeFileSync(file, text);
    chmodSync(file, mode);
    expect(() => readHookSecret(file)).toThrow(words);
    expect(() => readHookSecret(join(folder, "none"))).toThrow(/^secret-file .*none: /);
  });

  it("takes a secret as Standard Webhooks writes them", () => {
    const file = join(folder, "secret");
    writeFileSync(file, `whsec_${Buffer.from("0123456789abcdef").toString("base64")}\n`, {
      mode: 0o600,
    });
    expect(readHookSecret(file).toString()).toBe("0123456789abcdef");
  });
});
