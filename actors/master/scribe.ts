/**
 * The Scribe: writes the site from what the database says, several pages at a time. A page is replaced whole;
 * one whose subject is gone is taken away. It decides nothing about when: that is the Secretary's. What concerns
 * the whole farm takes longer, so it is written beside the pages of packages.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import type { ToScribe, Writing } from "../../protocol/links/tasks/scribe.ts";
import type { PageKind, PageRequest } from "../../protocol/model/page.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import type { Site } from "../../web/pages/site.ts";
import { type Storage, StorageError } from "../../web/storage.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { PageMeters } from "./metrics/meters.ts";
import { openSite } from "./site/opening.ts";
import type { Desk } from "./site/writer.ts";
import { pageWriters, stretchesOf, TOGETHER } from "./site/writers.ts";

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
/** Stretches of pages that are written at once: one waits for the database or the disk, while one is rendered. */
const WIDTH = 2;

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
  // The next master writes these pages too: it begins when this one has let go of the database, which comes after this.
  stop: ({ args }) => args.storage.pagesSettled(),
});

/** Each of these takes its time. */
const isOfFarm = ({ kind }: PageRequest): boolean => kind !== "simple" && kind !== "project";

async function writeAll(
  desk: Desk,
  pages: readonly PageRequest[],
  meters: PageMeters,
  ctx: ActorContext<ScribeMessages>,
): Promise<Writing> {
  const written: PageRequest[] = [];
  const failed: { page: PageRequest; reason: string }[] = [];
  const disk: { full: string | null } = { full: null };
  const isOver = (): boolean => ctx.signal.aborted || disk.full !== null;
  const write = async (some: readonly PageRequest[]): Promise<void> => {
    const [page] = some;
    if (page === undefined || isOver()) return;
    try {
      await pageWriters[page.kind](
        desk,
        some.map(({ key }) => key),
      );
      written.push(...some);
      meters.ended(page.kind, "written", some.length);
    } catch (error) {
      if (isOver()) return;
      // Which of them it was shows when each is tried; those that are in place by now are not written again.
      if (some.length > 1) {
        for (const one of some) await write([one]);
        return;
      }
      if (error instanceof StorageError && error.code === "full") {
        disk.full = error.message;
        return;
      }
      ctx.log.warn({ err: error, page: `${page.kind} ${page.key}` }, "page could not be written");
      failed.push({ page, reason: reasonOf(error) });
      meters.ended(page.kind, "failed", 1);
    }
  };
  for (const kind of pageKinds)
    await inParallel(
      stretchesOf(
        pages.filter((page) => page.kind === kind),
        TOGETHER[kind],
      ),
      write,
    );
  return { written, failed, full: disk.full };
}

/** In the order in which they are written: new files are to be found at once, and what follows from them later. */
const pageKinds = ["simple", "root", "project", "home", "search"] as const satisfies PageKind[];

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ").slice(0, 500);

async function inParallel<T>(left: Iterator<T> & Iterable<T>, work: (item: T) => Promise<void>) {
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
