/**
 * The Scribe: writes the site, a page at a time, from what the database says. A page is replaced whole;
 * one whose subject is gone is taken away. It decides nothing about when: that is the Secretary's.
 */
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import type { ToScribe } from "../../protocol/links/tasks/scribe.ts";
import type { PageRequest } from "../../protocol/model/page.ts";
import { type ActorRef, defineActor } from "../../supervisor/index.ts";
import { siteAssets } from "../../web/assets.ts";
import { RootIndex } from "../../web/index/root-index.ts";
import { renderLogPage } from "../../web/pages/log-page.ts";
import { renderNotFoundPage } from "../../web/pages/not-found-page.ts";
import type { Site } from "../../web/pages/site.ts";
import { LOG_PAGE_KEY, NOT_FOUND_PAGE_KEY } from "../../web/public-key.ts";
import type { Storage } from "../../web/storage.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
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
}

interface State {
  readonly args: ScribeArgs;
  readonly root: RootIndex;
  publicUrl: string | undefined;
}

const SITE_NAME = "Wheelwright";

export const scribe = defineActor<ScribeMessages, ScribeArgs, State>({
  name: "writes the site",
  pause: "park",
  handlerTimeoutMs: 0,
  async init(ctx, args) {
    const { storage } = args;
    for (const asset of siteAssets) await storage.replace(asset.key, asset.contents);
    await storage.replace(NOT_FOUND_PAGE_KEY, renderNotFoundPage({ name: SITE_NAME }));
    await storage.replace(LOG_PAGE_KEY, renderLogPage({ name: SITE_NAME, url: "" }));
    // A site that has nothing yet has a root, a home page and a search list all the same.
    ctx.run(async () => {
      const pages = [
        { kind: "root" as const, key: "" },
        { kind: "home" as const, key: "" },
        { kind: "search" as const, key: "" },
      ];
      await askUntilDone(ctx, args.database, "requestPage", { pages });
    });
    return { args, root: new RootIndex(storage), publicUrl: args.publicUrl };
  },
  handle: {
    async WRITE(state, { pages }, ctx) {
      const { database, storage } = state.args;
      const site = await siteOf(state);
      const desk: Desk = {
        ask: (name, args) => askUntilDone(ctx, database, name, args),
        storage,
        site,
        root: state.root,
      };
      const written: PageRequest[] = [];
      try {
        await leaveRoot(desk, pages);
      } catch (error) {
        // Each of them sees to it by itself, and does not go before.
        ctx.log.warn({ err: error }, "the root page could not be written");
      }
      for (const page of pages) {
        if (ctx.signal.aborted) break;
        try {
          await pageWriters[page.kind](desk, page.key);
          written.push(page);
          ctx.healthy();
        } catch (error) {
          ctx.log.warn(
            { err: error, page: `${page.kind} ${page.key}` },
            "page could not be written",
          );
          ctx.degraded(`${page.kind} ${page.key}: ${String(error)}`);
        }
      }
      return written;
    },
  },
});

async function siteOf(state: State): Promise<Site> {
  if (state.publicUrl === undefined) {
    try {
      const { url } = await state.args.http.ask("ADDRESS", undefined, { timeoutMs: 1_000 });
      state.publicUrl = url ?? undefined;
    } catch {
      // The server starts last; until then the pages name the host that they are read from.
    }
  }
  return { name: SITE_NAME, url: state.publicUrl ?? "http://localhost/" };
}
