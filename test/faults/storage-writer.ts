/**
 * A program that uses the storage until it is killed (`endless`), or on a disk without room
 * (`full`). Before each step it prints `next`, and after a round `done` and the hash of what is durable.
 */
import { randomBytes } from "node:crypto";
import { openLocalStorage, StorageError } from "../../web/storage.ts";

const [mode = "", output = ""] = process.argv.slice(2);
const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function writeForEver(): Promise<void> {
  const storage = await openLocalStorage(output);
  for (let round = 1; ; round++) {
    say("next page");
    await storage.replace("simple/tidepool/index.html", String(round % 10).repeat(2_000_000));
    const file = await storage.openStaged(round, "tidepool.whl");
    for (let chunk = 0; chunk < 4; chunk++) await file.append(randomBytes(100_000));
    const hash = file.sha256();
    say("next commit");
    await storage.commitBlob(round, "tidepool.whl", hash);
    say("next link");
    await storage.publishOnce(`simple/tidepool/${hash}.whl`, hash);
    say("next log");
    await storage.publishCompressed(`logs/0000/0000/${round}.txt.gz`, hash);
    await storage.clearStaging(round);
    say(`done ${hash}`);
  }
}

async function codeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "done";
  } catch (error) {
    return error instanceof StorageError ? error.code : String(error);
  }
}

async function fillTheDisk(): Promise<void> {
  const storage = await openLocalStorage(output);
  const large = randomBytes(2_000_000);
  await storage.replace("index.html", "old");
  const small = await storage.putBlob(randomBytes(100_000));
  const file = await storage.openStaged(1, "a.whl");
  await file.append(Buffer.from("kept"));
  const outcome = {
    replace: await codeOf(() => storage.replace("index.html", large)),
    append: await codeOf(() => file.append(large)),
    put: await codeOf(() => storage.putBlob(large)),
    compress: await codeOf(async () => {
      const ballast = await storage.putBlob(
        randomBytes(Math.floor((await storage.room()).freeBytes) - 50_000),
      );
      try {
        await storage.publishCompressed("log.txt.gz", small);
      } finally {
        await storage.sweepBlobs(async () => new Set([small]), 0);
      }
      return ballast;
    }),
    staged: file.lengthBytes,
    stagedOnDisk: await storage.stagedLength(1, "a.whl"),
    appendAfter: await codeOf(() => file.append(Buffer.from(" going"))),
    replaceAfter: await codeOf(() => storage.replace("other.html", "room again")),
  };
  await file.close();
  say(JSON.stringify(outcome));
}

await (mode === "full" ? fillTheDisk() : writeForEver());
