/**
 * Asks the indexes about a requirement that pip did not find, since an index that answers 503 and an index
 * that knows no such project leave the same log. Called by build.ts, once, after such a failure.
 */
import { request } from "undici";
import { canonicalName } from "../../protocol/packaging/canonical-name.ts";
import { createDispatcher, USER_AGENT } from "./http-client.ts";

const SILENCE_MS = 15_000;

/**
 * Undefined when each index said something of its own about the project, be it that there is none; else
 * the first trouble. What cannot be asked about (a name that is none) counts as answered.
 */
export async function findIndexTrouble(
  indexes: readonly string[],
  requirement: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(requirement)?.[0];
  if (name === undefined) return undefined;
  for (const index of indexes) {
    const url = `${index.replace(/\/+$/, "")}/${canonicalName(name)}/`;
    if (!URL.canParse(url)) continue;
    const trouble = await troubleOf(new URL(url), signal);
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

async function troubleOf(url: URL, signal: AbortSignal): Promise<string | undefined> {
  const dispatcher = createDispatcher();
  try {
    const { statusCode, body } = await request(url, {
      dispatcher,
      signal,
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      headers: { accept: "text/html", "user-agent": USER_AGENT },
    });
    body.on("error", () => {}).destroy();
    const isBusy = statusCode >= 500 || statusCode === 429 || statusCode === 408;
    return isBusy ? `${url.host} answered ${statusCode} for ${url.pathname}` : undefined;
  } catch (error) {
    signal.throwIfAborted();
    return `${url.host} could not be reached: ${error instanceof Error ? error.message : String(error)}`;
  } finally {
    await dispatcher.destroy();
  }
}
