/**
 * A slave with a key that the master takes, and that lies in every field; one without a key. The master stays up and
 * serves others, publishes nothing of it, touches nothing outside of its output folder, and counts each refusal by its reason.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { productVersion } from "../../config/version.ts";
import { slaveLink, type ToSlave } from "../../protocol/links/slave.ts";
import type { BuildResult, BuiltFile, Token } from "../../protocol/model/build.ts";
import {
  connectEndpoint,
  generateKeyPair,
  type KeyPair,
  readKeyFile,
  writeKeyFile,
  writePublicKeyFile,
} from "../../protocol/transport/index.ts";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { type BodyOf, silentLogger } from "../../supervisor/index.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip, type ZipPiece } from "../protocol/packaging/zip-builder.ts";
import { LyingSlave, sha256, stats } from "../support/lying-slave.ts";
import { wheelBytes } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { target } from "../support/queue-fixture.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

type Order = BodyOf<ToSlave, "BUILD">;

/** What a lie is told with: the files that are named, and what is sent for them. */
interface Told {
  readonly result: Partial<BuildResult>;
  readonly contents?: Readonly<Record<string, Buffer<ArrayBuffer>>>;
}

interface Lie {
  readonly what: string;
  readonly tell: (order: Order) => Told;
  /** What its build ends with. */
  readonly says: RegExp;
  readonly counted: { readonly by: "file-juggler" | "slave"; readonly reason: string };
}

const nameOf = (order: Order, name = order.package, tag = "py3-none-any") =>
  `${name}-${order.version}-${tag}.whl`;

/** One file as it is, with parts of what is said of it changed. */
function oneFile(filename: string, data: Buffer, change: Partial<BuiltFile> = {}): Told {
  const file = { filename, sizeBytes: data.length, sha256: sha256(data), aptDependencies: [] };
  return {
    result: { files: [{ ...file, ...change }] },
    contents: { [filename]: Buffer.from(data) },
  };
}

const honestBytes = (order: Order) => wheelBytes({ name: order.package, version: order.version });

/** A wheel whose dist-info is in order, with more in it. */
function wheelWith(order: Order, more: Parameters<typeof wheelPieces>[0]): Told {
  const { package: name, version } = order;
  const data = buildZip(
    wheelPieces({
      distInfo: `${name}-${version}.dist-info`,
      metadata: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`,
      ...more,
    }),
  );
  return oneFile(nameOf(order), data);
}
const withFile = (order: Order, piece: ZipPiece): Told => wheelWith(order, { files: [piece] });

const refusedFile = { by: "file-juggler", reason: "file (bad-wheel)" } as const;
const refusedManifest = { by: "file-juggler", reason: "manifest" } as const;
const GIBIBYTE = 1024 ** 3;
const empty = { sha256: sha256(Buffer.alloc(0)), aptDependencies: [] };

const lies: readonly Lie[] = [
  {
    what: "a good wheel of another project",
    tell: (order) =>
      oneFile(nameOf(order, "other"), wheelBytes({ name: "other", version: order.version })),
    says: /it is a wheel of other, not of/,
    counted: refusedFile,
  },
  {
    what: "another project's METADATA",
    tell: (order) =>
      wheelWith(order, { metadata: "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n" }),
    says: /METADATA names other/,
    counted: refusedFile,
  },
  {
    what: "another version's METADATA",
    tell: (order) =>
      wheelWith(order, {
        metadata: `Metadata-Version: 2.1\nName: ${order.package}\nVersion: 6.6\n`,
      }),
    says: /METADATA names version 6\.6/,
    counted: refusedFile,
  },
  {
    what: "a wheel for a target that is not its own",
    tell: (order) => {
      const tag = "cp27-cp27m-win32";
      const wheel = wheelBytes({ name: order.package, version: order.version, tag });
      return oneFile(nameOf(order, order.package, tag), wheel);
    },
    says: /none of its tags is one of/,
    counted: refusedFile,
  },
  {
    what: "a build tag that it was not given",
    tell: (order) => {
      const wheel = { name: order.package, version: order.version, buildTag: "9" };
      return oneFile(`${order.package}-${order.version}-9-py3-none-any.whl`, wheelBytes(wheel));
    },
    says: /its build tag is 9, not none/,
    counted: refusedFile,
  },
  {
    what: "a hash that is not the file's",
    tell: (order) =>
      oneFile(nameOf(order), honestBytes(order), { sha256: sha256(Buffer.from("else")) }),
    says: /its bytes are not those of its SHA-256/,
    counted: { by: "file-juggler", reason: "file of another hash" },
  },
  {
    what: "a size that is less than the file's",
    tell: (order) => {
      const data = honestBytes(order);
      const told = oneFile(nameOf(order), data, { sizeBytes: 100 });
      return { ...told, contents: { [nameOf(order)]: Buffer.from(data.subarray(0, 100)) } };
    },
    says: /its bytes are not those of its SHA-256/,
    counted: { by: "file-juggler", reason: "file of another hash" },
  },
  {
    what: "a file beyond the limit",
    tell: (order) => oneFile(nameOf(order), Buffer.alloc(0), { sizeBytes: 3 * GIBIBYTE }),
    says: /3221225472 bytes are over the limit/,
    counted: refusedManifest,
  },
  {
    what: "files that are too much together",
    tell: (order) => ({
      result: {
        files: Array.from({ length: 9 }, (_, at) => ({
          ...empty,
          filename: nameOf(order, `part${at}`),
          sizeBytes: GIBIBYTE,
        })),
      },
    }),
    says: /over the limit/,
    counted: refusedManifest,
  },
  {
    what: "one name twice",
    tell: (order) => {
      const file = { ...empty, filename: nameOf(order), sizeBytes: 1 };
      return { result: { files: [file, file] } };
    },
    says: /is named twice/,
    counted: refusedManifest,
  },
  {
    what: "a wheel that is called as the log",
    tell: () => ({ result: { files: [{ ...empty, filename: "build.log", sizeBytes: 1 }] } }),
    says: /build\.log is named twice/,
    counted: refusedManifest,
  },
  {
    what: "a log beyond the limit",
    tell: () => ({ result: { log: { sizeBytes: GIBIBYTE, sha256: empty.sha256 } } }),
    says: /build\.log: 1073741824 bytes are over the limit/,
    counted: refusedManifest,
  },
  {
    what: "a zip that says that it unpacks to much",
    tell: (order) => withFile(order, { name: "bomb", data: "", sizeBytes: 0xffff_fff0 }),
    says: /whl: /,
    counted: refusedFile,
  },
  {
    what: "a zip that unpacks to more than it says",
    tell: (order) =>
      withFile(order, {
        name: "bomb",
        data: "",
        packed: deflateRawSync(Buffer.alloc(64 * 1024 ** 2)),
        sizeBytes: 10,
      }),
    says: /whl: /,
    counted: refusedFile,
  },
  {
    what: "a zip with an absolute path",
    tell: (order) => withFile(order, { name: "/etc/escaped", data: "x" }),
    says: /whl: .*etc\/escaped/,
    counted: refusedFile,
  },
  {
    what: "a zip with a path that leads out",
    tell: (order) => withFile(order, { name: "../../escaped", data: "x" }),
    says: /whl: .*escaped/,
    counted: refusedFile,
  },
  {
    what: "no zip at all",
    tell: (order) => oneFile(nameOf(order), Buffer.alloc(5_000, "no")),
    says: /whl: /,
    counted: refusedFile,
  },
  {
    what: "nothing, and that it was built",
    tell: () => ({ result: { files: [] } }),
    says: /no wheel came of it/,
    counted: { by: "slave", reason: "" },
  },
];

/** Names that no file may have. BUILT with one is refused as a whole. */
const badNames = [
  "../escaped.whl",
  "../../../../escaped.whl",
  "/escaped.whl",
  "simple/escaped.whl",
  ".escaped.whl",
  "escaped\0.whl",
  "escaped\n.whl",
  "-escaped.whl",
  `${"e".repeat(300)}.whl`,
  "",
];

const HONEST = ["honest1", "honest2"];

describe("a slave with a key, and one without", { timeout: 120_000 }, () => {
  let folder: string;
  let database: TestDatabase;
  let upstream: SampleUpstream;
  let farm: TestFarm;
  let liar: LyingSlave;
  let probe: LyingSlave;
  let master: KeyPair;
  let outside: readonly string[];
  const [liarKeys, probeKeys] = [generateKeyPair(), generateKeyPair()];
  const addresses = () => {
    const { slave, file } = farm.linkPorts;
    return { slaveAddress: `tcp://127.0.0.1:${slave}`, fileAddress: `tcp://127.0.0.1:${file}` };
  };
  const newSlave = (own: KeyPair, slot: string, minor: number) =>
    new LyingSlave({
      ...addresses(),
      keys: { own, serverPublicKey: master.publicKey },
      slot,
      version: productVersion,
      target: target(minor),
    });

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "ww-hostile-"));
    const authorized = join(folder, "authorized");
    mkdirSync(authorized);
    master = writeKeyFile(join(folder, "master"));
    const honest = writeKeyFile(join(folder, "honest"));
    for (const [name, { publicKey }] of Object.entries({
      honest,
      liar: liarKeys,
      probe: probeKeys,
    }))
      writePublicKeyFile(join(authorized, `${name}.pub`), publicKey);
    writePublicKeyFile(join(folder, "master.pub"), master.publicKey);
    expect(readKeyFile(join(folder, "master")).publicKey).toBe(master.publicKey);
    database = await createTestDatabase();
    upstream = await startSampleUpstream({
      files: Array.from({ length: lies.length + 1 }, (_, at) =>
        slowSdist({ name: `bait${at + 1}`, version: "1.0" }),
      ),
    });
    farm = new TestFarm({
      dsn: database.dsn,
      upstream,
      shape: "whole",
      master: ["--key", join(folder, "master"), "--authorized-keys", authorized],
      slave: ["--key", join(folder, "honest"), "--master-key", join(folder, "master.pub")],
    });
    await farm.startMaster();
    await farm.until("all is known", ({ followed }) => followed);
    outside = readdirSync(farm.folder).sort();
    liar = newSlave(liarKeys, "liar", 11);
    await liar.begin();
  }, 120_000);
  afterAll(async () => {
    await Promise.all([liar.close(), probe.close()]);
    await farm.end();
    await upstream.close();
    await database.end();
    rmSync(folder, { recursive: true, force: true });
  }, 60_000);

  async function refused(task: string): Promise<Readonly<Record<string, number>>> {
    const found = (await farm.tasks()).find(({ path }) => path.endsWith(`/${task}`));
    return found?.refused ?? {};
  }
  const outcomeOf = async (token: Token) => {
    const [row] = await database.sql<{ cause: string; message: string; stands: boolean }[]>`
      select cause, message, stands from build where token = ${token}`;
    return row;
  };

  describe("that delivers", () => {
    it.each(lies)("$what: publishes nothing, and is counted", async (lie) => {
      const before = await refused(lie.counted.by);
      const order = await liar.order();
      const { result, contents = {} } = lie.tell(order);
      for (const [filename, data] of Object.entries(contents)) liar.files.set(filename, data);
      liar.built(order.token, result);
      await liar.next("DONE", ({ token }) => token === order.token);
      const outcome = await outcomeOf(order.token);
      expect(outcome).toMatchObject({ cause: "bad-wheel", stands: true });
      expect(outcome?.message).toMatch(lie.says);
      const { reason } = lie.counted;
      if (reason !== "")
        expect((await refused(lie.counted.by))[reason]).toBeGreaterThan(before[reason] ?? 0);
      const published = join(farm.output, "simple", order.package);
      const files = existsSync(published) ? readdirSync(published) : [];
      expect(files.filter((name) => name.endsWith(".whl"))).toEqual([]);
    });

    it("file names with paths is not heard at all, and the session goes on", async () => {
      const order = await liar.order();
      const before = (await refused("slave"))["invalid message"] ?? 0;
      for (const filename of badNames)
        liar.built(order.token, { files: [{ ...empty, filename, sizeBytes: 1 }] });
      liar.built(order.token, { cause: "build-failed" });
      await liar.next("DONE", ({ token }) => token === order.token);
      expect((await refused("slave"))["invalid message"]).toBe(before + badNames.length);
      expect(await outcomeOf(order.token)).toMatchObject({ cause: "build-failed" });
    });
  });

  it("what is not its own, or was over long ago, is told to drop it and changes nothing", async () => {
    const rows = () => database.sql`select * from build order by token`;
    const before = await rows();
    const last = before.at(-1)?.["token"] as number;
    for (const token of [last, last, 1_000_000, Number.MAX_SAFE_INTEGER]) {
      liar.built(token, {});
      await liar.next("DONE", (done) => done.token === token);
    }
    liar.say("BUSY", { token: 1_000_000, stats });
    await liar.next("DONE", (done) => done.token === 1_000_000);
    const reason = "build that was not given to the slave";
    expect((await refused("slave-driver"))[reason]).toBe(2);
    expect(await rows()).toEqual(before);
  });

  it("messages out of order end its session with a reason, and count", async () => {
    const before = (await refused("slave-driver"))["message out of order"] ?? 0;
    liar.hello();
    const { reason } = await liar.next("DIE");
    expect(reason).toContain("HELLO said twice");
    expect((await refused("slave-driver"))["message out of order"]).toBe(before + 1);
    // What it says on the old session leads to a new one.
    liar.say("IDLE", { stats });
    await liar.until("its connection ends", () => liar.downs.length > 0);
    await liar.untilUp();
    liar.hello();
    await liar.next("ACK");
  });

  it("without a key gets no session, is told why, and is counted", async () => {
    const downs: string[] = [];
    const stranger = connectEndpoint(slaveLink, {
      address: addresses().slaveAddress,
      log: silentLogger,
      retryMs: { min: 20, max: 100 },
      handlers: {
        up: () => expect.fail("it was let in"),
        down: (reason) => void downs.push(reason),
        message: () => undefined,
      },
    });
    try {
      await expect.poll(() => downs.length, { timeout: 20_000 }).toBeGreaterThan(2);
    } finally {
      await stranger.close();
    }
    expect(downs[0]).toMatch(/^refused/);
    expect((await refused("slave"))["handshake failed"]).toBeGreaterThan(0);
  });

  it("very many messages, and chunks that nobody asked for, hold up no other slave", async () => {
    probe = newSlave(probeKeys, "probe", 12);
    await probe.begin();
    const flooded = { isOver: false };
    const data = Buffer.alloc(32_768);
    const flood = async () => {
      for (let n = 1; n <= 20_000; n += 1) {
        liar.say(n % 2 === 0 ? "IDLE" : "BUSY", { token: n, stats } as never);
        liar.send("CHUNK", { token: n, filename: "a.whl", offset: n, data });
        // As fast as the links take them.
        if (n % 200 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      flooded.isOver = true;
    };
    const flooding = flood();
    let answers = 0;
    while (!flooded.isOver || answers < 20) {
      const askedAt = performance.now();
      await probe.askForWork();
      // Far below what a slave waits for anything, far above what this takes on a busy machine.
      expect(performance.now() - askedAt).toBeLessThan(5_000);
      answers += 1;
    }
    await flooding;
    expect(probe.downs).toEqual([]);
    const juggler = await refused("file-juggler");
    expect(juggler["chunk of a build that is not collected from its sender"]).toBeGreaterThan(0);
  });

  it("after all that: no task has crashed, nothing is outside the output folder, and an honest slave is served", async () => {
    await farm.startSlave();
    for (const name of HONEST) upstream.publish(slowSdist({ name, version: "1.0" }));
    await farm.until("the honest slave's wheels are published", ({ rows, unpublished }) => {
      const built = rows.filter(({ state }) => state === "built").map((row) => row.package);
      return unpublished === 0 && HONEST.every((name) => built.includes(name));
    });
    expect(farm.isRunning("master")).toBe(true);
    const crashed = (await farm.tasks()).filter(({ restarts }) => restarts > 0);
    expect(crashed.map(({ path, lastError }) => [path, lastError])).toEqual([]);
    const wheels = readdirSync(join(farm.output, "simple"), { recursive: true })
      .map(String)
      .filter((name) => name.endsWith(".whl"))
      .sort();
    expect(wheels).toEqual(HONEST.map((name) => `${name}/${name}-1.0-py3-none-any.whl`));
    const now = readdirSync(farm.folder).sort();
    expect(now.filter((name) => !outside.includes(name) && !name.startsWith("slave-1"))).toEqual(
      [],
    );
    for (const place of [farm.folder, join(farm.folder, ".."), "/", "/etc"])
      expect(readdirSync(place).filter((name) => name.includes("escaped"))).toEqual([]);
  });
});
