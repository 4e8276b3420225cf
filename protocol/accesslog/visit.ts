/**
 * What was asked for: the target of a request as a place of the site. Files lie as `web/public-key.ts` says; a test
 * holds the two together.
 */
import type { AccessKind } from "../model/access.ts";
import { MAX_PATH } from "../model/access.ts";
import { canonicalName, isValidName } from "../packaging/canonical-name.ts";
import { parseWheelFilename } from "../packaging/wheel-filename.ts";

export interface Visit {
  /** `simple`: a project's Simple page; what it counts as depends on who asked. */
  readonly kind: Exclude<AccessKind, "search"> | "simple";
  /** Canonical. */
  readonly package: string | null;
  readonly filename: string | null;
  /** Of a page; without its query. */
  readonly path: string | null;
}

const MAX_TARGET_CHARS = 2_000;

/**
 * Undefined for what is not counted: metadata, logs, style sheets, the list of all projects, what the site does not have.
 * @param target of the request, without the server's escapes: a path or a whole URL, percent-encoded
 */
export function findVisit(target: string): Visit | undefined {
  if (target.length > MAX_TARGET_CHARS) return undefined;
  const path = decode(target.replace(/^https?:\/\/[^/?#]*/i, "").replace(/[?#].*$/s, ""));
  if (path === undefined || !path.startsWith("/")) return undefined;
  const [, room = "", name = "", ...rest] = path.split("/");
  if (room === "simple") {
    const isRoot = name === "" || (rest.length === 0 && isSimpleFile(name));
    return isRoot ? undefined : simpleVisit(name, rest, path);
  }
  if (room === "project") return projectVisit(name, rest, path);
  const isPage = path === "/" || (name === "" && rest.length === 0 && room.endsWith(".html"));
  return isPage ? page("page", null, path) : undefined;
}

const isSimpleFile = (name: string) => name === "index.html" || name === "index.v1+json";

function simpleVisit(name: string, rest: readonly string[], path: string): Visit | undefined {
  const [file = "", ...more] = rest;
  if (!isValidName(name) || more.length > 0) return undefined;
  const project = canonicalName(name);
  if (file === "" || isSimpleFile(file)) return page("simple", project, path);
  const wheel = parseWheelFilename(file);
  if (wheel === undefined || wheel.name !== project) return undefined;
  return { kind: "download", package: project, filename: file, path: null };
}

function projectVisit(name: string, rest: readonly string[], path: string): Visit | undefined {
  if (!isValidName(name)) return undefined;
  const inner = rest.join("/").replace(/(^|\/)index\.(html|json)$/, "");
  if (inner === "") return page("project", canonicalName(name), path);
  if (inner === "json" || inner === "json/") return page("json", canonicalName(name), path);
  return undefined;
}

const page = (kind: Visit["kind"], name: string | null, path: string): Visit | undefined =>
  path.length > MAX_PATH || /\p{C}/u.test(path)
    ? undefined
    : { kind, package: name, filename: null, path };

function decode(path: string): string | undefined {
  if (!path.includes("%")) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
