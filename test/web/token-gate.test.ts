/** Who is let in over HTTP, behind a real server: by header and cookie, until a token ends, while the database is away. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Right, TokenHolder } from "../../protocol/model/access-token.ts";
import {
  type Admitted,
  Mounts,
  noTokenCookie,
  type RefusalReason,
  type Refused,
  sendRefusal,
  TokenGate,
  type TokenGateOptions,
  tokenCookie,
} from "../../web/server.ts";
import { startTestSite, type TestSite } from "./test-site.ts";

const patience = { timeout: 8_000 };
const tokenOf = (name: string) => `piw_${name.padEnd(43, "x")}`;
const hashOf = (token: string) => createHash("sha256").update(token).digest("hex");

/** What the database would say. */
let valid: Map<string, TokenHolder>;
let isAway: boolean;
let asked: string[];
let refused: RefusalReason[];
let gate: TokenGate;
let site: TestSite;
let needed: Right;

const bearer = (name: string) => ({ authorization: `Bearer ${tokenOf(name)}` });
const cookie = (name: string) => ({ cookie: `other=1; piw_token=${tokenOf(name)}; more=2` });
const ask = async (headers: Record<string, string> = {}, method = "GET") => {
  const length = { "content-length": "0" };
  return (await site.ask("/farm", method === "GET" ? headers : { ...headers, ...length }, method))
    .status;
};

async function start(options: Partial<TokenGateOptions> = {}): Promise<void> {
  await site.close();
  gate = new TokenGate({
    check: async (sha256) => {
      asked.push(sha256);
      if (isAway) throw new Error("no database");
      return valid.get(sha256) ?? null;
    },
    onRefused: (reason) => refused.push(reason),
    ...options,
  });
  const mounts = new Mounts();
  mounts.reserve("/farm").serve(async (request, response) => {
    const admission = await gate.admit(request, needed);
    if (!admission.isAdmitted) return sendRefusal(response, admission);
    response.end(admission.holder.name);
  });
  site = await startTestSite({ mounts });
}

beforeEach(async () => {
  valid = new Map();
  for (const name of ["watch", "control"] as const)
    valid.set(hashOf(tokenOf(name)), { name, right: name });
  [isAway, asked, refused, needed] = [false, [], [], "watch"];
  site = await startTestSite();
  await start();
});
afterEach(async () => {
  await site.close();
});

describe("a token is good", () => {
  test.each<[string, Record<string, string>, Right, number]>([
    ["as a header", bearer("watch"), "watch", 200],
    [
      "as a header, the scheme in small letters",
      { authorization: `bearer  ${tokenOf("watch")}` },
      "watch",
      200,
    ],
    ["as a cookie", cookie("watch"), "watch", 200],
    ["for less than its right", bearer("control"), "watch", 200],
    ["for its right", bearer("control"), "control", 200],
    ["not for more than its right", bearer("watch"), "control", 403],
    ["not in another scheme", { authorization: `Basic ${tokenOf("watch")}` }, "watch", 401],
    [
      "not with a wrong header beside a right cookie",
      { ...bearer("other"), ...cookie("watch") },
      "watch",
      401,
    ],
    ["not shortened", { authorization: `Bearer ${tokenOf("watch").slice(0, -1)}` }, "watch", 401],
    ["not where there is none", {}, "watch", 401],
    ["not where it is empty", { cookie: "piw_token=" }, "watch", 401],
  ])("%s: %j", async (_what, headers, right, status) => {
    needed = right;
    expect(await ask(headers)).toBe(status);
  });

  test("whatever is wrong with it, the answer is the same", async () => {
    const answers = await Promise.all(
      [{}, bearer("unknown"), { authorization: "Bearer x" }, { cookie: "piw_token=1" }].map(
        (headers) => site.ask("/farm", headers),
      ),
    );
    const [first, ...others] = answers.map(({ status, headers, body }) => ({
      status,
      headers: { ...headers, date: "" },
      body: body.toString(),
    }));
    expect(first).toMatchObject({
      status: 401,
      headers: { "www-authenticate": 'Bearer realm="wheelwright"', "cache-control": "no-store" },
    });
    for (const other of others) expect(other).toEqual(first);
    expect(refused.sort()).toEqual(["bad-token", "bad-token", "bad-token", "no-token"]);
  });

  test("what cannot be a token is asked of nobody", async () => {
    await ask({ authorization: `Bearer ${"x".repeat(5_000)}` });
    await ask({ authorization: `Bearer ${tokenOf("'; drop table")}` });
    expect(asked).toEqual([]);
  });
});

describe("what would change something", () => {
  test.each<[string, Record<string, string>, number]>([
    ["with a header", bearer("watch"), 200],
    ["with a cookie alone", cookie("watch"), 403],
    ["with a cookie, from this site", { ...cookie("watch"), "sec-fetch-site": "same-origin" }, 200],
    ["with a cookie, from another", { ...cookie("watch"), "sec-fetch-site": "same-site" }, 403],
    ["with a cookie, from nowhere", { ...cookie("watch"), "sec-fetch-site": "none" }, 403],
    ["with a cookie, its origin unknown", { ...cookie("watch"), origin: "null" }, 403],
    [
      "with a cookie, its origin another",
      { ...cookie("watch"), origin: "http://evil.example" },
      403,
    ],
  ])("%s: %j", async (_what, headers, status) => {
    expect(await ask(headers, "POST")).toBe(status);
  });

  test("with a cookie from this origin, where a browser says no more", async () => {
    const origin = new URL(site.url).origin;
    expect(await ask({ ...cookie("watch"), origin }, "POST")).toBe(200);
    expect(await ask({ ...cookie("watch"), origin: `${origin}0` }, "POST")).toBe(403);
  });
});

describe("attempts", () => {
  test("in vain are limited, and those who were let in before are not held up", async () => {
    const rates = { burst: 4, perSecond: 1 / 3_600 };
    await start({ perAddress: rates });
    expect(await ask(bearer("watch"))).toBe(200);
    for (let at = 0; at < 4; at += 1) expect(await ask(bearer(`wrong${at}`))).toBe(401);
    const late = await site.ask("/farm", bearer("wrong5"));
    expect(late.status).toBe(429);
    expect(Number(late.headers["retry-after"])).toBeGreaterThan(3_500);
    expect(await ask(bearer("control"))).toBe(429);
    expect(await ask(bearer("watch"))).toBe(200);
    expect(await ask()).toBe(401);
    expect(asked).toHaveLength(5);
  });

  test("of all addresses together are limited", async () => {
    await start({ inAll: { burst: 1, perSecond: 1 / 3_600 } });
    expect(await ask(bearer("wrong"))).toBe(401);
    expect(await ask(bearer("watch"))).toBe(429);
  });

  test("that come to something count for nothing", async () => {
    await start({ perAddress: { burst: 1, perSecond: 1 / 3_600 }, times: { freshMs: 0 } });
    for (let at = 0; at < 5; at += 1) expect(await ask(bearer("watch"))).toBe(200);
    expect(await ask(bearer("control"))).toBe(200);
  });

  test("at once with one token are one question", async () => {
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await start({
      check: async (sha256) => {
        asked.push(sha256);
        await answered;
        return valid.get(sha256) ?? null;
      },
      times: { checkMs: 60_000 },
    });
    const all = Promise.all(Array.from({ length: 8 }, () => ask(bearer("watch"))));
    await expect.poll(() => asked.length, patience).toBe(1);
    answer();
    expect(new Set(await all)).toEqual(new Set([200]));
    expect(asked).toHaveLength(1);
  });
});

describe("a token that ends", () => {
  test("lets nobody in when it is asked for anew", async () => {
    await start({ times: { freshMs: 50 } });
    expect(await ask(bearer("watch"))).toBe(200);
    valid.clear();
    await expect.poll(() => ask(bearer("watch")), patience).toBe(401);
  });

  test("is no better for having been good: attempts count, and the database's absence does not bring it back", async () => {
    await start({
      perAddress: { burst: 2, perSecond: 1 / 3_600 },
      times: { freshMs: 0, holdMs: 60_000 },
    });
    expect(await ask(bearer("watch"))).toBe(200);
    valid.clear();
    expect(await ask(bearer("watch"))).toBe(401);
    isAway = true;
    expect(await ask(bearer("watch"))).toBe(503);
    isAway = false;
    expect(await ask(bearer("watch"))).toBe(401);
    expect(await ask(bearer("watch"))).toBe(429);
  });

  const admitted: Admitted = {
    isAdmitted: true,
    holder: { name: "watch", right: "watch" },
    sha256: hashOf(tokenOf("watch")),
    needed: "watch",
  };

  test("ends what it holds open, and nothing else", async () => {
    await start({ times: { freshMs: 20, lookMs: 5 } });
    const over: Refused[] = [];
    gate.hold(admitted, (each) => over.push(each));
    gate.hold(admitted, (each) => over.push(each));
    const control = { ...admitted, sha256: hashOf(tokenOf("control")) };
    const others: Refused[] = [];
    const release = gate.hold(control, (each) => others.push(each));
    await expect.poll(() => asked.length, patience).toBeGreaterThan(6);
    expect(over).toEqual([]);
    valid.delete(admitted.sha256);
    await expect.poll(() => over.length, patience).toBe(2);
    expect(over[0]).toMatchObject({ reason: "bad-token", status: 401 });
    expect(others).toEqual([]);
    release();
  });

  test("ends nothing while the database is away for a moment", async () => {
    await start({ times: { freshMs: 0, lookMs: 1, holdMs: 60_000 } });
    expect(await ask(bearer("watch"))).toBe(200);
    const over: Refused[] = [];
    const release = gate.hold(admitted, (each) => over.push(each));
    isAway = true;
    await expect.poll(() => asked.length, patience).toBeGreaterThan(5);
    expect(over).toEqual([]);
    release();
  });

  test("ends what is held open when the database is away for longer", async () => {
    await start({ times: { freshMs: 0, lookMs: 1, holdMs: 1 } });
    isAway = true;
    const over: Refused[] = [];
    gate.hold(admitted, (each) => over.push(each));
    await expect.poll(() => over.length, patience).toBe(1);
    expect(over[0]).toMatchObject({ reason: "away", status: 503 });
  });
});

describe("while the database is away", () => {
  test("those go on who were just let in, for so long; others are told so", async () => {
    await start({ times: { freshMs: 0, holdMs: 60_000 } });
    expect(await ask(bearer("watch"))).toBe(200);
    isAway = true;
    expect(await ask(bearer("watch"))).toBe(200);
    const other = await site.ask("/farm", bearer("control"));
    expect([other.status, other.headers["retry-after"]]).toEqual([503, "5"]);
    expect(other.body.toString()).toMatch(/database does not answer/);
    isAway = false;
    expect(await ask(bearer("control"))).toBe(200);
  });

  test("nobody goes on for longer", async () => {
    await start({ times: { freshMs: 0, holdMs: 1 } });
    expect(await ask(bearer("watch"))).toBe(200);
    isAway = true;
    await expect.poll(() => ask(bearer("watch")), patience).toBe(503);
  });

  test("a database that hangs is away", async () => {
    await start({ check: () => new Promise(() => undefined), times: { checkMs: 20 } });
    expect(await ask(bearer("watch"))).toBe(503);
  });

  test("what waits for it is bounded: the rest is told at once", async () => {
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await start({
      check: async (sha256) => {
        asked.push(sha256);
        await answered;
        return null;
      },
      times: { checkMs: 60_000 },
      perAddress: { burst: 1_000, perSecond: 1 },
      inAll: { burst: 1_000, perSecond: 1 },
    });
    const statuses: number[] = [];
    const all = Array.from({ length: 60 }, async (_, at) => {
      statuses.push(await ask(bearer(`crowd${at}`)));
    });
    await expect.poll(() => statuses, patience).toEqual(Array.from({ length: 10 }, () => 503));
    expect(asked).toHaveLength(50);
    answer();
    await Promise.all(all);
    expect(statuses.filter((status) => status === 401)).toHaveLength(50);
  });

  test("attempts count for nothing: nobody is locked out by it", async () => {
    await start({ perAddress: { burst: 1, perSecond: 1 / 3_600 } });
    isAway = true;
    for (let at = 0; at < 5; at += 1) expect(await ask(bearer("watch"))).toBe(503);
    isAway = false;
    expect(await ask(bearer("watch"))).toBe(200);
  });
});

test("a cookie is read by no script and sent by no other site; over TLS by nothing else", () => {
  const path = "/farm";
  expect(tokenCookie("piw_x", { path, isTls: false })).toBe(
    "piw_token=piw_x; Path=/farm; HttpOnly; SameSite=Strict",
  );
  expect(tokenCookie("piw_x", { path, isTls: true })).toMatch(/; Secure$/);
  expect(noTokenCookie({ path, isTls: false })).toMatch(/^piw_token=; .*; Max-Age=0$/);
});
