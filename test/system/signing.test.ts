/**
 * A farm that signs, end to end: built, imported and older wheels with their provenance, the keys on its site, another
 * key in the place of the first, `piw verify` from outside, and removal.
 */
import { execFile } from "node:child_process";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { writeWheel } from "../support/plain-wheel.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

const bin = (name: string) => new URL(`../../dist/bin/${name}.js`, import.meta.url).pathname;
const PROCESSES_MS = 180_000;

let database: TestDatabase;
let upstream: SampleUpstream;
let farm: TestFarm;
/** Read anew at each start of the master. */
const masterArguments: string[] = [];

interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
const run = (program: string, ...args: string[]): Promise<Said> =>
  new Promise((resolve) => {
    const env = { ...process.env, HOME: "/nonexistent" };
    const options = { timeout: 120_000, env };
    execFile(process.execPath, [bin(program), ...args], options, (error, out, err) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err });
    });
  });
const verify = (...args: string[]) => run("piw", "verify", ...args);
const tool = (name: string, ...args: string[]) =>
  run(name, "--import-queue", farm.importAddress, "-y", ...args);

const QUICK = "quick-1.0-py3-none-any.whl";
const wheelUrl = (name: string, filename: string) => `${farm.indexUrl}${name}/${filename}`;
const keyFile = (name: string) => join(farm.folder, `${name}.key`);
const site = (...path: string[]) => join(farm.output, ...path);
const until = async (what: string, fits: () => boolean): Promise<void> => {
  await farm.until(what, fits);
};

async function startWith(key: string | undefined): Promise<void> {
  await farm.kill("master", "SIGTERM");
  masterArguments.splice(0, 2, ...(key === undefined ? [] : ["--signing-key", keyFile(key)]));
  await farm.startMaster();
  await until("the master is up", () => true);
}

beforeAll(async () => {
  database = await createTestDatabase();
  upstream = await startSampleUpstream({ files: [slowSdist({ name: "quick", version: "1.0" })] });
  farm = new TestFarm({ dsn: database.dsn, upstream, master: masterArguments });
  for (const name of ["first", "second"]) {
    const { code } = await run(
      "piw",
      "keygen",
      "--signing",
      "--name",
      `${name} key`,
      keyFile(name),
    );
    expect(code).toBe(0);
  }
  masterArguments.push("--signing-key", keyFile("first"));
  await farm.startMaster();
  await farm.startSlave();
  await farm.until("the wheel is public", () => existsSync(site("simple", "quick", QUICK)));
}, PROCESSES_MS);
afterAll(async () => {
  await farm.end();
  await upstream.close();
  await database.end();
}, 60_000);

describe("a farm that signs", { timeout: PROCESSES_MS }, () => {
  it("serves provenance beside what it has built, which piw verify checks with its key", async () => {
    const answer = await fetch(`${wheelUrl("quick", QUICK)}.provenance`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ version: 1 });
    const said = await verify("--key", `${keyFile("first")}.pub`, wheelUrl("quick", QUICK));
    expect(said).toEqual({
      code: 0,
      out: expect.stringMatching(
        /^quick-1\.0-py3-none-any\.whl: verified\n[\s\S]*signed by[\s\S]*package +quick 1\.0 for cp3\d+-[\s\S]*from +http:.*quick-1\.0\.tar\.gz sha256:[0-9a-f]{64}\n[\s\S]*built by +slave [\s\S]*when +20\d\d-[\s\S]*in +runner pip, sandbox \w+, network \w+ \(as the slave says\)[\s\S]*log +/,
      ) as string,
      err: "",
    });
    const json = await verify(
      "--json",
      "--key",
      `${keyFile("first")}.crt`,
      wheelUrl("quick", QUICK),
    );
    expect(JSON.parse(json.out)).toMatchObject({
      statement: {
        predicate: { buildDefinition: { internalParameters: { saidBySlave: { runner: "pip" } } } },
      },
    });
  });

  it("publishes its key, which piw verify takes where none is given, and says so", async () => {
    const said = await verify(wheelUrl("quick", QUICK));
    expect(said).toMatchObject({ code: 0 });
    expect(said.err).toMatch(/the key is the one that http:\S+ gives out, .*--key\n$/);
    const index = (await (await fetch(`${farm.siteUrl}/keys/index.json`)).json()) as {
      keys: { publicKey: string }[];
    };
    const pem = await (await fetch(`${farm.siteUrl}/keys/${index.keys[0]?.publicKey}`)).text();
    expect(pem).toBe(readFileSync(`${keyFile("first")}.pub`, "utf8"));
  });

  it("is not to be fooled: another wheel, another key, no provenance, each one line", async () => {
    const key = ["--key", `${keyFile("first")}.pub`];
    const local = join(farm.folder, QUICK);
    writeFileSync(local, readFileSync(site("simple", "quick", QUICK)));
    expect(await verify(...key, "--index-url", farm.indexUrl, local)).toMatchObject({ code: 0 });
    expect(await verify(...key, local)).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(
        /^piw verify: there is no .*\.whl\.provenance: fetch it, or [^\n]+\n$/,
      ) as string,
    });
    writeFileSync(
      `${local}.provenance`,
      readFileSync(site("simple", "quick", `${QUICK}.provenance`)),
    );
    expect(await verify(...key, local)).toMatchObject({ code: 0 });
    const second = await verify("--key", `${keyFile("second")}.pub`, local);
    expect(second).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(
        /^piw verify: quick-1\.0-py3-none-any\.whl is not verified: .*not among those to trust[^\n]+\n$/,
      ) as string,
    });
    writeFileSync(local, Buffer.concat([readFileSync(local), Buffer.from("x")]));
    expect(await verify(...key, local)).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(
        /^piw verify: .*the wheel is not the one that was signed[^\n]+\n$/,
      ) as string,
    });
  });

  it.each<[string[], RegExp]>([
    [["x.whl"], /"x\.whl" is neither a wheel's file/],
    [["https://farm.example/simple/"], /is neither a wheel's file .* nor the address of one/],
    [[QUICK], /say with --key whose signature counts, or with --index-url/],
    [["--key", "/no-such-folder/key", QUICK], /--key: there is no file \/no-such-folder\/key/],
    [["--key", process.execPath, QUICK], /./],
  ])("piw verify %j is one line", async (args, words) => {
    const said = await verify(...args);
    expect(said.code).toBeGreaterThan(0);
    expect(said.err).toMatch(words);
    expect(said.err).toMatch(/^piw verify: [^\n]+\n$/);
  });

  it("keeps what was signed when another key takes over, signs the rest on demand, and takes it away with its wheel", async () => {
    const before = readFileSync(site("simple", "quick", `${QUICK}.provenance`));
    await startWith(undefined);
    const wheels = join(farm.folder, "wheels");
    const older = { name: "older", version: "1.0" };
    const imported = await tool("piw-import", writeWheel(wheels, older));
    expect(imported).toMatchObject({ code: 0 });
    const name = "older-1.0-py3-none-any.whl";
    expect(await verify(wheelUrl("older", name))).toMatchObject({
      code: 1,
      err: expect.stringContaining(`${name}.provenance: there is nothing`) as string,
    });
    expect(await tool("piw-rebuild", "provenance")).toEqual({
      code: 1,
      out: "",
      err: expect.stringMatching(
        /^piw-rebuild: the master says: it has no --signing-key[^\n]+\n$/,
      ) as string,
    });

    await startWith("second");
    expect(await tool("piw-rebuild", "provenance")).toMatchObject({
      code: 0,
      out: expect.stringContaining("provenance: 1 wheel signed") as string,
    });
    const key = ["--key", `${keyFile("second")}.pub`];
    const said = await verify(...key, wheelUrl("older", name));
    expect(said).toMatchObject({ code: 0 });
    expect(said.out).toMatch(/imported +20\d\d-.*: the farm did not build it/);
    expect(said.out).not.toContain("slave");
    expect(await tool("piw-rebuild", "provenance", "older")).toMatchObject({
      code: 0,
      out: expect.stringContaining("0 wheels signed") as string,
    });
    expect(readFileSync(site("simple", "quick", `${QUICK}.provenance`))).toEqual(before);
    await until("both keys are published", () =>
      readFileSync(site("keys", "all.pem"), "utf8").includes(
        readFileSync(`${keyFile("second")}.pub`, "utf8"),
      ),
    );
    expect(await verify(wheelUrl("quick", QUICK))).toMatchObject({ code: 0 });

    expect(await tool("piw-remove", "older")).toMatchObject({ code: 0 });
    await until(
      "the wheel and its provenance are gone",
      () => !existsSync(site("simple", "older")),
    );
  });

  it("is whole to piw-audit, which mends provenance from its blob, or says that it is lost", async () => {
    const audit = (...args: string[]) =>
      run("piw-audit", "--dsn", database.dsn, "--output-path", farm.output, ...args);
    await farm.until("no page is owed", (report) => report.unpublished === 0);
    expect(await audit()).toMatchObject({ code: 0 });
    const place = site("simple", "quick", `${QUICK}.provenance`);
    const bytes = readFileSync(place);
    rmSync(place);
    expect(await audit("--quick")).toMatchObject({
      code: 1,
      out: expect.stringMatching(/missing.*simple\/quick\/quick-.*\.whl\.provenance/) as string,
    });
    expect(await audit("--repair", "-y")).toMatchObject({ code: 0 });
    expect(readFileSync(place)).toEqual(bytes);
    writeFileSync(place, "{}");
    expect(await audit("--repair", "-y")).toMatchObject({
      code: 0,
      out: expect.stringContaining("signs anew") as string,
    });
    expect(await tool("piw-rebuild", "provenance", "quick")).toMatchObject({ code: 0 });
    expect(
      await verify("--key", `${keyFile("second")}.pub`, wheelUrl("quick", QUICK)),
    ).toMatchObject({ code: 0 });
    expect(await audit()).toMatchObject({ code: 0 });
  });

  it("does not start with a key that cannot be used, and says why in one line", async () => {
    await farm.kill("master", "SIGTERM");
    masterArguments.splice(0, 2, "--signing-key", join(farm.folder, "none.key"));
    await farm.startMaster();
    await farm.untilEnded(["master"]);
    expect(farm.exitCode("master")).toBe(1);
    expect(farm.logs()).toMatch(/piw-master: cannot read the signing key .*none\.key/);
  });
});
