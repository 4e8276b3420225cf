/** What is public stays whole when the program that writes it is killed, or its disk is full. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openLocalStorage } from "../../web/storage.ts";

const writer = fileURLToPath(new URL("./storage-writer.ts", import.meta.url));
const run = promisify(execFile);
let output: string;

beforeEach(async () => {
  output = await mkdtemp(join(tmpdir(), "storage-"));
});
afterEach(() => rm(output, { recursive: true, force: true }));

/** Lets the writer run to this step of its second round, and kills it there. Gives what was durable. */
async function writeUntilKilled(step: string): Promise<string[]> {
  const child: ChildProcess = spawn(
    process.execPath,
    ["--import", "tsx", writer, "endless", output],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const ended = once(child, "exit");
  const said: string[] = [];
  if (child.stdout === null) throw new Error("the writer has no output");
  for await (const line of createInterface({ input: child.stdout })) {
    said.push(line);
    if (line === step && said.some((each) => each.startsWith("done"))) child.kill("SIGKILL");
  }
  expect(await ended).toEqual([null, "SIGKILL"]);
  return said.flatMap((line) => (line.startsWith("done ") ? [line.slice(5)] : []));
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

test("kill -9 at any point leaves whole public files, and all that was said to be durable", async () => {
  for (const step of ["next page", "next commit", "next link", "next log"]) {
    const said = await writeUntilKilled(step);
    const page = await readFile(join(output, "simple/tidepool/index.html"), "utf8");
    expect(page === page.charAt(0).repeat(2_000_000)).toBe(true);
    // A copy that looks as if it belonged to the page says what the page says.
    const stampOf = async (suffix: string): Promise<bigint | undefined> =>
      (
        await stat(join(output, `simple/tidepool/index.html${suffix}`), { bigint: true }).catch(
          () => undefined,
        )
      )?.mtimeNs;
    for (const [suffix, unpack] of [
      [".gz", gunzipSync],
      [".br", brotliDecompressSync],
    ] as const)
      if ((await stampOf(suffix)) === (await stampOf(""))) {
        const copy = await readFile(join(output, `simple/tidepool/index.html${suffix}`));
        expect(unpack(copy).toString() === page).toBe(true);
      }
    const wheels = (await readdir(join(output, "simple/tidepool"))).filter((name) =>
      name.endsWith(".whl"),
    );
    for (const name of wheels) {
      expect(`${sha256(await readFile(join(output, "simple/tidepool", name)))}.whl`).toBe(name);
    }
    expect(wheels).toEqual(expect.arrayContaining(said.map((hash) => `${hash}.whl`)));
    for (const name of await readdir(join(output, "logs/0000/0000"))) {
      const log = gunzipSync(await readFile(join(output, "logs/0000/0000", name)));
      expect(log.length).toBe(400_000);
    }

    const storage = await openLocalStorage(output);
    expect(await readdir(join(output, ".store", "temporary"))).toEqual([]);
    // Written again, page and copies belong together, wherever the writing broke off.
    await storage.replace("simple/tidepool/index.html", page);
    for (const suffix of [".gz", ".br"]) expect(await stampOf(suffix)).toBe(await stampOf(""));
    for (const { token } of await storage.listStaging()) {
      const file = await storage.openStaged(token, "tidepool.whl");
      expect(file.lengthBytes).toBeLessThanOrEqual(400_000);
      await file.close();
      await storage.clearStaging(token);
    }
  }
});

test("a full disk refuses what is too large with `full`, keeps what stands, and goes on", async (context) => {
  const mount = 'mount -t tmpfs -o size=1m none "$3" && exec "$1" --import tsx "$2" full "$3"';
  const options = ["-r", "-m", "sh", "-c", mount, "sh", process.execPath, writer, output];
  const canMount = await run("unshare", [
    "-r",
    "-m",
    "sh",
    "-c",
    `mount -t tmpfs none "${output}"`,
  ]).then(
    () => true,
    () => false,
  );
  if (!canMount) context.skip("this user may not mount a small disk here");
  const { stdout } = await run("unshare", options);
  expect(JSON.parse(stdout)).toEqual({
    replace: "full",
    append: "full",
    put: "full",
    compress: "full",
    staged: 4,
    stagedOnDisk: 4,
    appendAfter: "done",
    replaceAfter: "done",
  });
});
