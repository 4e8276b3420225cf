/** Outboxes with finished builds for the bench `transfer`, as piw-slave leaves them on disk. */
import { createHash } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Outbox } from "../../actors/slave/outbox.ts";
import type { Token } from "../../protocol/model/build.ts";
import { type PlainWheel, wheelBytes, wheelName } from "../../test/support/plain-wheel.ts";
import { type HeldBuild, PACKAGE, VERSION } from "./words.ts";

export interface Held {
  readonly folder: string;
  readonly builds: readonly HeldBuild[];
}

/**
 * An outbox with builds of so many wheels each. Contents and names differ between all of them.
 *
 * @param firstToken tokens go up from it; wheels of two outboxes must not share any
 */
export async function fillOutbox(
  folder: string,
  firstToken: Token,
  shape: { readonly builds: number; readonly wheels: number; readonly wheelBytes: number },
): Promise<Held> {
  const { outbox } = await Outbox.open(folder);
  const builds: HeldBuild[] = [];
  for (let at = 0; at < shape.builds; at += 1)
    builds.push(await fillBuild(outbox, folder, firstToken + at, shape));
  return { folder, builds };
}

async function fillBuild(
  outbox: Outbox,
  folder: string,
  token: Token,
  shape: { readonly wheels: number; readonly wheelBytes: number },
): Promise<HeldBuild> {
  const sdist = { filename: "x.tar.gz", url: "http://x/", sha256: "0".repeat(64), sizeBytes: 1 };
  const order = { token, package: PACKAGE, version: VERSION, target: "t", sdist, buildTag: null };
  await outbox.begin(order, "bench");
  const log = Buffer.from("built for the bench\n");
  writeFileSync(outbox.logPath(token), log);
  const scratch = join(folder, String(token), "scratch");
  mkdirSync(scratch);
  const tags: string[] = [];
  const paths: string[] = [];
  const files = [];
  for (let at = 0; at < shape.wheels; at += 1) {
    const tag = `py3-none-b${token}_${at}`;
    const wheel: PlainWheel = {
      name: PACKAGE,
      version: VERSION,
      tag,
      ballastBytes: shape.wheelBytes,
    };
    const bytes = wheelBytes(wheel);
    const filename = wheelName(wheel);
    writeFileSync(join(scratch, filename), bytes);
    tags.push(tag);
    paths.push(join(scratch, filename));
    files.push({ filename, sizeBytes: bytes.length, sha256: sha256(bytes), aptDependencies: [] });
  }
  const result = {
    cause: "built" as const,
    message: "",
    missing: [],
    durationMs: 1,
    files,
    log: { sizeBytes: log.length, sha256: sha256(log) },
  };
  await outbox.commit(token, result, paths);
  return { token, result, tags };
}

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
