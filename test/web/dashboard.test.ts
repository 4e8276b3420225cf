/** The dashboard as it is asked over HTTP: who is let in, what streams say after a cut, what is bounded, what is refused. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { tokenSchema } from "../../protocol/model/build.ts";
import type { LogAnswer, LoggedBuild } from "../../protocol/model/build-log.ts";
import type { EndedBuild } from "../../protocol/model/status.ts";
import { cutBytes } from "../../web/dashboard/log-stream.ts";
import {
  type DashboardSite,
  StreamReader,
  slave,
  startDashboardSite,
  tokenOf,
} from "./dashboard-site.ts";

const patience = { timeout: 15_000, interval: 20 };
let site: DashboardSite;
const readers: StreamReader[] = [];

const start = async (whoMayLook: "everyone" | "local" | "token" = "everyone") => {
  await site.close();
  site = await startDashboardSite({ whoMayLook });
};
beforeEach(async () => {
  site = await startDashboardSite();
});
afterEach(async () => {
  for (const reader of readers.splice(0)) reader.close();
  await site.close();
});

const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });
const cookie = (name: string) => ({ cookie: `piw_token=${tokenOf(name)}` });
function read(path: string, headers: Readonly<Record<string, string>> = {}): StreamReader {
  const reader = new StreamReader(`${site.url}${path}`, headers);
  readers.push(reader);
  return reader;
}
interface Said {
  readonly isWhole: boolean;
  readonly pieces: { readonly key: string; readonly list: string | null; readonly html: string }[];
  readonly gone: readonly string[];
}
const said = ({ events }: StreamReader): Said[] =>
  events.map(({ data }) => JSON.parse(data) as Said);
const keysOf = (updates: readonly Said[]) =>
  updates.flatMap(({ pieces }) => pieces.map(({ key }) => key));
const untilSaid = (reader: StreamReader, count: number) =>
  expect.poll(() => reader.events.length, patience).toBeGreaterThanOrEqual(count);
const streamOf = async (path: string) => {
  const text = (await site.ask(path)).body.toString();
  const [, url = "", id = ""] = /data-stream="([^"]*)" data-stream-id="([^"]*)"/.exec(text) ?? [];
  return { url, id, text };
};

const ended = (token: number): EndedBuild => ({
  token: tokenSchema.parse(token),
  ...{ package: "tide", version: `${token}.0`, target: "cp311-linux_x86_64", slave: "slave-1" },
  slaveId: slave(1).id,
  ...{ cause: "built", message: "", durationMs: 1_000, endedAt: token * 1_000, files: [] },
});

describe("a stream", () => {
  test("says what has changed since the page was made, and nothing else", async () => {
    site.change({ slaves: [slave(1), slave(2)] });
    const { url, id } = await streamOf("/farm/slaves");
    const reader = read(`${url}&from=${id}`);
    await untilSaid(reader, 1);
    expect(said(reader)).toMatchObject([{ isWhole: false, pieces: [], gone: [] }]);
    const [one, two] = site.picture.slaves;
    if (one === undefined || two === undefined) throw new Error("no slaves");
    site.change({ slaves: [one, { ...two, state: "asleep" }] });
    await untilSaid(reader, 2);
    expect(keysOf(said(reader))).toEqual(["states", "slaves/2"]);
    site.change({ slaves: [{ ...two, state: "asleep" }] });
    await untilSaid(reader, 3);
    expect(said(reader).at(-1)?.gone).toEqual(["slaves/1"]);
  });

  test("that was cut goes on after its last id, however often and whatever came between", async () => {
    const seen: string[] = [];
    let lastId = "";
    for (let round = 0; round < 5; round += 1) {
      const reader = read(
        "/farm/stream?view=builds",
        lastId === "" ? {} : { "last-event-id": lastId },
      );
      await untilSaid(reader, 1);
      expect(said(reader)[0]?.isWhole).toBe(round === 0);
      site.change({ ended: [ended(round * 10 + 1), ...site.picture.ended] });
      await expect.poll(() => keysOf(said(reader)), patience).toContain(`ended/${round * 10 + 1}`);
      seen.push(...keysOf(said(reader)));
      lastId = reader.events.at(-1)?.id ?? "";
      reader.close();
      // Said to nobody.
      site.change({ ended: [ended(round * 10 + 5), ...site.picture.ended] });
    }
    const reader = read("/farm/stream?view=builds", { "last-event-id": lastId });
    await untilSaid(reader, 1);
    seen.push(...keysOf(said(reader)));
    expect(seen.sort()).toEqual(site.picture.ended.map(({ token }) => `ended/${token}`).sort());
  });

  test.each(["", "0-1-1", "nonsense", "999999999999-1-0", "--", "x".repeat(5_000)])(
    "after an id of another life (%s) begins with the whole",
    async (id) => {
      site.change({ slaves: [slave(1)] });
      const reader = read("/farm/stream?view=slaves", { "last-event-id": id });
      await untilSaid(reader, 1);
      expect(said(reader)[0]?.isWhole).toBe(true);
      expect(keysOf(said(reader))).toContain("slaves/1");
    },
  );

  test("of one page is not continued on another", async () => {
    site.change({ slaves: [slave(1)] });
    const { id } = await streamOf("/farm/slaves");
    const reader = read(`/farm/stream?view=slave-1&from=${id}`);
    await untilSaid(reader, 1);
    expect(said(reader)[0]?.isWhole).toBe(true);
  });

  /** Megabytes of rows, so that no system takes a few of them for a reader who does not. */
  const many = (state: "idle" | "building") =>
    Array.from({ length: 500 }, (_, at) =>
      slave(at + 1, { state, label: `${state} ${"x".repeat(3_000)} ${at}` }),
    );
  const hasLast = ({ events }: StreamReader) => events.at(-1)?.data.includes("the last") === true;

  test("is not read by its reader: it holds up nobody, and is brought up to now when it is", async () => {
    site.change({ slaves: many("idle") });
    const [slow, quick] = [read("/farm/stream?view=slaves"), read("/farm/stream?view=slaves")];
    await slow.pause();
    for (let round = 0; round < 12; round += 1) {
      const before = quick.events.length;
      site.change({ slaves: many(round % 2 === 0 ? "building" : "idle") });
      await untilSaid(quick, before + 1);
    }
    site.change({ slaves: [slave(7, { label: "the last" })] });
    await expect.poll(() => hasLast(quick), patience).toBe(true);
    await slow.resume();
    await expect.poll(() => hasLast(slow), patience).toBe(true);
    // What it did not take was never written.
    expect(slow.events.length).toBeLessThan(quick.events.length);
  }, 120_000);

  test("that is never read is ended", async () => {
    await site.close();
    site = await startDashboardSite({ stallMs: 200 });
    site.change({ slaves: many("idle") });
    const slow = read("/farm/stream?view=slaves");
    await slow.pause();
    await expect
      .poll(
        () => {
          site.change({ slaves: many(Math.random() < 0.5 ? "idle" : "building") });
          return site.treeLooks.at(-1);
        },
        { timeout: 60_000, interval: 300 },
      )
      .toBe(null);
  }, 120_000);

  test.each([
    "",
    "?view=",
    "?view=nothing",
    "?view=slave-0",
    "?view=constructor",
    "?view=overview&view=slaves",
  ])("of no page (%s) is not there", async (query) => {
    expect((await site.ask(`/farm/stream${query}`)).status).toBe(404);
  });

  test("is one of so many at most, and a place is free again when one has gone", async () => {
    for (let at = 0; at < 190; at += 1) read("/farm/stream?view=events");
    await expect
      .poll(() => readers.filter(({ events }) => events.length > 0).length, patience)
      .toBe(190);
    const more = Array.from({ length: 20 }, () => read("/farm/stream?view=events"));
    const statuses = await Promise.all(
      more.map(async ({ response }) => (await response).statusCode),
    );
    expect(statuses).toContain(503);
    expect((await site.ask("/simple/")).status).toBe(200);
    for (const reader of readers.splice(0)) reader.close();
    await expect
      .poll(async () => {
        const reader = read("/farm/stream?view=events");
        return (await reader.response).statusCode;
      }, patience)
      .toBe(200);
  }, 60_000);

  test("has the tree read while somebody looks, and no longer", async () => {
    const tasks = read("/farm/stream?view=tasks");
    await untilSaid(tasks, 1);
    const overview = read("/farm/stream?view=overview");
    await untilSaid(overview, 1);
    tasks.close();
    await expect.poll(() => site.treeLooks.at(-1), patience).toBe(15_000);
    overview.close();
    await expect.poll(() => site.treeLooks.at(-1), patience).toBe(null);
    expect(site.treeLooks).toContain(2_000);
  });

  test("whose pieces cannot be made is told to the owner, and ends no process", async () => {
    const reader = read("/farm/stream?view=slaves");
    await untilSaid(reader, 1);
    site.change({ slaves: [slave(1, { state: "no such state" as "idle" })] });
    await expect.poll(() => site.crashes.length, patience).toBe(1);
  });
});

describe("a log", () => {
  const text = "tide: größer, 潮 and 🌊\n".repeat(400);
  const bytes = Buffer.from(text);
  const build: LoggedBuild = {
    token: tokenSchema.parse(7),
    package: "tide",
    version: "1.0",
    target: "cp311-linux_x86_64",
    slave: "slave-1",
    phase: "ended",
    cause: "built",
  };
  /** In parts of a size that cuts characters in two. */
  const parts = async (_token: number, position: number): Promise<LogAnswer> => {
    const data = new Uint8Array(bytes.subarray(position, position + 101));
    const nextPosition = position + data.length;
    const isEnd = nextPosition === bytes.length;
    return {
      build,
      part: { position, skippedBytes: 0, data, nextPosition, isEnd },
      trouble: null,
      isForNow: !isEnd,
    };
  };
  const textOf = (reader: StreamReader) =>
    reader.events
      .flatMap(({ event, data }) =>
        event === "text" ? (JSON.parse(data) as { text: string }).text : "",
      )
      .join("");
  const ends = (reader: StreamReader) =>
    expect.poll(() => reader.events.at(-1)?.event, patience).toBe("end");

  test("is said to its end, by whatever pieces it comes", async () => {
    site.readLog = parts;
    const reader = read("/farm/builds/7/log");
    await ends(reader);
    expect(textOf(reader)).toBe(text);
    await expect.poll(() => reader.isOver, patience).toBe(true);
  });

  test("that was cut anywhere goes on there, to the letter", async () => {
    site.readLog = parts;
    const whole = read("/farm/builds/7/log");
    await ends(whole);
    const texts = whole.events.filter(({ event }) => event === "text");
    for (const at of [0, 1, 7, texts.length - 2]) {
      const before = texts
        .slice(0, at + 1)
        .map(({ data }) => (JSON.parse(data) as { text: string }).text)
        .join("");
      const rest = read("/farm/builds/7/log", { "last-event-id": texts[at]?.id ?? "" });
      await ends(rest);
      expect(before + textOf(rest)).toBe(text);
    }
  });

  test("that cannot be had now is asked for again, and said once why", async () => {
    let asks = 0;
    site.readLog = async (token, position) => {
      asks += 1;
      if (asks < 3) throw new Error("the master does not answer");
      return parts(token, position);
    };
    const reader = read("/farm/builds/7/log");
    await ends(reader);
    expect(reader.events.filter(({ event }) => event === "trouble")).toHaveLength(1);
    expect(textOf(reader)).toBe(text);
  });

  test("that nobody has ends with the reason", async () => {
    const reader = read("/farm/builds/7/log");
    await ends(reader);
    expect(reader.events[0]).toMatchObject({ event: "trouble" });
    expect((await site.ask("/farm/builds/7")).status).toBe(404);
    for (const wrong of ["0", "-1", "x", "1e3", "9".repeat(40)])
      expect((await site.ask(`/farm/builds/${wrong}`)).status).toBe(404);
  });

  test("a character is not cut where it is whole", () => {
    for (const letter of ["a", "ö", "潮", "🌊"]) {
      const whole = Buffer.from(`x${letter}`);
      expect(cutBytes(whole), letter).toBe(0);
      for (let cut = 1; cut < whole.length - 1; cut += 1)
        expect(cutBytes(whole.subarray(0, whole.length - cut)), letter).toBe(
          whole.length - 1 - cut,
        );
    }
    // What is no UTF-8 is not waited for.
    expect(cutBytes(Buffer.from([0x80, 0x80, 0x80, 0x80]))).toBe(0);
  });
});

describe("who may look", () => {
  test("everyone, where everyone may; a wrong token takes nothing from that", async () => {
    for (const headers of [{}, bearer("watch"), bearer("unknown"), cookie("unknown")])
      expect((await site.ask("/farm/", headers)).status).toBe(200);
  });

  test("with a token only, where one is needed: pages lead to the login, the rest is refused", async () => {
    await start("token");
    const page = await site.ask("/farm/builds");
    expect([page.status, page.headers.location]).toEqual([
      303,
      "/farm/login?next=%2Ffarm%2Fbuilds",
    ]);
    for (const path of [
      "/farm/stream?view=slaves",
      "/farm/history?kind=farm&subject=0&span=hour",
      "/farm/builds/7/log",
    ]) {
      expect((await site.ask(path)).status, path).toBe(401);
      expect((await site.ask(path, bearer("unknown"))).status, path).toBe(401);
    }
    for (const headers of [bearer("watch"), bearer("control"), cookie("watch")])
      expect((await site.ask("/farm/builds", headers)).status).toBe(200);
    expect((await site.ask("/farm/login")).status).toBe(200);
  });

  test("who asks at this machine, where those may: no page of a stranger, and nobody through another web server", async () => {
    await start("local");
    const status = async (headers: Record<string, string>) =>
      (await site.ask("/farm/history?kind=farm&subject=0&span=hour", headers)).status;
    expect(await status({})).toBe(200);
    expect(await status({ host: "localhost:8080" })).toBe(200);
    expect(await status({ host: "farm.example" })).toBe(401);
    expect(await status({ host: "127.0.0.1.farm.example" })).toBe(401);
    expect(await status({ "x-forwarded-for": "192.0.2.1" })).toBe(401);
    expect(await status({ host: "farm.example", ...bearer("watch") })).toBe(200);
  });

  test("whose token is revoked: the open stream ends, and no other is opened", async () => {
    await start("token");
    const reader = read("/farm/stream?view=slaves", cookie("watch"));
    const other = read("/farm/stream?view=slaves", cookie("control"));
    await untilSaid(reader, 1);
    await untilSaid(other, 1);
    site.revoke("watch");
    await expect.poll(() => reader.isOver, patience).toBe(true);
    expect(other.isOver).toBe(false);
    await expect
      .poll(
        async () => (await site.ask("/farm/stream?view=slaves", cookie("watch"))).status,
        patience,
      )
      .toBe(401);
  });

  test("sees no order button without the right to order", async () => {
    site.change({ slaves: [slave(1)] });
    for (const [headers, isThere] of [
      [{}, false],
      [bearer("watch"), false],
      [bearer("control"), true],
    ] as const)
      for (const path of ["/farm/slaves", "/farm/slaves/1", "/farm/tasks"]) {
        const text = (await site.ask(path, headers)).body.toString();
        expect(text.includes("data-order="), path).toBe(isThere);
      }
  });
});

describe("the login", () => {
  const own = () => ({ origin: site.url, "content-type": "application/x-www-form-urlencoded" });
  const form = (token: string, next = "/farm/builds") =>
    new URLSearchParams({ token, next }).toString();

  test("keeps the token where no script and no other site gets at it, and leads on", async () => {
    const answer = await site.post("/farm/login", form(tokenOf("watch")), own());
    expect([answer.status, answer.headers.location]).toEqual([303, "/farm/builds"]);
    expect(answer.headers["set-cookie"]).toBe(
      `piw_token=${tokenOf("watch")}; Path=/farm; HttpOnly; SameSite=Strict`,
    );
    const out = await site.post("/farm/logout", "", own());
    expect(out.headers["set-cookie"]).toContain("Max-Age=0");
  });

  test.each([
    "https://evil.example/",
    "//evil.example",
    "/farm/\\evil",
    "/simple/",
    "/farm/login?next=x",
    "javascript:alert(1)",
  ])("leads nowhere else: %s", async (next) => {
    const answer = await site.post("/farm/login", form(tokenOf("watch"), next), own());
    expect(answer.headers.location).toBe("/farm/");
  });

  test("refuses what is no token, from another site, and too much of either", async () => {
    for (const wrong of ["", "x", tokenOf("unknown"), `<img src=x onerror=alert(1)>`]) {
      const answer = await site.post("/farm/login", form(wrong), own());
      expect([answer.status, answer.headers["set-cookie"]]).toEqual([401, undefined]);
      expect(answer.text).not.toContain("<img src=x");
    }
    const foreign = { ...own(), origin: "https://evil.example" };
    for (const path of ["/farm/login", "/farm/logout"]) {
      expect((await site.post(path, form(tokenOf("watch")), foreign)).status).toBe(403);
      expect(
        (await site.post(path, form(tokenOf("watch")), { "content-type": own()["content-type"] }))
          .status,
      ).toBe(403);
    }
    expect((await site.post("/farm/login", "x".repeat(20_000), own())).status).toBe(413);
    const tries = [];
    for (let at = 0; at < 12; at += 1)
      tries.push((await site.post("/farm/login", form(tokenOf(`no${at}`)), own())).status);
    expect(tries.at(-1)).toBe(429);
  });
});

describe("an order", () => {
  const sleep = JSON.stringify({ what: "steer", action: "sleep", slaves: { id: 1 } });
  const asked = { "content-type": "application/json", "x-farm-order": "1" };

  test("of a token that may is carried out, by its name", async () => {
    for (const headers of [bearer("control"), { ...cookie("control"), origin: site.url }]) {
      const answer = await site.post("/farm/orders", sleep, { ...asked, ...headers });
      expect([answer.status, JSON.parse(answer.text)]).toEqual([
        200,
        { isDone: true, text: "it was done" },
      ]);
    }
    expect(site.orders.map(({ by }) => by)).toEqual([
      "token control (dashboard)",
      "token control (dashboard)",
    ]);
    expect(site.orders[0]?.order).toEqual(JSON.parse(sleep));
  });

  test.each<[string, (url: string) => Record<string, string>, number]>([
    ["nobody's", (url) => ({ ...asked, origin: url }), 401],
    ["of an unknown token", () => ({ ...asked, ...bearer("unknown") }), 401],
    ["of a token that may look", () => ({ ...asked, ...bearer("watch") }), 403],
    ["of a cookie that may look", (url) => ({ ...asked, ...cookie("watch"), origin: url }), 403],
    [
      "of a cookie, from another site",
      () => ({ ...asked, ...cookie("control"), origin: "https://evil.example" }),
      403,
    ],
    ["of a cookie, from nowhere", () => ({ ...asked, ...cookie("control") }), 403],
    [
      "of a cookie, from a sandbox",
      () => ({ ...asked, ...cookie("control"), origin: "null" }),
      403,
    ],
    [
      "of a cookie, from a subdomain",
      (url) => ({ ...asked, ...cookie("control"), origin: url, "sec-fetch-site": "same-site" }),
      403,
    ],
    [
      "of a cookie, without the header",
      (url) => ({ "content-type": "application/json", ...cookie("control"), origin: url }),
      403,
    ],
    [
      "of a cookie, as a form",
      (url) => ({
        "content-type": "application/x-www-form-urlencoded",
        "x-farm-order": "1",
        ...cookie("control"),
        origin: url,
      }),
      403,
    ],
    [
      "of a cookie, as a form's plain text",
      (url) => ({ "content-type": "text/plain", ...cookie("control"), origin: url }),
      415,
    ],
  ])("%s is refused, and reaches nobody", async (_what, headersOf, status) => {
    const answer = await site.post("/farm/orders", sleep, headersOf(site.url));
    expect(answer.status).toBe(status);
    expect(site.orders).toEqual([]);
  });

  test.each([
    "",
    "no json",
    "null",
    "[]",
    "{}",
    '{"what":"quit","more":1}',
    '{"what":"steer","action":"burn","slaves":{"id":1}}',
    '{"what":"steer","action":"kill","slaves":{"id":-1}}',
    '{"what":"pause","task":""}',
    `{"what":"pause","task":"${"x".repeat(201)}"}`,
    '{"what":"log-level","task":null,"level":"silly"}',
    '{"__proto__":{"what":"quit"}}',
  ])("that is none is refused: %s", async (body) => {
    const answer = await site.post("/farm/orders", body, { ...asked, ...bearer("control") });
    expect(answer.status).toBe(400);
    expect(site.orders).toEqual([]);
  });

  test("is no GET", async () => {
    expect((await site.ask("/farm/orders", bearer("control"))).status).toBe(404);
  });
});

describe("a page", () => {
  const hostile = `"'><img src=x onerror=alert(1)></td></script><script>alert(1)</script>`;

  test("shows hostile texts as texts, wherever they come from", async () => {
    const build = {
      token: tokenSchema.parse(7),
      package: hostile,
      version: hostile,
      target: hostile,
      sinceAt: 1_000,
    };
    site.change({
      connection: { isHere: false, sinceAt: 1_000, why: hostile },
      figures: { ...site.picture.figures, resting: hostile },
      slaves: [
        slave(1, {
          label: hostile,
          asleep: { by: "farm", why: hostile },
          build,
          facts: {
            slot: hostile,
            identity: hostile,
            hostname: hostile,
            os: hostile,
            board: hostile,
            version: hostile,
            targets: [hostile],
          },
          says: { status: hostile, text: hostile },
        }),
      ],
      ended: [{ ...ended(1), package: hostile, message: hostile, slave: hostile, target: hostile }],
      notes: [{ number: 1, at: 1_000, kind: "build", text: hostile, tone: "bad" }],
    });
    for (const path of [
      "/farm/",
      "/farm/slaves",
      "/farm/slaves/1",
      "/farm/builds",
      "/farm/tasks",
      "/farm/events",
      `/farm/queue?package=${encodeURIComponent(hostile)}`,
      `/farm/login?next=${encodeURIComponent(hostile)}`,
    ]) {
      const { status, body } = await site.ask(path, bearer("control"));
      expect(status, path).toBe(200);
      expect(body.toString(), path).not.toContain("<img src=x");
      expect(body.toString(), path).not.toContain("<script>");
    }
  });

  test("says that the master does not answer, and that it is back", async () => {
    const reader = read("/farm/stream?view=overview");
    await untilSaid(reader, 1);
    site.change({ connection: { isHere: false, sinceAt: 1_000, why: "it went away" } });
    const last = () =>
      said(reader)
        .at(-1)
        ?.pieces.find(({ key }) => key === "alerts")?.html;
    await expect.poll(last, patience).toContain("The master does not answer");
    site.change({ connection: { isHere: true, sinceAt: 2_000, why: "" } });
    await expect.poll(last, patience).not.toContain("The master does not answer");
  });

  test("is not kept by anybody, runs nothing of its own text, and is in no frame", async () => {
    const { headers, body } = await site.ask("/farm/");
    expect(headers["cache-control"]).toBe("no-store");
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
    expect(headers["access-control-allow-origin"]).toBeUndefined();
    expect(body.toString()).not.toMatch(/ style=| on[a-z]+=/);
  });

  test.each([
    "/farm/nothing",
    "/farm/slaves/99",
    "/farm/slaves/x",
    "/farm/../etc/passwd",
    "/farm/%",
    "/farm/slaves/1/",
  ])("%s is not there", async (path) => {
    site.change({ slaves: [slave(1)] });
    expect([400, 404]).toContain((await site.ask(path)).status);
  });

  test("has its styles and scripts with it, whatever the site has", async () => {
    await start("token");
    const text = (await site.ask("/farm/login")).body.toString();
    const links = [...text.matchAll(/(?:src|href)="(\/farm\/assets\/[^"]+)"/g)].map(
      ([, url]) => url,
    );
    expect(links.length).toBeGreaterThan(1);
    for (const url of links) {
      const { status, headers } = await site.ask(url ?? "");
      expect([status, headers["cache-control"]]).toEqual([
        200,
        "public, max-age=31536000, immutable",
      ]);
    }
    expect((await site.ask("/farm/assets/nothing.js")).status).toBe(404);
  });

  test("without its slash leads to the one with it", async () => {
    const { status, headers } = await site.ask("/farm");
    expect([status, headers.location]).toEqual([301, "/farm/"]);
  });
});

describe("the history", () => {
  test("is columns of the figures that were asked for, read of the farm once for many", async () => {
    const step = Math.floor(Date.now() / 10_000) * 10_000;
    const asked: unknown[] = [];
    site.readHistory = async (question) => {
      asked.push(question);
      return [20_000, 10_000, 0].map((ago, place) => ({
        subject: 0,
        at: step - ago,
        samples: 1,
        average: [place, null, 7],
        maximum: null,
      }));
    };
    const url = "/farm/history?kind=farm&subject=0&span=hour";
    const answers = await Promise.all(Array.from({ length: 5 }, () => site.ask(url)));
    for (const { body } of answers)
      expect(JSON.parse(body.toString())).toMatchObject({
        at: [step - 20_000, step - 10_000, step],
        stepMs: 10_000,
        figures: { ready: [0, 1, 2], leased: [null, null, null], waiting: [7, 7, 7] },
      });
    expect(asked).toHaveLength(1);
    const rest = await site.ask(`${url}&from=${step}`);
    expect((JSON.parse(rest.body.toString()) as { at: number[] }).at).toEqual([step]);
  });

  test("of a year has a point for six hours, weighed by samples", async () => {
    const quarter = 6 * 3_600_000;
    const at = Math.floor(Date.now() / quarter) * quarter - quarter;
    site.readHistory = async () =>
      [
        [0, 1, 10],
        [3_600_000, 3, 2],
      ].map(([after = 0, samples = 1, value = 0]) => ({
        subject: 0,
        at: at + after,
        samples,
        average: [value],
        maximum: null,
      }));
    const { body } = await site.ask("/farm/history?kind=farm&subject=0&span=year");
    expect(JSON.parse(body.toString())).toMatchObject({ at: [at], figures: { ready: [4] } });
  });

  test.each([
    "",
    "?kind=farm",
    "?kind=x&subject=0&span=hour",
    "?kind=farm&subject=-1&span=hour",
    "?kind=farm&subject=0&span=eon",
    "?kind=farm&subject=0&span=hour&from=x",
  ])("is not asked for so: %s", async (query) => {
    expect((await site.ask(`/farm/history${query}`)).status).toBe(400);
  });

  test("that cannot be read is said to be so", async () => {
    site.readHistory = () => Promise.reject(new Error("the database does not answer"));
    const { status, body } = await site.ask("/farm/history?kind=farm&subject=0&span=hour");
    expect([status, body.toString()]).toEqual([503, "the database does not answer\n"]);
  });
});
