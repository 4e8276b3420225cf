/** Mounts of the web server: who answers what, and that a handler harms nobody else, whatever it does. */
import { request as httpRequest, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import fastify from "fastify";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Answered, type Mount, Mounts } from "../../web/server.ts";
import { startTestSite, type TestSite } from "./test-site.ts";

/** For a busy machine. */
const patience = { timeout: 8_000 };

let mounts: Mounts;
let mount: Mount;
let site: TestSite;
let answered: Answered[];
let errors: object[];

beforeEach(async () => {
  mounts = new Mounts();
  mount = mounts.reserve("/farm", { maxBodyBytes: 1_000, maxInHand: 3 });
  answered = [];
  errors = [];
  site = await startTestSite({
    mounts,
    onAnswered: (each) => answered.push(each),
    log: { error: (fields) => errors.push(fields) },
  });
});
afterEach(() => site.close());

/** Says a body as it is told to, and gives the answer. */
function post(path: string, body: string, headers: Record<string, string> = {}) {
  return new Promise<{ status: number; text: string }>((resolve, reject) => {
    const asked = httpRequest(new URL(path, site.url), { method: "POST", headers, agent: false });
    asked.on("error", reject);
    asked.on("response", (response) => {
      text(response).then(
        (said) => resolve({ status: response.statusCode ?? 0, text: said }),
        reject,
      );
    });
    asked.end(body);
  });
}

function settlement(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** A stream that has begun. */
function open(path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL(path, site.url), { agent: false }, resolve);
    asked.on("error", reject);
    asked.end();
  });
}

describe("requests go", () => {
  test.each(["/farm", "/farm/", "/farm?a=b", "/farm/slaves/1?a=/x", "http://other.example/farm/"])(
    "to the mount: %s",
    async (path) => {
      mount.serve((request, response) => void response.end(`mount ${request.url}`));
      const answer = await site.ask(path);
      expect(answer.status).toBe(200);
      expect(answer.body.toString()).toBe(`mount ${path.replace("http://other.example", "")}`);
    },
  );

  test.each(["/farmer", "/farm.json", "//farm", "/%66arm", "/x/farm/", "/FARM"])(
    "to the files: %s",
    async (path) => {
      mount.serve((_request, response) => void response.end("mount"));
      expect((await site.ask(path)).status).toBe(404);
    },
  );

  test("to an application of fastify, with their bodies", async () => {
    const app = fastify();
    app.post("/farm/sum", ({ body }) => ({ sum: (body as number[]).reduce((a, b) => a + b, 0) }));
    await app.ready();
    mount.serve((request, response) => app.routing(request, response));
    const json = { "content-type": "application/json", "content-length": "7" };
    expect(await post("/farm/sum", "[1,2,4]", json)).toEqual({ status: 200, text: '{"sum":7}' });
    expect((await post("/farm/other", "[1,2,4]", json)).status).toBe(404);
    await app.close();
  });

  test("nowhere but to mounts when they would change something", async () => {
    mount.serve((_request, response) => void response.end());
    expect((await site.ask("/simple/tide-pool/", {}, "POST")).status).toBe(405);
    expect((await site.ask("/farm", { "content-length": "0" }, "POST")).status).toBe(200);
    const refused = await site.ask("/farm", {}, "DELETE");
    expect([refused.status, refused.headers.allow]).toEqual([405, "GET, HEAD, OPTIONS, POST"]);
    const options = await site.ask("/farm", {}, "OPTIONS");
    expect([options.status, options.headers.allow]).toEqual([204, "GET, HEAD, OPTIONS, POST"]);
    expect(options.headers["access-control-allow-methods"]).toBeUndefined();
  });
});

test("an answer may not be read, framed or kept by others, unless its handler says so", async () => {
  mount.serve((request, response) => {
    if (request.url === "/farm/kept") response.setHeader("cache-control", "max-age=5");
    response.end();
  });
  const { headers } = await site.ask("/farm/");
  expect(headers["access-control-allow-origin"]).toBeUndefined();
  expect(headers["cross-origin-resource-policy"]).toBe("same-origin");
  expect(headers["content-security-policy"]).toContain("frame-ancestors 'none'");
  expect(headers["cache-control"]).toBe("no-store");
  expect((await site.ask("/farm/kept")).headers["cache-control"]).toBe("max-age=5");
});

test("HEAD has the head and no body", async () => {
  mount.serve((_request, response) => void response.end("body"));
  const answer = await site.ask("/farm", {}, "HEAD");
  expect([answer.status, answer.body.length]).toEqual([200, 0]);
});

describe("while nobody serves a mount", () => {
  test("its answer is 503 with a time, also after its actor's end, and files are served", async () => {
    const absent = await site.ask("/farm/");
    expect([absent.status, absent.headers["retry-after"]]).toEqual([503, "5"]);
    const end = mount.serve((_request, response) => void response.end());
    expect((await site.ask("/farm/")).status).toBe(200);
    end();
    expect((await site.ask("/farm/")).status).toBe(503);
    expect((await site.ask("/")).status).toBe(200);
  });

  test("the end of an old incarnation leaves its successor alone", async () => {
    const end = mount.serve((_request, response) => void response.end("old"));
    mount.serve((_request, response) => void response.end("new"));
    end();
    expect((await site.ask("/farm/")).body.toString()).toBe("new");
  });

  test("what was in hand is answered or cut", async () => {
    const end = mount.serve((request, response) => {
      if (request.url === "/farm/stream") response.write("begun");
    });
    const silent = site.ask("/farm/silent");
    const stream = await open("/farm/stream");
    const cut = new Promise<boolean>((resolve) => {
      stream.on("close", () => resolve(!stream.complete));
      stream.on("error", () => undefined);
      stream.resume();
    });
    end();
    expect((await silent).status).toBe(503);
    expect(await cut).toBe(true);
  });
});

describe("a handler harms nobody", () => {
  test.each<[string, Parameters<Mount["serve"]>[0]]>([
    [
      "throws",
      () => {
        throw new Error("of the test");
      },
    ],
    ["rejects", () => Promise.reject(new Error("of the test"))],
    [
      "throws with headers set",
      (_request, response) => {
        response.setHeader("set-cookie", "secret=1");
        throw new Error("of the test");
      },
    ],
  ])("that %s: it is 500, and logged", async (_what, handler) => {
    mount.serve(handler);
    const answer = await site.ask("/farm/");
    expect([answer.status, answer.body.toString()]).toEqual([
      500,
      "The farm could not answer this request.\n",
    ]);
    expect(answer.headers["set-cookie"]).toBeUndefined();
    expect(errors).toEqual([{ err: new Error("of the test"), mount: "/farm" }]);
    expect((await site.ask("/")).status).toBe(200);
  });

  test("that throws after it has begun: the answer is cut off", async () => {
    mount.serve((_request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("begun");
      throw new Error("of the test");
    });
    await expect(site.ask("/farm/")).rejects.toThrow();
    expect((await site.ask("/")).status).toBe(200);
  });

  test("that never answers: it is given up, and what it writes later is lost", async () => {
    const late: Promise<void>[] = [];
    const hasty = mounts.reserve("/hasty", { answerMs: 50 });
    hasty.serve((_request, response) => {
      const ended = new Promise<void>((resolve) => response.once("finish", resolve));
      late.push(ended.then(() => void response.write("late")));
    });
    const answer = await site.ask("/hasty");
    expect([answer.status, answer.headers["retry-after"]]).toEqual([503, "5"]);
    await Promise.all(late);
    expect(errors).toEqual([{ mount: "/hasty" }]);
    expect((await site.ask("/")).status).toBe(200);
  });

  test("that writes after its end", async () => {
    mount.serve((_request, response) => {
      response.end("whole");
      response.write("late");
    });
    expect((await site.ask("/farm/")).body.toString()).toBe("whole");
    expect((await site.ask("/")).status).toBe(200);
  });

  test("beyond so many requests in hand the next is sent away, until one has ended", async () => {
    mount.serve((_request, response) => void response.write("begun"));
    const streams = [await open("/farm/1"), await open("/farm/2"), await open("/farm/3")];
    expect((await site.ask("/farm/4")).status).toBe(503);
    streams[0]?.destroy();
    // The server sees the end of a connection a moment later.
    const next = async (): Promise<number> => {
      const stream = await open("/farm/5");
      const status = stream.statusCode ?? 0;
      stream.destroy();
      return status;
    };
    await expect.poll(next, patience).toBe(200);
    for (const stream of streams) stream.destroy();
  });

  test("that reads nothing of a body, of a client that goes away", async () => {
    const { promise, resolve } = settlement();
    mount.serve(() => resolve());
    const { hostname, port } = new URL(site.url);
    const socket = connect(Number(port), hostname);
    socket.write("POST /farm HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\nhalf");
    await promise;
    socket.destroy();
    await expect.poll(() => answered.length, patience).toBe(1);
    expect((await site.ask("/")).status).toBe(200);
  });
});

describe("a body", () => {
  const reads = () =>
    mount.serve(
      async (request, response) => void response.end(String((await text(request)).length)),
    );

  test("up to the limit is handed on", async () => {
    reads();
    expect(await post("/farm", "x".repeat(1_000))).toEqual({ status: 200, text: "1000" });
  });

  test.each([1_001, 500_000])("of %i bytes is refused with 413", async (bytes) => {
    reads();
    const { status } = await post("/farm", "x".repeat(bytes));
    expect(status).toBe(413);
    expect((await site.ask("/farm")).status).toBe(200);
  });

  test("beyond all measure closes the connection", async () => {
    reads();
    const { hostname, port } = new URL(site.url);
    const socket = connect(Number(port), hostname);
    socket.write("POST /farm HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n");
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 413 /);
  });

  test("without its length is refused with 411", async () => {
    reads();
    expect((await post("/farm", "x", { "transfer-encoding": "chunked" })).status).toBe(411);
  });
});

test("the access log has what a handler wrote", async () => {
  mount.serve((request, response) => {
    response.statusCode = 202;
    response.write("tide");
    response.end(request.url === "/farm/long" ? Buffer.from("pool") : undefined);
  });
  await site.ask("/farm/long");
  await site.ask("/farm/short");
  await site.ask("/farm/short", {}, "HEAD");
  await expect.poll(() => answered.length, patience).toBe(3);
  expect(answered.map(({ target, status, bodyBytes }) => [target, status, bodyBytes])).toEqual([
    ["/farm/long", 202, 8],
    ["/farm/short", 202, 4],
    ["/farm/short", 202, 0],
  ]);
});

test("requests that come in one breath are answered one after the other", async () => {
  let inHand = 0;
  let most = 0;
  mount.serve(async (_request, response) => {
    inHand += 1;
    most = Math.max(most, inHand);
    await new Promise((resolve) => setImmediate(resolve));
    inHand -= 1;
    response.end("x");
  });
  const { hostname, port } = new URL(site.url);
  const socket = connect(Number(port), hostname);
  socket.write("GET /farm HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50));
  await expect.poll(() => answered.length, patience).toBe(50);
  expect([most, answered.every(({ status }) => status === 200)]).toEqual([1, true]);
  socket.destroy();
});

test.each(["/Farm", "farm", "/", "/farm/", "/a/b"])("%s is no prefix", (prefix) => {
  expect(() => mounts.reserve(prefix)).toThrow("no prefix");
});

test("a prefix is reserved once", () => {
  expect(() => mounts.reserve("/farm")).toThrow("reserved already");
});
