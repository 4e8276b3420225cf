/** piw-initdb as a user runs it: an empty database becomes one that piw-master accepts. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";

const run = promisify(execFile);
const program = (name: string, ...args: string[]) =>
  run(process.execPath, [
    new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname,
    "--configuration=/dev/null",
    ...args,
  ]);
const allowRoot = process.getuid?.() === 0 ? ["--allow-root"] : [];

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase({ schema: false });
}, 60_000);
afterAll(() => database.end());

const oneLine = (words: RegExp) => ({ code: 1, stderr: expect.stringMatching(words) as string });

describe("piw-initdb", () => {
  it("is asked for by a master that finds no tables", async () => {
    const master = program(
      "piw-master",
      "--dsn",
      database.dsn,
      "--output-path=/nonexistent",
      ...allowRoot,
    );
    await expect(master).rejects.toMatchObject(
      oneLine(/^piw-master: [^\n]*run piw-initdb[^\n]*\n$/),
    );
  });

  it("makes the tables, gives the master's role its rights, and does nothing the second time", async () => {
    await program("piw-initdb", "--dsn", database.ownerDsn, "--user", "piwheels", "--yes");
    expect(await database.sql`select follow from configuration`).toEqual([{ follow: "all" }]);
    const { stdout } = await program(
      "piw-initdb",
      ...["--dsn", database.ownerDsn, "--user", "piwheels", "--yes"],
    );
    expect(stdout).toMatch(/already|current|up to date|nothing/i);
  });

  it("says in one line that a role is missing, or that nobody answers", async () => {
    const nobody = program(
      "piw-initdb",
      "--dsn",
      database.ownerDsn,
      "--user",
      "no_such_role",
      "--yes",
    );
    await expect(nobody).rejects.toMatchObject(oneLine(/^piw-initdb: [^\n]*no_such_role[^\n]*\n$/));
    const nowhere = program("piw-initdb", "--dsn", "postgres:///x?host=/nonexistent", "--yes");
    await expect(nowhere).rejects.toMatchObject(
      oneLine(/^piw-initdb: [^\n]*\/nonexistent[^\n]*\n$/),
    );
  });
});
