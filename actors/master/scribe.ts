/**
 * The Scribe: writes the site from what the database says, several pages at a time. A page is replaced whole;
 * one whose subject is gone is taken away. It decides nothing about when: that is the Secretary's. What concerns
 * the whole farm takes longer, so it is written beside the pages of packages.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import type { ToScribe, Writing } from "../../protocol/links/tasks/scribe.ts";
import type { PageRequest } from "../../protocol/model/page.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import type { Site } from "../../web/pages/site.ts";
import { type Storage, StorageError } from "../../web/storage.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { PageMeters } from "./metrics/meters.ts";
import { openSite } from "./site/opening.ts";
import { leaveRoot } from "./site/simple-pages.ts";
import type { Desk } from "./site/writer.ts";
import { pageWriters } from "./site/writers.ts";

export type ScribeMessages = ToScribe;

export interface ScribeArgs {
  readonly database: DatabaseRef;
  readonly storage: Storage;
  readonly http: ActorRef<ToHttp>;
  /** Where the site is for its users; undefined: where the built-in server listens. */
  readonly publicUrl: string | undefined;
  /** Of the product: another one may write other pages. */
  readonly version: string;
  readonly meters: PageMeters;
}

interface State {
  readonly args: ScribeArgs;
  readonly root: RootIndex;
  publicUrl: string | undefined;
  readonly startedAt: number;
}

const SITE_NAME = "Wheelwright";
/** Pages in hand at once: some wait for the database and some for the disk, while one is rendered. */
const WIDTH = 8;

export const scribe = defineActor<ScribeMessages, ScribeArgs, State>({
  name: "writes the site",
  pause: "park",
  handlerTimeoutMs: 0,
  init(ctx, args) {
    const root = new RootIndex(args.storage);
    ctx.run(() => openSite(ctx, { ...args, root, name: SITE_NAME }));
    return {
      args,
      root,
      publicUrl: args.publicUrl,
      startedAt: performance.now(),
    };
  },
  handle: {
    async WRITE(state, { pages }, ctx) {
      const { database, storage, meters } = state.args;
      const desk: Desk = {
        ask: (name, args) => askUntilDone(ctx, database, name, args),
        storage,
        site: await siteOf(state, ctx.signal),
        root: state.root,
      };
      if (!pages.every(isOfFarm)) return writeAll(desk, pages, meters, ctx);
      const answer = ctx.defer<Writing>();
      ctx.run(async () => answer.resolve(await writeAll(desk, pages, meters, ctx)));
      return answer;
    },
  },
});

const isOfFarm = ({ kind }: PageRequest): boolean => kind === "home" || kind === "search";

async function writeAll(
  desk: Desk,
  pages: readonly PageRequest[],
  meters: PageMeters,
  ctx: ActorContext<ScribeMessages>,
): Promise<Writing> {
  const written: PageRequest[] = [];
  const failed: { page: PageRequest; reason: string }[] = [];
  const disk: { full: string | null } = { full: null };
  const isOver = (): boolean => ctx.signal.aborted;
  const write = async (page: PageRequest): Promise<void> => {
    if (isOver() || disk.full !== null) return;
    try {
      await pageWriters[page.kind](desk, page.key);
      written.push(page);
      meters.ended(page.kind, "written");
    } catch (error) {
      if (isOver()) return;
      if (error instanceof StorageError && error.code === "full") {
        disk.full = error.message;
        return;
      }
      ctx.log.warn({ err: error, page: `${page.kind} ${page.key}` }, "page could not be written");
      failed.push({ page, reason: reasonOf(error) });
      meters.ended(page.kind, "failed");
    }
  };
  try {
    await leaveRoot(desk, pages);
  } catch (error) {
    // Each of them sees to it by itself, and does not go before.
    ctx.log.warn({ err: error }, "the root page could not be written");
  }
  const isSimple = ({ kind }: PageRequest): boolean => kind === "simple";
  await inParallel(pages.filter(isSimple), write);
  await inParallel(
    pages.filter((page) => !isSimple(page)),
    write,
  );
  return { written, failed, full: disk.full };
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 500);

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = items.values();
  await Promise.all(
    Array.from({ length: WIDTH }, async () => {
      for (const item of left) await work(item);
    }),
  );
}

/** So long after the start pages wait for the server, which starts last, to say where it is. */
const ADDRESS_WITHIN_MS = 10_000;

async function siteOf(state: State, signal: AbortSignal): Promise<Site> {
  while (state.publicUrl === undefined) {
    try {
      const { url } = await state.args.http.ask("ADDRESS", undefined, { timeoutMs: 1_000, signal });
      state.publicUrl = url ?? undefined;
      break;
    } catch {
      // Without an address pages name this machine: better late than that.
      if (signal.aborted || performance.now() - state.startedAt > ADDRESS_WITHIN_MS) break;
      await delay(100, undefined, { signal }).catch(() => undefined);
    }
  }
  return { name: SITE_NAME, url: state.publicUrl ?? "http://localhost/" };
}
