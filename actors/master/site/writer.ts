/** What a writer of pages is given by the Scribe. Each kind of page has a writer: `writers.ts` lists them. */
import type { RequestArgs, RequestName, RequestResult } from "../../../db/requests.ts";
import type { RootIndex } from "../../../web/index/root-index.ts";
import type { Site } from "../../../web/pages/site.ts";
import type { Storage } from "../../../web/storage.ts";

export interface Desk {
  /** Asks the database until it answers. */
  readonly ask: <N extends RequestName>(name: N, args: RequestArgs<N>) => Promise<RequestResult<N>>;
  readonly storage: Storage;
  readonly site: Site;
  /** The root of the package index. */
  readonly root: RootIndex;
}

/**
 * Puts the pages of these keys in their places, or takes them away where their subject is gone. Repeatable. Where it
 * fails nobody knows which of them was the reason: each is tried by itself then.
 */
export type PageWriter = (desk: Desk, keys: readonly string[]) => Promise<void>;
