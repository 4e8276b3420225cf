/**
 * Where a request's URL leads: a pure function of its text, so that every hostile spelling is a row
 * of a table. Only plain keys come out of it; nothing here looks at the disk.
 */
import { canonicalName, isValidName } from "../../protocol/packaging/canonical-name.ts";
import {
  isPublicKey,
  PACKAGES_PAGE_KEY,
  SIMPLE_HTML,
  SIMPLE_JSON,
  simplePageKeys,
  urlPathOf,
} from "../public-key.ts";
import { variantOwner } from "../storage.ts";

export type Destination =
  /** A simple page, in the rendering that the client takes. */
  | { readonly kind: "simple"; readonly html: string; readonly json: string }
  /** A log, which lies compressed. */
  | { readonly kind: "log"; readonly key: string }
  /** Anything else; with nothing there, it may be a folder that was asked for without its slash. */
  | { readonly kind: "file"; readonly key: string }
  | { readonly kind: "redirect"; readonly location: string }
  | { readonly kind: "nothing" };

const nothing: Destination = { kind: "nothing" };

/** @param target the request target as it came: path and query, percent-encoded */
export function destinationOf(target: string): Destination {
  // A client may name the whole URL, as it does to a proxy (RFC 9112, 3.2.2).
  const [path = "", ...queries] = target.replace(/^https?:\/\/[^/?]*/i, "").split("?");
  const query = queries.length === 0 ? "" : `?${queries.join("?")}`;
  const segments = findSegments(path);
  if (segments === undefined) return nothing;
  const isFolder = path.endsWith("/");
  const [room, name] = segments;
  const toFolder = (key: string): Destination => ({
    kind: "redirect",
    location: `${urlPathOf(key)}/${query}`,
  });

  if (room === undefined) return { kind: "file", key: "index.html" };
  if (room === "simple" && name === undefined) {
    return isFolder ? { kind: "simple", ...simplePageKeys() } : toFolder(room);
  }
  // Addresses of piwheels, which people have in their bookmarks.
  if (room === "project" && name === undefined) {
    return { kind: "redirect", location: urlPathOf(PACKAGES_PAGE_KEY) };
  }
  if (room === "p" && name !== undefined && segments.length === 2 && isValidName(name)) {
    return toFolder(`project/${canonicalName(name)}`);
  }
  const isRootRendering =
    segments.length === 2 && !isFolder && (name === SIMPLE_HTML || name === SIMPLE_JSON);
  if ((room === "simple" || room === "project") && name !== undefined && !isRootRendering) {
    if (!isValidName(name)) return nothing;
    const project = canonicalName(name);
    const rest = segments.slice(2);
    const key = [room, project, ...rest].join("/");
    if (rest.length === 0) {
      if (project !== name || !isFolder) return toFolder(key);
      if (room === "simple") return { kind: "simple", ...simplePageKeys(project) };
    } else if (project !== name) {
      const slash = isFolder ? "/" : "";
      return { kind: "redirect", location: `${urlPathOf(key)}${slash}${query}` };
    }
  }
  const key = segments.join("/");
  if (room === "project" && segments.length === 3 && segments[2] === "json") {
    return isFolder ? { kind: "file", key: `${key}/index.json` } : toFolder(key);
  }
  if (room === "logs" && key.endsWith(".gz")) return { kind: "log", key };
  // A compressed copy is a page's other form, with no URL of its own.
  if (variantOwner(key) !== undefined) return nothing;
  return { kind: "file", key: isFolder ? `${key}/index.html` : key };
}

/** The decoded segments, none for the root; undefined unless together they are a public key. */
function findSegments(path: string): string[] | undefined {
  if (!path.startsWith("/")) return undefined;
  const inner = path.slice(1).replace(/\/$/, "");
  if (inner === "") return path === "/" ? [] : undefined;
  try {
    const segments = inner.split("/").map(decodeURIComponent);
    const isPlain = segments.every((segment) => isPublicKey(segment) && !segment.includes("/"));
    return isPlain && isPublicKey(segments.join("/")) ? segments : undefined;
  } catch {
    return undefined;
  }
}
