/** What a public file is to a client: its media type and how long it may be kept, from its key. */
import { SIMPLE_JSON } from "../public-key.ts";

const types: Readonly<Record<string, string>> = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  json: "application/json",
  txt: "text/plain; charset=utf-8",
  metadata: "text/plain; charset=utf-8",
  xml: "application/xml",
  svg: "image/svg+xml",
  png: "image/png",
  ico: "image/x-icon",
};

export function contentTypeOf(key: string): string {
  if (key.endsWith(`/${SIMPLE_JSON}`)) return "application/vnd.pypi.simple.v1+json";
  const extension = /\.([a-z]+)$/.exec(key)?.[1] ?? "";
  return Object.hasOwn(types, extension)
    ? (types[extension] ?? "application/octet-stream")
    : "application/octet-stream";
}

/** Pages change; a published file never does, nor the log of a build that has ended, nor what has a hash in its name. */
export function cacheControlOf(key: string): string {
  const isPage =
    !/^((simple\/[^/]+|logs\/.+)\/(?!index\.)[^/]+|assets\/[a-z-]+\.[0-9a-f]{12}\.[a-z]+)$/.test(
      key,
    );
  return isPage ? "public, max-age=600" : "public, max-age=31536000, immutable";
}
