/** Placing with a key: what is advertised stands and is signed, whatever came in between. Real database and storage. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DatabaseRef } from "../../../actors/master/database.ts";
import { place, removeWithdrawn } from "../../../actors/master/placement.ts";
import { publishKeys, type Signer, signFiles } from "../../../actors/master/signing.ts";
import type { RequestName } from "../../../db/requests.ts";
import { AskError, silentLogger } from "../../../supervisor/index.ts";
import { readTrustedKeys } from "../../../web/provenance/trusted-keys.ts";
import { verifyProvenance } from "../../../web/provenance/verify.ts";
import { metadataKey, provenanceKey, wheelKey } from "../../../web/public-key.ts";
import { openLocalStorage, type Storage, StorageError } from "../../../web/storage.ts";
import { createTestDatabase, type TestDatabase } from "../../support/postgres.ts";
import {
  emptyTables,
  hello,
  lease,
  recordProject,
  release,
  run,
  settle,
  target,
  wheel,
} from "../../support/queue-fixture.ts";
import { makeTestKey } from "../../support/signing.ts";

let database: TestDatabase;
let own: Awaited<ReturnType<typeof makeTestKey>>;
let signer: Signer;
let folder: string;
let storage: Storage;

beforeAll(async () => {
  database = await createTestDatabase();
  own = await makeTestKey();
  signer = { key: own.key, farmUrl: "https://farm.example" };
}, 60_000);
afterAll(async () => {
  own.end();
  await database.end();
});
beforeEach(async () => {
  await emptyTables(database.sql);
  folder = mkdtempSync(join(tmpdir(), "ww-signing-"));
  storage = await openLocalStorage(folder);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A master that is killed at one of its steps: that one is not taken, or nobody hears of it; and none after it. */
class Doomed {
  steps = 0;
  readonly #at: number;
  readonly #when: "before" | "after";
  constructor(at: number, when: "before" | "after") {
    this.#at = at;
    this.#when = when;
  }

  wrap<T extends object>(inner: T): T {
    return new Proxy(inner, {
      get: (target_, name) => {
        const value: unknown = Reflect.get(target_, name);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          const step = this.steps;
          this.steps += 1;
          if (step > this.#at || (step === this.#at && this.#when === "before")) throw crash;
          const call = value as (...args: unknown[]) => unknown;
          const result: unknown = await call.apply(target_, args);
          if (step === this.#at) throw crash;
          return result;
        };
      },
    });
  }
}

const context = () => ({
  signal: new AbortController().signal,
  degraded: () => undefined,
  healthy: () => undefined,
  log: silentLogger,
});
/** What a task sees of its end. */
const crash = new AskError("aborted", "the master was killed here");

/** The database as tasks ask it. */
const asked = (): DatabaseRef =>
  ({
    ask: async (name: RequestName, args: never) => {
      const result: unknown = await run(database.sql, name, args);
      return result;
    },
  }) as unknown as DatabaseRef;

/** The storage, each of whose operations `before` may keep from being done. */
const watched = (before: (name: string, argument: unknown) => void): Storage =>
  new Proxy(storage, {
    get(inner, name) {
      const value: unknown = Reflect.get(inner, name);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        before(String(name), args[0]);
        return (value as (...args: unknown[]) => unknown).apply(inner, args);
      };
    },
  });

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/** A build that is settled, its blobs there and nothing placed. */
async function settledBuild(): Promise<{ token: number; filename: string }> {
  const { sql } = database;
  const slave = await hello(sql, "a", [target(11)]);
  await recordProject(sql, "pkg", [release("1.0")], 1);
  const token = (await lease(sql, slave))?.order.token ?? 0;
  const file = {
    ...wheel("1.0", "py3-none-any"),
    sha256: await storage.putBlob(Buffer.from("wheel")),
    metadataSha256: await storage.putBlob(Buffer.from("metadata")),
  };
  await settle(sql, slave, token, {}, [file]);
  return { token, filename: file.filename };
}

const publicFile = (key: string): Buffer | undefined => {
  try {
    return readFileSync(join(folder, key));
  } catch {
    return undefined;
  }
};

interface FileRow {
  readonly provenance_sha256: string | null;
  readonly provenance_draft: string | null;
  readonly placed: boolean;
}
const rowOf = async (filename: string): Promise<FileRow> => {
  const [row] = await database.sql<FileRow[]>`
    select provenance_sha256, provenance_draft, placed_at is not null as placed
    from file where filename = ${filename}`;
  if (row === undefined) throw new Error("no such file");
  return row;
};

/** What the database advertises stands, is what it says, and is the farm's word on the wheel that stands. */
async function expectTruth(filename: string): Promise<FileRow> {
  const row = await rowOf(filename);
  if (row.placed) {
    expect(publicFile(wheelKey("pkg", filename))?.toString()).toBe("wheel");
    expect(publicFile(metadataKey("pkg", filename))?.toString()).toBe("metadata");
  }
  if (row.provenance_sha256 !== null) {
    const bytes = publicFile(provenanceKey("pkg", filename)) ?? Buffer.alloc(0);
    expect(sha256(bytes)).toBe(row.provenance_sha256);
    const keys = readTrustedKeys(own.publicPem, "own");
    verifyProvenance(bytes, { filename, sha256: sha256(Buffer.from("wheel")) }, keys);
  }
  return row;
}

const isSigned = { provenance_sha256: expect.any(String) as string, provenance_draft: null };

describe("a file that is placed with a key", () => {
  it("is signed before it is advertised, and says what its slave was told to build", async () => {
    const { token, filename } = await settledBuild();
    await place(context(), { database: asked(), storage, signer }, token);
    expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
    const bytes = publicFile(provenanceKey("pkg", filename)) ?? Buffer.alloc(0);
    const { statement } = verifyProvenance(
      bytes,
      { filename, sha256: sha256(Buffer.from("wheel")) },
      readTrustedKeys(own.publicPem, "own"),
    );
    const sdist = release("1.0").sdist;
    expect(statement).toMatchObject({
      predicate: {
        buildDefinition: {
          externalParameters: { sdist: { uri: sdist?.url, digest: { sha256: sdist?.sha256 } } },
        },
        runDetails: { metadata: { invocationId: String(token) } },
      },
    });
  });

  it("names the sdist that was built, not the one that upstream has by now", async () => {
    const { token, filename } = await settledBuild();
    const newer = {
      ...{ filename: "pkg-1.0.zip", url: "https://elsewhere.example/pkg-1.0.zip", sizeBytes: 1 },
      sha256: "e".repeat(64),
    };
    await recordProject(database.sql, "pkg", [release("1.0", { sdist: newer })], 2);
    await place(context(), { database: asked(), storage, signer }, token);
    const provenance = publicFile(provenanceKey("pkg", filename))?.toString() ?? "";
    const { attestation_bundles: bundles } = JSON.parse(provenance) as {
      attestation_bundles: { attestations: { envelope: { statement: string } }[] }[];
    };
    const [attestation] = bundles[0]?.attestations ?? [];
    const statement = Buffer.from(attestation?.envelope.statement ?? "", "base64").toString();
    expect(statement).toContain(release("1.0").sdist?.sha256);
    expect(statement).not.toContain("elsewhere");
  });

  it.each(["before", "after"] as const)(
    "goes on after a crash %s any step: one signature, and never one that is not there",
    async (when) => {
      let steps = 1;
      for (let at = 0; at < steps; at += 1) {
        await emptyTables(database.sql);
        rmSync(join(folder, "simple"), { recursive: true, force: true });
        const { token, filename } = await settledBuild();
        const doomed = new Doomed(at, when);
        const placement = {
          database: doomed.wrap(asked()),
          storage: doomed.wrap(storage),
          signer,
        };
        await place(context(), placement, token).catch(() => undefined);
        steps = Math.max(steps, doomed.steps + 1);
        await expectTruth(filename);
        await place(context(), { database: asked(), storage, signer }, null);
        expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
      }
      expect(steps).toBeGreaterThan(8);
    },
    60_000,
  );

  it("has one provenance when two place it at once", async () => {
    const { token, filename } = await settledBuild();
    const once = () => place(context(), { database: asked(), storage, signer }, token);
    await Promise.all([once(), once(), once()]);
    expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
  });

  it("is published without provenance when signing fails, and signed when it is asked for", async () => {
    const { token, filename } = await settledBuild();
    const key = { ...own.key, sign: () => Promise.reject(new Error("no entropy")) };
    const failing = { ...signer, key };
    await place(context(), { database: asked(), storage, signer: failing }, token);
    expect(await expectTruth(filename)).toEqual({
      ...{ provenance_sha256: null, provenance_draft: null, placed: true },
    });
    const unsigned = { package: null, after: 0, limit: 10 };
    const files = await run(database.sql, "unsignedFiles", unsigned);
    expect(await signFiles(context(), { database: asked(), storage }, signer, files)).toBe(1);
    expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
    expect(await run(database.sql, "unsignedFiles", unsigned)).toEqual([]);
    const [asks] = await database.sql`select from page_request where kind = 'simple'`;
    expect(asks).toBeDefined();
  });

  it("waits with its wheel when the disk is full", async () => {
    const { token, filename } = await settledBuild();
    const full = watched((name) => {
      if (name === "putBlob") throw new StorageError("full", "no room");
    });
    await expect(
      place(context(), { database: asked(), storage: full, signer }, token),
    ).rejects.toMatchObject({ code: "full" });
    expect(await rowOf(filename)).toMatchObject({ provenance_sha256: null, placed: false });
    await place(context(), { database: asked(), storage, signer }, token);
    expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
  });

  it("gets a new draft for one whose blob is lost, and takes a stray's place", async () => {
    const { token, filename } = await settledBuild();
    await database.sql`update file set provenance_draft = ${"0".repeat(64)}`;
    const stray = await storage.putBlob(Buffer.from("of a database that was restored since"));
    await storage.publishOnce(provenanceKey("pkg", filename), stray);
    await place(context(), { database: asked(), storage, signer }, token);
    expect(await expectTruth(filename)).toEqual({ ...isSigned, placed: true });
  });

  it("leaves the provenance of a wheel alone whose name it cannot have", async () => {
    const { token, filename } = await settledBuild();
    const [foreign, theirs] = [
      await storage.putBlob(Buffer.from("another wheel")),
      await storage.putBlob(Buffer.from("their provenance")),
    ];
    await storage.publishOnce(wheelKey("pkg", filename), foreign);
    await storage.publishOnce(provenanceKey("pkg", filename), theirs);
    await place(context(), { database: asked(), storage, signer }, token);
    expect(publicFile(provenanceKey("pkg", filename))?.toString()).toBe("their provenance");
    expect(await rowOf(filename)).toMatchObject({ provenance_sha256: null, placed: false });
  });

  it("keeps the blob of its provenance from the sweep, and takes it away with the wheel", async () => {
    const { token, filename } = await settledBuild();
    await place(context(), { database: asked(), storage, signer }, token);
    const { provenance_sha256: provenance } = await rowOf(filename);
    const blobs = { sha256s: [provenance ?? ""] };
    expect(await run(database.sql, "referencedBlobs", blobs)).toEqual(blobs.sha256s);
    await database.sql`update file set removed_at = now()`;
    await database.sql`delete from page_request`;
    await removeWithdrawn(context(), { database: asked(), storage, signer });
    for (const key of [wheelKey, metadataKey, provenanceKey])
      expect(publicFile(key("pkg", filename))).toBeUndefined();
    expect(await run(database.sql, "referencedBlobs", blobs)).toEqual([]);
  });

  it("is published as ever without a key", async () => {
    const { token, filename } = await settledBuild();
    await place(context(), { database: asked(), storage, signer: undefined }, token);
    expect(await expectTruth(filename)).toMatchObject({ provenance_sha256: null, placed: true });
    expect(publicFile(provenanceKey("pkg", filename))).toBeUndefined();
  });
});

describe("the farm's keys", () => {
  it("are published again at each start, those that signed before too", async () => {
    await publishKeys(context(), { database: asked(), storage }, signer);
    const second = await makeTestKey("The next one");
    try {
      await publishKeys(context(), { database: asked(), storage }, { ...signer, key: second.key });
      const keys = readTrustedKeys(publicFile("keys/all.pem")?.toString() ?? "", "site");
      expect([...keys.keys()]).toEqual([second.key.id, own.key.id]);
      expect(publicFile(`keys/${own.key.id}.pem`)?.toString()).toBe(own.publicPem);
    } finally {
      second.end();
    }
  });
});
