/**
 * What a request for something to read is answered with: from its URL to a page in the form that the client takes, a
 * file, a redirect or nothing. Called by the server's routes; knows no framework.
 */
import { negotiateSimple, type SimpleMediaType, simpleMediaTypes } from "../index/accept.ts";
import { NOT_FOUND_PAGE_KEY, urlPathOf } from "../public-key.ts";
import type { ContentCoding } from "../storage.ts";
import { codingsTaken } from "./accept-encoding.ts";
import { hasTurn } from "./connections.ts";
import { cacheControlOf, contentTypeOf } from "./content-type.ts";
import { type Destination, destinationOf } from "./destination.ts";
import type { Exchange } from "./exchange.ts";
import { Memo } from "./memo.ts";
import type { Representation, Representations } from "./representations.ts";
import { sendRepresentation, sendUnpacked } from "./send.ts";
import { upstreamPage } from "./upstream-page.ts";

const simpleType = new Memo((accept) => ({ type: negotiateSimple(accept, undefined) }), {
  maxEntries: 200,
  maxChars: 300,
});
const codings = new Memo(codingsTaken, { maxEntries: 200, maxChars: 200 });
const destinations = new Memo(destinationOf, { maxEntries: 4_000, maxChars: 200 });

/**
 * @param upstreamSimpleUrl where projects are that have no page here; undefined: nowhere
 * @throws StorageError, or what is wrong with a file; the answer may have begun
 */
export async function answer(
  exchange: Exchange,
  pages: Representations,
  upstreamSimpleUrl: string | undefined,
): Promise<void> {
  // Before anything is opened.
  if (!(await hasTurn(exchange.socket, exchange.response))) return;
  const destination = destinations.get(exchange.target);
  switch (destination.kind) {
    case "nothing":
      return sendNothing(exchange, pages);
    case "redirect":
      return exchange.redirect(destination.location);
    case "simple":
      return answerSimple(exchange, pages, destination, upstreamSimpleUrl);
    case "log":
      return answerLog(exchange, pages, destination.key);
    case "file":
      return answerFile(exchange, pages, destination.key);
  }
}

async function answerSimple(
  exchange: Exchange,
  pages: Representations,
  page: Extract<Destination, { kind: "simple" }>,
  upstreamSimpleUrl: string | undefined,
): Promise<void> {
  const vary = "Accept, Accept-Encoding";
  const type = simpleTypeFor(exchange);
  if (type === undefined) {
    const text = `What there is:\n${simpleMediaTypes.join("\n")}`;
    return exchange.sendText(406, text, ["cache-control", "no-cache", "vary", vary]);
  }
  const key = type.endsWith("+json") ? page.json : page.html;
  const found = await pages.findPage(key, codingsOf(exchange));
  if (found === undefined) {
    const elsewhere = upstreamPage(upstreamSimpleUrl, page);
    if (elsewhere === undefined) return sendNothing(exchange, pages);
    return exchange.redirectForNow(elsewhere);
  }
  const contentType = type === "text/html" ? "text/html; charset=utf-8" : type;
  return sendRepresentation(exchange, found, {
    contentType,
    cacheControl: cacheControlOf(key),
    vary,
  });
}

function simpleTypeFor(exchange: Exchange): SimpleMediaType | undefined {
  const accept = exchange.header("accept");
  if (!exchange.target.includes("?")) return simpleType.get(accept ?? "").type;
  const query = exchange.target.slice(exchange.target.indexOf("?"));
  const format = new URLSearchParams(query).get("format") ?? undefined;
  return negotiateSimple(accept, format);
}

async function answerLog(exchange: Exchange, pages: Representations, key: string): Promise<void> {
  const found = await pages.findFile(key);
  if (found === undefined) return sendNothing(exchange, pages);
  const { body } = found;
  const about = {
    contentType: "text/plain; charset=utf-8",
    cacheControl: cacheControlOf(key),
    vary: "Accept-Encoding",
  };
  if (Buffer.isBuffer(body)) throw new Error("a log comes as a file");
  if (!codingsOf(exchange).includes("gzip")) {
    return sendUnpacked(exchange, { ...found, body }, about);
  }
  const etag = found.etag.replace(/"$/, '-gzip"');
  return sendRepresentation(exchange, { ...found, etag, coding: "gzip" }, about);
}

/** A wheel is what it is: no coding, and not kept in memory. Its metadata and its provenance are pages. */
const isWheel = (key: string): boolean => key.endsWith(".whl");

async function answerFile(exchange: Exchange, pages: Representations, key: string): Promise<void> {
  const contentType = contentTypeOf(key);
  const cacheControl = cacheControlOf(key);
  if (isWheel(key)) {
    const wheel = await pages.findFile(key);
    if (wheel === undefined) return sendNothing(exchange, pages);
    return sendRepresentation(exchange, wheel, { contentType, cacheControl, vary: undefined });
  }
  const found = await pages.findPage(key, codingsOf(exchange));
  if (found !== undefined) {
    const vary = "Accept-Encoding";
    return sendRepresentation(exchange, found, { contentType, cacheControl, vary });
  }
  if (await isFolderWithPage(pages, key)) return exchange.redirect(`${urlPathOf(key)}/`);
  return sendNothing(exchange, pages);
}

/** A folder with a page, asked for without its slash: relative links need the slash. */
async function isFolderWithPage(pages: Representations, key: string): Promise<boolean> {
  const page = await pages.findPage(`${key}/index.html`, []);
  await close(page);
  return page !== undefined;
}

/** In words that suit the asker. What is not there yet may be in a second: nobody is to remember its absence. */
async function sendNothing(exchange: Exchange, pages: Representations): Promise<void> {
  const accept = exchange.header("accept") ?? "";
  const isBrowser = accept.includes("text/html") && !accept.includes("pypi.simple");
  const headers = ["cache-control", "no-cache", "vary", "Accept, Accept-Encoding"];
  const page = isBrowser
    ? await pages.findPage(NOT_FOUND_PAGE_KEY, codingsOf(exchange))
    : undefined;
  if (page === undefined || !Buffer.isBuffer(page.body)) {
    await close(page);
    return exchange.sendText(404, "404: nothing here", headers);
  }
  headers.push("content-type", "text/html; charset=utf-8");
  if (page.coding !== undefined) headers.push("content-encoding", page.coding);
  exchange.begin(404, [...headers, "content-length", String(page.sizeBytes)]);
  exchange.end(page.body);
}

async function close(found: Representation | undefined): Promise<void> {
  if (found !== undefined && !Buffer.isBuffer(found.body)) await found.body.close();
}

const codingsOf = (exchange: Exchange): readonly ContentCoding[] =>
  codings.get(exchange.header("accept-encoding") ?? "");
