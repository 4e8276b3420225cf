import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { downloadSdist, SdistError } from "../../../actors/slave/sdist-download.ts";
import type { Sdist } from "../../../protocol/model/build.ts";
import { temporaryFolder } from "./temporary-folder.ts";

const DATA = Buffer.from("the very file".repeat(1_000));
const SHA256 = createHash("sha256").update(DATA).digest("hex");
const QUICK = { silenceMs: 300, attempts: 2, retryDelayMs: 1 };

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/foo-1.0.tar.gz`;
}

async function download(url: string, sdist: Partial<Sdist> = {}, signal?: AbortSignal) {
  const path = join(await temporaryFolder(), "foo-1.0.tar.gz");
  const wanted = {
    filename: "foo-1.0.tar.gz",
    url,
    sha256: SHA256,
    sizeBytes: DATA.length,
    ...sdist,
  };
  await downloadSdist(
    wanted,
    path,
    { ...QUICK, maxBytes: 20_000 },
    signal ?? new AbortController().signal,
  );
  return readFile(path);
}

const causeOf = (download: Promise<unknown>) =>
  download.then(
    () => "fetched",
    (error: unknown) => (error instanceof SdistError ? error.buildCause : String(error)),
  );

test("the file that was declared is stored", async () => {
  const url = await serve((_request, response) => response.end(DATA));
  expect(await download(url)).toEqual(DATA);
  expect(await download(url, { sizeBytes: null })).toEqual(DATA);
});

test("a redirect is followed, and nothing is decoded on the way", async () => {
  const url = await serve((request, response) => {
    if (request.url !== "/there") response.writeHead(302, { location: "/there" }).end();
    else response.writeHead(200, { "content-encoding": "gzip" }).end(DATA);
  });
  expect(await download(url)).toEqual(DATA);
});

test.each<[string, string, Partial<Sdist>, RequestListener]>([
  ["not there", "no-sdist", {}, (_q, r) => r.writeHead(404).end()],
  ["gone for good", "no-sdist", {}, (_q, r) => r.writeHead(410).end()],
  ["at an index that is overloaded", "index-unreachable", {}, (_q, r) => r.writeHead(503).end()],
  [
    "at an index that asks for patience",
    "index-unreachable",
    {},
    (_q, r) => r.writeHead(429).end(),
  ],
  ["refused for the moment", "index-unreachable", {}, (_q, r) => r.writeHead(403).end()],
  [
    "behind redirects without end",
    "index-unreachable",
    {},
    (_q, r) => r.writeHead(302, { location: "/" }).end(),
  ],
  [
    "another one of the same size",
    "hash-mismatch",
    {},
    (_q, r) => r.end(Buffer.alloc(DATA.length)),
  ],
  ["shorter than declared", "index-unreachable", {}, (_q, r) => r.end(DATA.subarray(0, 50))],
  ["longer than declared", "hash-mismatch", {}, (_q, r) => r.end(Buffer.concat([DATA, DATA]))],
  ["without end, of unknown size", "no-sdist", { sizeBytes: null }, (_q, r) => void endless(r)],
  ["cut off by the network", "index-unreachable", {}, (_q, r) => cutOff(r)],
  ["stalled for ever", "index-unreachable", {}, (_q, r) => stall(r)],
  ["never answered", "index-unreachable", {}, () => undefined],
])(
  "a sdist %s is %s",
  async (_what, cause, sdist, listener) => {
    expect(await causeOf(download(await serve(listener), sdist))).toBe(cause);
  },
  5_000,
);

type Response = Parameters<RequestListener>[1];

function endless(response: Response): void {
  const more = () => {
    while (!response.destroyed && response.write(Buffer.alloc(10_000)));
  };
  response.on("drain", more);
  more();
}

function cutOff(response: Response): void {
  response.writeHead(200, { "content-length": DATA.length });
  response.write(DATA.subarray(0, 50), () => response.destroy());
}

function stall(response: Response): void {
  response.writeHead(200, { "content-length": DATA.length });
  response.write(DATA.subarray(0, 50));
}

test.each(["ftp://127.0.0.1/x", "file:///etc/passwd", "nonsense", ""])(
  "an address that is no http address (%j) is no sdist",
  async (url) => {
    expect(await causeOf(download(url))).toBe("no-sdist");
  },
);

test("a host that is not there is an index that cannot be reached", async () => {
  const url = await serve(() => undefined);
  expect(await causeOf(download(url.replace(/:\d+\//, ":1/")))).toBe("index-unreachable");
});

test("an index that fails once is asked again", async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    if (asked === 1) cutOff(response);
    else response.end(DATA);
  });
  expect(await download(url)).toEqual(DATA);
  expect(asked).toBe(2);
});

test("a file that is another one is not asked for again", async () => {
  let asked = 0;
  const url = await serve((_request, response) => {
    asked += 1;
    response.end("another".padEnd(DATA.length));
  });
  expect(await causeOf(download(url))).toBe("hash-mismatch");
  expect(asked).toBe(1);
});

test("aborting ends a download with the signal's reason", async () => {
  const abort = new AbortController();
  const url = await serve((_request, response) => {
    stall(response);
    abort.abort(new Error("dropped"));
  });
  expect(await causeOf(download(url, {}, abort.signal))).toBe("Error: dropped");
});
