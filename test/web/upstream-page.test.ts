/** With upstream's files beside the farm's, one index is enough: what has no page here is looked for there. */
import { rm } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { destinationOf } from "../../web/server/destination.ts";
import { upstreamPage } from "../../web/server/upstream-page.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { makeScratchFolder } from "./scratch-folder.ts";

const UPSTREAM = "https://farm:secret@index.test/simple/";
let output: string;
let server: WebServer;

beforeAll(async () => {
  output = await makeScratchFolder();
  const storage = await openLocalStorage(output);
  for (const page of ["index.html", "index.v1+json"])
    await storage.replace(`simple/here/${page}`, "{}");
  const log = { debug: () => undefined, error: () => undefined };
  server = await startWebServer({
    ...{ address: "http://127.0.0.1:0", outputPath: output, log },
    upstreamSimpleUrl: UPSTREAM,
  });
});
afterAll(async () => {
  await server.close();
  await rm(output, { recursive: true, force: true });
});

const ask = (path: string, method = "GET") =>
  fetch(new URL(path, server.url), { method, redirect: "manual" });

test.each(["GET", "HEAD"])(
  "%s: a project without a page here is found upstream, for now",
  async (method) => {
    const answer = await ask("simple/else-where/", method);
    expect(answer.status).toBe(302);
    expect(answer.headers.get("location")).toBe("https://index.test/simple/else-where/");
    expect(answer.headers.get("cache-control")).toBe("no-cache");
  },
);

test("one with a page here is answered here, and other spellings are redirected here first", async () => {
  expect((await ask("simple/here/")).status).toBe(200);
  const answer = await ask("simple/Else_Where/");
  expect([answer.status, answer.headers.get("location")]).toEqual([301, "/simple/else-where/"]);
});

test.each([
  "simple/",
  "simple/here/absent-1.0-py3-none-any.whl",
  "project/elsewhere/",
  "absent.html",
])("/%s that is not there is nowhere", async (path) => {
  expect((await ask(path)).status).toBe(404);
});

test("without an upstream nothing is looked for there", () => {
  expect(upstreamPage(undefined, destinationOf("/simple/elsewhere/"))).toBeUndefined();
});

test.each(["https://farm:p@ss@index.test/simple/", "https://farm@index.test/simple"])(
  "who the farm is to upstream is not told: %s",
  (simpleUrl) => {
    const page = upstreamPage(simpleUrl, destinationOf("/simple/elsewhere/"));
    expect(page).toBe("https://index.test/simple/elsewhere/");
  },
);
