/** Loads the list of names beside the page, so that typing never waits for it, and answers what is asked. */
import { canonicalQuery, NameIndex } from "./name-index.js";

const LIMIT = 50;

const loaded = (async () => {
  const answer = await fetch("/packages.json", { cache: "no-cache" });
  if (!answer.ok) throw new Error(`the list of names could not be loaded (${answer.status})`);
  return new NameIndex(await answer.json());
})();

addEventListener("message", async ({ data }) => {
  /** @type {{ number: number, query: string }} */
  const { number, query } = data;
  try {
    const index = await loaded;
    const canonical = canonicalQuery(query);
    postMessage({ number, query: canonical, size: index.size, ...index.search(canonical, LIMIT) });
  } catch (error) {
    postMessage({ number, failure: error instanceof Error ? error.message : String(error) });
  }
});
