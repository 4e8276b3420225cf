import { describe, expect, it } from "vitest";
import { UpstreamClient } from "../../../protocol/upstream/upstream-client.ts";
import { changelogResponse, fault, startSampleUpstream } from "../../../samples/index.ts";
import {
  answering,
  clientOf,
  errorOf,
  gzipped,
  misbehaving,
  never,
  startUpstream,
} from "./harness.ts";

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Every question, since each must fail in the same way. */
const questions = [
  ["changelogSinceSerial", (client: UpstreamClient) => client.changelogSinceSerial(0, never)],
  ["changelogLastSerial", (client: UpstreamClient) => client.changelogLastSerial(never)],
  ["project", (client: UpstreamClient) => client.project("foo", never)],
  ["description", (client: UpstreamClient) => client.description("foo", never)],
  ["listing", async (client: UpstreamClient) => all((await client.listing(never)).projects)],
] as const;

describe.each(questions)("%s", (_, ask) => {
  it("is busy when asked too often, and says for how long", async () => {
    const answer = { status: 429, headers: { "retry-after": "17" } };
    const error = await errorOf(ask(await misbehaving({ kind: "answer", answer })));
    expect(error).toMatchObject({ code: "busy", retryAfterMs: 17_000 });
  });

  it("is busy until a date that the server names", async () => {
    const date = new Date(Date.now() + 60_000).toUTCString();
    const answer = { status: 503, headers: { "retry-after": date } };
    const error = await errorOf(ask(await misbehaving({ kind: "answer", answer })));
    expect(error.code).toBe("busy");
    expect(error.retryAfterMs).toBeGreaterThan(50_000);
    expect(error.retryAfterMs).toBeLessThanOrEqual(60_000);
  });

  it.each([
    [503, "busy"],
    [500, "unreachable"],
    [502, "unreachable"],
    [400, "refused"],
    [401, "refused"],
    [403, "refused"],
    [406, "refused"],
  ])("answered with status %i is %s", async (status, code) => {
    const error = await errorOf(ask(await misbehaving({ kind: "answer", answer: { status } })));
    expect(error).toMatchObject({ code, retryAfterMs: undefined });
  });

  it("is unreachable where nobody listens", async () => {
    const upstream = await startSampleUpstream({ files: [] });
    const client = clientOf(upstream);
    await upstream.close();
    expect(await errorOf(ask(client))).toMatchObject({ code: "unreachable" });
  });

  it.each([{ kind: "hang-up" }, { kind: "cut" }, { kind: "cut", afterBytes: 0 }] as const)(
    "is unreachable when the connection is cut: %j",
    async (misbehaviour) => {
      const error = await errorOf(ask(await misbehaving(misbehaviour)));
      expect(error.code).toBe("unreachable");
    },
  );

  it.each([{ kind: "stall" }, { kind: "late", delayMs: 60_000 }] as const)(
    "is unreachable when the server falls silent: %j",
    async (misbehaviour) => {
      const client = await misbehaving(misbehaviour, { timeoutMs: 50 });
      expect(await errorOf(ask(client))).toMatchObject({
        code: "unreachable",
        message: expect.stringContaining("too long") as unknown,
      });
    },
  );

  it.each([
    ["nothing", ""],
    ["another page", "<html><body>Please log in</body></html>"],
    ["bytes", "\u0000\u0001\u0002<<<>>>&&&{{{"],
    ["a list", "[1, 2, 3]"],
    ["half of it", '{"meta": {"api-version": "1.0"}, "na'],
    ["an empty object", "{}"],
    ["an empty element", "<methodResponse/>"],
  ])("is garbled when the answer is %s, of whatever type", async (_what, body) => {
    for (const type of ["text/html", "application/vnd.pypi.simple.v1+json", "image/png"]) {
      const error = await errorOf(ask(await answering(type, body)));
      expect(error.code).toBe("garbled");
    }
  });

  it("is garbled when the answer is larger than the limit, also when it is packed", async () => {
    const body = gzipped(" ".repeat(20_000_000));
    const headers = { "content-type": "text/html", "content-encoding": "gzip" };
    const answer = { headers, body };
    const client = await misbehaving({ kind: "answer", answer }, { maxBodyBytes: 1_000_000 });
    const error = await errorOf(ask(client));
    expect(error).toMatchObject({ code: "garbled" });
    expect(error.message).toContain("1000000 bytes");
  });

  it("is garbled when what is packed is not gzip", async () => {
    const headers = { "content-type": "text/html", "content-encoding": "gzip" };
    const answer = { headers, body: "plain" };
    const error = await errorOf(ask(await misbehaving({ kind: "answer", answer })));
    expect(error.code).toBe("garbled");
  });
});

describe("the XML-RPC service", () => {
  it("is busy with fault -32500, for as long as its text says", async () => {
    const text =
      "HTTPTooManyRequests: The action could not be performed because there were too many requests by the client. Limit may reset in 42 seconds.";
    const client = await answering("text/xml", fault(-32500, text));
    const error = await errorOf(client.changelogSinceSerial(0, never));
    expect(error).toMatchObject({ code: "busy", retryAfterMs: 42_000 });
  });

  it("is busy with fault -32500 of any other text", async () => {
    const client = await answering("text/xml", fault(-32500, "RuntimeError: <no>"));
    const error = await errorOf(client.changelogSinceSerial(0, never));
    expect(error).toMatchObject({ code: "busy", retryAfterMs: undefined });
    expect(error.message).toContain("RuntimeError: <no>");
  });

  it("refuses with any other fault, and where it is not there", async () => {
    const client = await answering("text/xml", fault(-32601, "no such method"));
    expect((await errorOf(client.changelogLastSerial(never))).code).toBe("refused");
    const upstream = await startUpstream({ files: [], speaksXmlRpc: false });
    expect((await errorOf(clientOf(upstream).changelogLastSerial(never))).code).toBe("refused");
  });

  const row = { name: "foo", version: "1", at: 1, action: "create", serial: 2 };
  it.each([
    ["no name", { ...row, name: "" }],
    ["a serial that is no number", { ...row, serial: Number.NaN }],
    ["a serial below zero", { ...row, serial: -1 }],
    ["a time that is no integer", { ...row, at: 1.5 }],
  ])("is garbled when one row of many has %s", async (_what, broken) => {
    const client = await answering("text/xml", changelogResponse([row, broken, row]));
    expect((await errorOf(client.changelogSinceSerial(0, never))).code).toBe("garbled");
  });
});

describe("the time that an answer takes", () => {
  it("is bounded when a server trickles without ever falling silent", {
    timeout: 10_000,
  }, async () => {
    const client = await misbehaving({ kind: "trickle", everyMs: 10 }, { timeoutMs: 300 });
    const startedAt = performance.now();
    const error = await errorOf(client.project("foo", never));
    expect(error).toMatchObject({ code: "unreachable" });
    // Ten times 300 ms of waiting, and what a loaded machine adds.
    expect(performance.now() - startedAt).toBeLessThan(8_000);
  });

  it("ends when the caller gives up, before or while it waits", async () => {
    const client = await misbehaving({ kind: "stall" });
    const given = await errorOf(client.project("foo", AbortSignal.abort()));
    expect(given).toMatchObject({ code: "unreachable" });
    const controller = new AbortController();
    const waiting = errorOf(client.changelogSinceSerial(0, controller.signal));
    setImmediate(() => controller.abort());
    expect(await waiting).toMatchObject({
      code: "unreachable",
      message: expect.stringContaining("given up") as unknown,
    });
  });

  it("ends when the client is closed", async () => {
    const client = await misbehaving({ kind: "stall" });
    const waiting = errorOf(client.project("foo", never));
    setImmediate(() => void client.close());
    expect((await waiting).code).toBe("unreachable");
    expect((await errorOf(client.project("foo", never))).code).toBe("unreachable");
  });
});

describe("an address", () => {
  it.each(["file:///etc/passwd", "ftp://127.0.0.1/", "nonsense", "//host/"])(
    "that is not on the web is refused: %s",
    async (address) => {
      const client = new UpstreamClient({
        xmlrpcUrl: address,
        simpleUrl: address,
        jsonUrl: address,
        userAgent: "test",
      });
      for (const [, ask] of questions) expect((await errorOf(ask(client))).code).toBe("refused");
      await client.close();
    },
  );

  it("that redirects for ever is unreachable", async () => {
    const headers = { location: "/simple/foo/" };
    const client = await misbehaving({ kind: "answer", answer: { status: 302, headers } });
    expect((await errorOf(client.project("foo", never))).code).toBe("unreachable");
  });
});
