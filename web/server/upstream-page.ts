/**
 * Where the page of a project is that has none here, for a farm that lists upstream's own files too. Pure; the
 * server asks it before it says that nothing is there.
 */
import { SIMPLE_HTML } from "../public-key.ts";
import type { Destination } from "./destination.ts";

const projectPage = new RegExp(`^simple/([^/]+)/${SIMPLE_HTML.replace(".", "\\.")}$`);

/**
 * Undefined for anything but a project's page.
 * @param simpleUrl the Simple API of the followed index; undefined: nothing is looked for there
 */
export function upstreamPage(
  simpleUrl: string | undefined,
  destination: Destination,
): string | undefined {
  if (simpleUrl === undefined || destination.kind !== "simple") return undefined;
  const project = projectPage.exec(destination.html)?.[1];
  // Who the farm is to upstream is not for everybody.
  const open = new URL(simpleUrl);
  open.username = "";
  open.password = "";
  return project === undefined ? undefined : `${open.href.replace(/\/+$/, "")}/${project}/`;
}
