/**
 * The walk of an import from the wheels that a tool has to the index: the import desk calls it once for each.
 * The files go the way of a slave's: pulled, verified, settled, placed, by the same hands. Each step may be
 * done again, to the same end; all of the wheels become public or none.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToSecretary } from "../../protocol/links/tasks/secretary.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import type { ImportOrder, ImportOutcome } from "../../protocol/links/wheel-import.ts";
import type { Token } from "../../protocol/model/build.ts";
import type { Delivery } from "../../protocol/model/delivery.ts";
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import {
  canonicalVersion,
  compareVersions,
  isPrerelease,
  versionSortKey,
} from "../../protocol/packaging/version.ts";
import { parseWheelFilename, type WheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import { type ActorRef, type Logger, Refusal } from "../../supervisor/index.ts";
import { again, RETRY_MS } from "./again.ts";
import { type Asker, askUntilDone, type DatabaseRef } from "./database.ts";

export interface ImportMeans {
  readonly database: DatabaseRef;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly secretary: ActorRef<ToSecretary>;
  readonly status: ActorRef<ToStatus>;
  readonly productVersion: string;
}

export interface ImportInHand {
  readonly key: string;
  readonly order: ImportOrder;
  /** Whether a tool that has the wheels is still connected. */
  isBrought(): boolean;
  /** From now on the tool may be asked for the files under this token. */
  opened(token: Token): void;
}

interface Context extends Asker {
  readonly log: Logger;
}

/** An import as its names say what it is, all of them the same. */
interface Subject {
  readonly package: string;
  readonly displayName: string;
  readonly version: string;
  readonly sortKey: string;
  readonly isPrerelease: boolean;
  readonly files: ReadonlyArray<{
    readonly filename: string;
    readonly sha256: string;
    readonly tags: string[];
  }>;
}

const refused = (reason: string): ImportOutcome => ({ state: "refused", reason });

const no = (reason: string): Refusal => new Refusal(reason, { code: "refused" });

/** @throws AskError `aborted` when the import desk ends */
export async function walkImport(
  ctx: Context,
  means: ImportMeans,
  hand: ImportInHand,
): Promise<ImportOutcome> {
  const outcome = await walk(ctx, means, hand).catch((error: unknown) => {
    if (error instanceof Refusal) return refused(error.message);
    throw error;
  });
  const { package: name, version, host } = hand.order;
  ctx.log.info({ package: name, version, host, outcome }, "import ended");
  return outcome;
}

async function walk(ctx: Context, means: ImportMeans, hand: ImportInHand): Promise<ImportOutcome> {
  const { database, fileJuggler } = means;
  const subject = subjectOf(hand.order);
  const { delivery, refusal } = await askUntilDone(ctx, database, "openImport", {
    key: hand.key,
    package: subject.package,
    version: subject.version,
    sortKey: subject.sortKey,
    target: hand.order.target,
    files: subject.files,
    productVersion: means.productVersion,
    host: hand.order.host,
  });
  if (refusal !== null) return refused(refusal);
  if (delivery !== null) {
    hand.opened(delivery.token);
    if (!delivery.isSettled) {
      const reason = await settle(ctx, means, hand, subject, delivery).catch(reasonOf);
      if (reason !== null) {
        fileJuggler.tell("CLEAR", { token: delivery.token });
        return refused(reason);
      }
    }
    await place(ctx, means, hand, delivery);
  }
  return told(ctx, means, subject, delivery?.token ?? null);
}

function reasonOf(error: unknown): string {
  if (error instanceof Refusal) return error.message;
  throw error;
}

/** @throws Refusal for wheels that are not all of the one release that the order names */
function subjectOf(order: ImportOrder): Subject {
  const version = canonicalVersion(order.version);
  const name = canonicalName(order.package);
  if (!isValidName(order.package)) throw no(`${order.package} is no project's name`);
  if (version === undefined) throw no(`${order.version} is no version (PEP 440)`);
  const wheels = order.files.map(({ filename, sha256 }) => {
    const wheel = parseWheelFilename(filename);
    if (wheel === undefined)
      throw no(
        `${filename} is no wheel file name: it must be name-version(-build)-python-abi-platform.whl`,
      );
    if (wheel.name !== name) throw no(`${filename} is a wheel of ${wheel.name}, not of ${name}`);
    if (compareVersions(wheel.version, version) !== 0)
      throw no(`${filename} is version ${wheel.version}, not ${version}`);
    return { wheel, sha256 };
  });
  return {
    package: name,
    displayName: displayName(wheels.map(({ wheel }) => wheel)) ?? name,
    version,
    sortKey: versionSortKey(version),
    isPrerelease: isPrerelease(version),
    files: wheels.map(({ wheel, sha256 }) => ({
      filename: wheel.filename,
      sha256,
      tags: [...wheel.tags],
    })),
  };
}

/** A file name escapes hyphens as underscores, so it is a poor spelling where it has any. */
const displayName = (wheels: readonly WheelFilename[]): string | undefined =>
  wheels.map((wheel) => wheel.nameAsWritten).find((name) => !name.includes("_"));

/** Pulls, verifies and settles. Null when it is settled, else why it is not. */
async function settle(
  ctx: Context,
  means: ImportMeans,
  hand: ImportInHand,
  subject: Subject,
  delivery: Delivery,
): Promise<string | null> {
  const { order } = hand;
  const collected = await again(
    ctx,
    whileBrought(ctx, hand, "its files could not be collected"),
    () =>
      means.fileJuggler.ask(
        "COLLECT",
        { delivery, files: order.files, log: order.log },
        { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal },
      ),
  );
  if (collected.refusal !== null) return collected.refusal.message;
  const settled = await askUntilDone(ctx, means.database, "settleImport", {
    token: delivery.token,
    slaveId: delivery.slaveId,
    package: subject.package,
    displayName: subject.displayName,
    version: subject.version,
    sortKey: subject.sortKey,
    isPrerelease: subject.isPrerelease,
    target: delivery.target,
    message: `imported from ${order.host}`,
    durationMs: order.durationMs,
    files: collected.files,
    log: collected.log,
  });
  if (settled === null) return `${subject.package} ${subject.version} was skipped meanwhile`;
  means.status.tell("EVENT", {
    kind: "build-ended",
    token: delivery.token,
    package: settled.package,
    version: settled.version,
    target: settled.target,
    slave: order.host,
    slaveId: delivery.slaveId,
    endedAt: settled.endedAt,
    cause: "built",
    message: settled.outcome === "published" ? `imported from ${order.host}` : settled.outcome,
    durationMs: order.durationMs,
    files: [...settled.published],
  });
  return null;
}

async function place(
  ctx: Context,
  { fileJuggler, secretary }: ImportMeans,
  hand: ImportInHand,
  delivery: Delivery,
): Promise<void> {
  const { token } = delivery;
  const { files, log } = hand.order;
  const options = { timeoutMs: Number.POSITIVE_INFINITY, signal: ctx.signal };
  await again(ctx, whileBrought(ctx, hand, "its files could not be placed"), async () => {
    try {
      await fileJuggler.ask("PLACE", { token }, { timeoutMs: 120_000, signal: ctx.signal });
    } catch (error) {
      // A blob that was swept before the import was settled: the tool still has the file.
      if (error instanceof Refusal && error.code === "missing")
        await fileJuggler.ask("COLLECT", { delivery, files, log }, options);
      throw error;
    }
  });
  secretary.tell("HURRY");
  fileJuggler.tell("CLEAR", { token });
}

async function told(
  ctx: Context,
  { database }: ImportMeans,
  { files }: Subject,
  token: Token | null,
): Promise<ImportOutcome> {
  const question = files.map(({ filename, sha256 }) => ({ filename, sha256 }));
  for (;;) {
    const states = await askUntilDone(ctx, database, "importedFiles", { token, files: question });
    const done: {
      filename: string;
      state: "published" | "present" | "superseded" | "withdrawn";
    }[] = [];
    for (const { filename, state } of states) {
      if (state === "absent") return refused(`${filename} has gone meanwhile: import it again`);
      if (state !== "unplaced") done.push({ filename, state });
    }
    if (done.length === states.length) return { state: "done", files: done };
    // Another build has the same file and is just being placed.
    await delay(RETRY_MS, undefined, { signal: ctx.signal });
  }
}

/** For as long as somebody brings the files. */
const whileBrought = (ctx: Context, hand: ImportInHand, what: string) => ({
  what,
  about: { import: hand.key },
  signal: ctx.signal,
  onFailure: () => {
    if (!hand.isBrought()) throw no(`${what}, and nobody brings them any more`);
  },
});
