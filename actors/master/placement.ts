/**
 * Where settled files and logs get their public names, and what nobody refers to any more goes. File
 * Juggler calls it; what is to be done is read from the database each time, so all of it may be done
 * again, and twice at once.
 */
import type { UnplacedFile, UnplacedLog } from "../../db/files.ts";
import type { Token } from "../../protocol/model/build.ts";
import { type Logger, Refusal } from "../../supervisor/index.ts";
import { logKey, metadataKey, provenanceKey, wheelKey } from "../../web/public-key.ts";
import { type Storage, StorageError } from "../../web/storage.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "./database.ts";
import { type Signer, signFiles } from "./signing.ts";

interface Placement {
  readonly database: DatabaseRef;
  readonly storage: Storage;
  /** Undefined: wheels are published without provenance. */
  readonly signer: Signer | undefined;
}

/** What it needs of the actor that it works for. */
interface PlacementContext extends Asker {
  readonly log: Logger;
}

/** Files and logs of one round. */
const BATCH = 200;

/**
 * The database says what is settled and not placed; what is in its place already is placed again for
 * nothing. Wheels first, and told: their pages do not wait until the logs are compressed.
 *
 * @param token one build, or null for whatever is left
 * @throws Refusal code `full`; `missing` for one build whose blobs are gone: they are to be collected again
 */
export async function place(
  ctx: PlacementContext,
  placement: Placement,
  token: Token | null,
): Promise<void> {
  const { database, storage, signer } = placement;
  const { files, logs } = await askUntilDone(ctx, database, "unplaced", { token, limit: BATCH });
  const placedFiles = await placeEach(ctx, files, wheelName, async (file) => {
    // The metadata first: whoever sees the wheel may ask for it (PEP 658).
    await storage.publishOnce(metadataKey(file.package, file.filename), file.metadataSha256);
    await storage.publishOnce(wheelKey(file.package, file.filename), file.sha256);
    // After the wheel, whose name may turn out to be somebody else's; before anything tells of it.
    if (signer !== undefined) await signFiles(ctx, placement, signer, [file]);
  });
  const fileIds = placedFiles.done.map((file) => file.id);
  if (fileIds.length > 0) {
    await askUntilDone(ctx, database, "markPlaced", { fileIds, logTokens: [] });
    ctx.log.info({ files: placedFiles.done.map(wheelName) }, "published");
  }
  if (placedFiles.taken.length > 0) {
    const taken = placedFiles.taken.map((file) => file.id);
    await askUntilDone(ctx, database, "yieldNames", { fileIds: taken });
    ctx.log.warn(
      { files: placedFiles.taken.map(wheelName) },
      "other files of these names are published, which the database does not know: building anew under a build tag",
    );
  }
  const placedLogs = await placeEach(ctx, logs, logName, (log) =>
    storage.publishCompressed(logKey(log.token), log.sha256),
  );
  const logTokens = placedLogs.done.map((log) => log.token);
  if (logTokens.length > 0)
    await askUntilDone(ctx, database, "markPlaced", { fileIds: [], logTokens });

  const full = placedFiles.full ?? placedLogs.full;
  if (full !== undefined) {
    ctx.degraded("the output disk is full");
    throw new Refusal(`the output disk is full: make room for ${full}`, { code: "full" });
  }
  const isNothingLeft = token === null && files.length + logs.length === 0;
  if (isNothingLeft || fileIds.length + logTokens.length > 0) ctx.healthy();
  const missing = placedFiles.missing ?? placedLogs.missing;
  if (token !== null && missing !== undefined)
    throw new Refusal(`the blob of ${missing} is gone`, { code: "missing" });
}

const wheelName = (file: UnplacedFile): string => file.filename;
const logName = (log: UnplacedLog): string => logKey(log.token);

interface Placed<T> {
  readonly done: readonly T[];
  /** What found no room; nothing was tried after it. */
  readonly full: string | undefined;
  /** The first whose blob is not there. */
  readonly missing: string | undefined;
  /** Something else stands under their names, for ever. */
  readonly taken: readonly T[];
}

/**
 * A full disk is the master's trouble and goes by. Anything else concerns this one thing: it stays
 * unplaced, shown in the report and the log, and the others go on.
 */
async function placeEach<T>(
  ctx: PlacementContext,
  things: readonly T[],
  nameOf: (thing: T) => string,
  work: (thing: T) => Promise<void>,
): Promise<Placed<T>> {
  const done: T[] = [];
  const taken: T[] = [];
  let missing: string | undefined;
  for (const thing of things) {
    try {
      await work(thing);
      done.push(thing);
    } catch (error) {
      const code = error instanceof StorageError ? error.code : undefined;
      if (code === "full") return { done, full: nameOf(thing), missing, taken };
      if (code === "exists") {
        taken.push(thing);
        continue;
      }
      if (code === "missing") missing ??= nameOf(thing);
      ctx.log.error({ err: error, file: nameOf(thing) }, "what is settled could not be placed");
    }
  }
  return { done, full: undefined, missing, taken };
}

/** Takes away the public names of what upstream withdrew. */
export async function removeWithdrawn(
  ctx: PlacementContext,
  { database, storage }: Placement,
): Promise<void> {
  const files = await askUntilDone(ctx, database, "withdrawnFiles", { limit: BATCH });
  if (files.length === 0) return;
  for (const file of files) {
    await storage.remove(wheelKey(file.package, file.filename));
    await storage.remove(metadataKey(file.package, file.filename));
    await storage.remove(provenanceKey(file.package, file.filename));
  }
  await askUntilDone(ctx, database, "markRemoved", { fileIds: files.map((file) => file.id) });
}

/** Removes the staging of builds that nobody holds, and blobs that nothing refers to, after `graceMs`. */
export async function sweepLeftovers(
  ctx: PlacementContext,
  { database, storage }: Placement,
  graceMs: number,
): Promise<void> {
  const staged = (await storage.listStaging()).filter((build) => build.idleMs > graceMs);
  if (staged.length > 0) {
    const tokens = staged.map((build) => build.token);
    const open = new Set(await askUntilDone(ctx, database, "openTokens", { tokens }));
    for (const token of tokens) if (!open.has(token)) await storage.clearStaging(token);
  }
  await storage.sweepBlobs(
    async (sha256s) =>
      new Set(await askUntilDone(ctx, database, "referencedBlobs", { sha256s: [...sha256s] })),
    graceMs,
  );
}
