/**
 * Where upstream shows a project to people, told from the address of its Simple API: an index with a changelog has
 * pages at `/project/NAME/`, any other one at least the list of files of its Simple API. Used by views-project.ts.
 */

/** Ends in a slash, a name goes after it; null where nothing is followed. Never holds the credentials of the address. */
export function upstreamPagesOf(index: string | null, hasChangelog: boolean): string | null {
  if (index === null || !URL.canParse(index)) return null;
  const url = new URL(index.endsWith("/") ? index : `${index}/`);
  if (url.protocol !== "https:" && url.protocol !== "http:") return null;
  url.username = "";
  url.password = "";
  url.search = "";
  url.hash = "";
  return hasChangelog ? new URL("../project/", url).href : url.href;
}
