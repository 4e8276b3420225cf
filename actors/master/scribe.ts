/**
 * The Scribe: writes the site, a page at a time, from what the database says. A page is replaced whole;
 * one whose subject is gone is taken away. It decides nothing about when: that is the Secretary's.
 */
import { allSimpleNames } from "../../db/views.ts";
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import type { ToScribe } from "../../protocol/links/tasks/scribe.ts";
import type { PageRequest } from "../../protocol/model/page.ts";
import { type ActorContext, type ActorRef, defineActor } from "../../supervisor/index.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { renderSimpleRoot, type SimpleRendering } from "../../web/index/simple-root.ts";
import { renderHomePage } from "../../web/pages/home-page.ts";
import { siteAssets } from "../../web/pages/layout.ts";
import { renderNotFoundPage } from "../../web/pages/not-found-page.ts";
import { renderProjectPage } from "../../web/pages/project-page.ts";
import type { Site } from "../../web/pages/site.ts";
import {
  HOME_PAGE_KEY,
  NOT_FOUND_PAGE_KEY,
  projectPageKey,
  SEARCH_LIST_KEY,
  simplePageKeys,
} from "../../web/public-key.ts";
import type { Storage } from "../../web/storage.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";

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
  publicUrl: string | undefined;
}

type Context = ActorContext<ScribeMessages>;

const SITE_NAME = "Wheelwright";

export const scribe = defineActor<ScribeMessages, ScribeArgs, State>({
  name: "writes the site",
  pause: "park",
  handlerTimeoutMs: 0,
  async init(ctx, args) {
    const { storage } = args;
    for (const asset of siteAssets) await storage.replace(asset.key, asset.contents);
    await storage.replace(NOT_FOUND_PAGE_KEY, renderNotFoundPage({ name: SITE_NAME }));
    // A site that has nothing yet has a root, a home page and a search list all the same.
    ctx.run(async () => {
      const pages = [
        { kind: "root" as const, key: "" },
        { kind: "home" as const, key: "" },
        { kind: "search" as const, key: "" },
      ];
      await askUntilDone(ctx, args.database, "requestPage", { pages });
    });
    return { args, publicUrl: args.publicUrl };
  },
  handle: {
    async WRITE(state, { pages }, ctx) {
      const site = await siteOf(state);
      const written: PageRequest[] = [];
      for (const page of pages) {
        if (ctx.signal.aborted) break;
        try {
          await write(state, ctx, site, page);
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

async function write(state: State, ctx: Context, site: Site, page: PageRequest): Promise<void> {
  const { database, storage } = state.args;
  switch (page.kind) {
    case "simple": {
      const view = await askUntilDone(ctx, database, "simplePage", { name: page.key });
      const keys = simplePageKeys(page.key);
      if (view === null) {
        await storage.remove(keys.html);
        await storage.remove(keys.json);
      } else {
        await replaceBoth(storage, keys, renderSimpleProject(view));
      }
      return;
    }
    case "root": {
      const names = await allSimpleNames((args) =>
        askUntilDone(ctx, database, "simpleNames", args),
      );
      await replaceBoth(storage, simplePageKeys(), renderSimpleRoot(names));
      return;
    }
    case "project": {
      const view = await askUntilDone(ctx, database, "projectPage", { name: page.key });
      if (view === null) await storage.remove(projectPageKey(page.key));
      else await storage.replace(projectPageKey(page.key), renderProjectPage(view, site));
      return;
    }
    case "home": {
      const view = await askUntilDone(ctx, database, "homePage", null);
      await storage.replace(HOME_PAGE_KEY, renderHomePage(view, site));
      return;
    }
    case "search": {
      const list = await askUntilDone(ctx, database, "searchList", null);
      await storage.replace(SEARCH_LIST_KEY, JSON.stringify(list));
      return;
    }
  }
}

async function replaceBoth(
  storage: Storage,
  keys: { readonly html: string; readonly json: string },
  rendering: SimpleRendering,
): Promise<void> {
  await storage.replace(keys.html, rendering.html);
  await storage.replace(keys.json, rendering.json);
}

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
