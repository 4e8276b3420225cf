/** In which order the pages of the index come and go: the writers, a real database and a real folder. */
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import type { Desk } from "../../../../actors/master/site/writer.ts";
import { pageWriters } from "../../../../actors/master/site/writers.ts";
import { WHOLE_ROOT } from "../../../../db/root-changes.ts";
import type { PageRequest } from "../../../../protocol/model/page.ts";
import { RootIndex } from "../../../../web/index/root-index.ts";
import { openLocalStorage, type Storage } from "../../../../web/storage.ts";
import { createTestDatabase, type TestDatabase } from "../../../support/postgres.ts";
import {
  emptyTables,
  hello,
  lease,
  release,
  run,
  settle,
  target,
  wheel,
} from "../../../support/queue-fixture.ts";
import { makeScratchFolder } from "../../../web/scratch-folder.ts";

let database: TestDatabase;
let output: string;
let desk: Desk;
/** What is done to the output folder, in order. */
let done: string[];

beforeAll(async () => {
  database = await createTestDatabase();
}, 60_000);
afterAll(() => database.end());
beforeEach(async () => {
  await emptyTables(database.sql);
  output = await makeScratchFolder();
  done = [];
  desk = deskOf(await openLocalStorage(output));
});
afterEach(() => rm(output, { recursive: true, force: true }));

function deskOf(real: Storage): Desk {
  const storage: Storage = {
    ...real,
    replaceAll: (pages) => {
      for (const { key } of pages) done.push(`write ${key}`);
      return real.replaceAll(pages);
    },
    remove: (key) => {
      done.push(`remove ${key}`);
      return real.remove(key);
    },
    join: (pages) => {
      done.push("join");
      return real.join(pages);
    },
  };
  return {
    ask: (name, args) => run(database.sql, name, args),
    storage,
    site: { name: "Test", url: "http://farm.test" },
    root: new RootIndex(storage),
  };
}

/** Projects with a wheel in its place; none of their pages are written. */
async function publish(...names: string[]): Promise<void> {
  const slave = await hello(database.sql, "s", [target(11)]);
  for (const [serial, name] of names.entries()) {
    await run(database.sql, "recordProject", {
      ...{ name, displayName: name, summary: "", serial: serial + 1 },
      releases: [release("1.0")],
    });
    const picked = await lease(database.sql, slave);
    const file = {
      ...wheel("1.0", "py3-none-any", name),
      filename: `${name}-1.0-py3-none-any.whl`,
    };
    await settle(database.sql, slave, picked?.order.token ?? 0, {}, [file]);
  }
  const { files } = await run(database.sql, "unplaced", { token: null, limit: 100 });
  await run(database.sql, "markPlaced", { fileIds: files.map((file) => file.id), logTokens: [] });
}
const withdraw = async (...names: string[]) => {
  for (const name of names)
    await run(database.sql, "recordRemoval", { name, serial: 9, restMs: 0 });
};

const owed = async (kind: "simple" | "root") =>
  (await run(database.sql, "duePages", { gatherMs: 0, limit: 100 })).filter(
    (page) => page.kind === kind,
  );

/** As the Secretary and the Scribe do. */
async function write(kind: "simple" | "root"): Promise<void> {
  const pages: PageRequest[] = await owed(kind);
  if (pages.length > 0)
    await pageWriters[kind](
      desk,
      pages.map(({ key }) => key),
    );
  await run(database.sql, "pagesWritten", { pages });
}

const listed = async () =>
  (
    JSON.parse(await readFile(join(output, "simple/index.v1+json"), "utf8")) as {
      projects: { name: string }[];
    }
  ).projects.map(({ name }) => name);

it("a project comes to the root after its own page, however soon the root is written", async () => {
  await publish("alder");
  await write("root");
  expect(await listed()).toEqual([]);
  await write("simple");
  expect(await owed("root")).toHaveLength(1);
  await write("root");
  expect(await listed()).toEqual(["alder"]);
  expect(await owed("root")).toEqual([]);
  expect(await run(database.sql, "rootChanges", { after: "", limit: 10 })).toEqual([]);
});

it("one whose page stands stays in the root while that is owed again", async () => {
  await publish("alder");
  await write("simple");
  await write("root");
  await run(database.sql, "requestPage", {
    pages: [
      { kind: "simple", key: "alder" },
      { kind: "root", key: WHOLE_ROOT },
    ],
  });
  await write("root");
  expect(await listed()).toEqual(["alder"]);
});

it("a root that is made anew leaves out those whose pages are yet to come, and takes them up later", async () => {
  await publish("alder", "birch");
  const [first] = await owed("simple");
  await pageWriters.simple(desk, [first?.key ?? ""]);
  await run(database.sql, "pagesWritten", { pages: first === undefined ? [] : [first] });
  // As after a loss of the folder: nothing says that they are new.
  await database.sql`delete from root_change`;
  await run(database.sql, "requestPage", { pages: [{ kind: "root", key: WHOLE_ROOT }] });
  await write("root");
  expect(await listed()).toEqual([first?.key]);
  await write("simple");
  await write("root");
  expect(await listed()).toEqual(["alder", "birch"]);
});

it("a project leaves the root before its page goes; several leave it at once", async () => {
  const names = ["alder", "birch", "cedar", "elm"];
  await publish(...names);
  await write("simple");
  await write("root");
  await withdraw("alder", "cedar", "elm");
  done.length = 0;
  await write("simple");
  expect(done[0]).toBe("join");
  expect(done.filter((deed) => deed === "join")).toHaveLength(1);
  expect(done.slice(1).every((deed) => deed.startsWith("remove simple/"))).toBe(true);
  expect(await listed()).toEqual(["birch"]);
  done.length = 0;
  await write("root");
  expect(done).toEqual([]);
});

it("also one that nobody announced", async () => {
  await publish("alder");
  await write("simple");
  await write("root");
  await withdraw("alder");
  done.length = 0;
  await pageWriters.simple(desk, ["alder"]);
  expect(done.slice(0, 2)).toEqual(["join", "remove simple/alder/index.html"]);
});

it("nothing is written for a project that is listed already, nor by a start", async () => {
  await publish("alder");
  await write("simple");
  await write("root");
  await run(database.sql, "requestPage", {
    pages: [
      { kind: "root", key: "alder" },
      { kind: "root", key: "" },
    ],
  });
  desk = deskOf(await openLocalStorage(output));
  done.length = 0;
  await write("root");
  expect(done).toEqual([]);
});
