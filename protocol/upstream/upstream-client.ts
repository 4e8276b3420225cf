/**
 * The followed package index, as questions: what changed since a serial, what a project holds, what it says
 * of itself. Called by Cloud Gazer, which decides when to ask and what to do with the answers. It speaks
 * the XML-RPC changelog, the Simple API (JSON, or HTML where there is nothing newer) and PyPI's JSON API; it
 * remembers nothing, and asks nothing twice by itself.
 */
import { z } from "zod";
import { canonicalName, isValidName } from "../packaging/canonical-name.ts";
import { type ChangelogEvent, readChangelog, readSerial, xmlRpcCall } from "./changelog.ts";
import { type HttpAnswer, HttpClient } from "./http-client.ts";
import { JsonCutter } from "./json-cutter.ts";
import { Pacer } from "./pacer.ts";
import { readProjectHtml, readRootHtml } from "./simple-html.ts";
import { type ListedProject, readProjectJson, readRootJson } from "./simple-json.ts";
import { asUpstreamError, UpstreamError } from "./upstream-error.ts";
import { cleanText, type UpstreamProject, type Validators } from "./upstream-project.ts";

export interface UpstreamClientOptions {
  /** `https://pypi.org/pypi`; undefined for an index without a changelog. */
  readonly xmlrpcUrl: string | undefined;
  /** `https://pypi.org/simple`, with or without a slash at the end. */
  readonly simpleUrl: string;
  /** `https://pypi.org/pypi`: NAME/json is below it; undefined for an index that describes nothing. */
  readonly jsonUrl: string | undefined;
  /** Says who asks and where to complain; PyPI asks mirrors for that. */
  readonly userAgent: string;
  /** How long the server may be silent; a request takes ten times that at most. Default 30,000. */
  readonly timeoutMs?: number;
  /** Of one answer, unpacked; a larger one is `garbled`. Default 256 MiB (PyPI's project list has some 40). */
  readonly maxBodyBytes?: number;
}

/** All projects of an index. */
export interface UpstreamListing {
  readonly validators: Validators;
  /** As they arrive; to leave the loop early ends the request. Serials come with PyPI's JSON only. */
  readonly projects: AsyncGenerator<ListedProject, void, undefined>;
}

export interface UpstreamDescription {
  /** As its owner spells it, which the Simple API does not say; empty where it is not said. */
  readonly name: string;
  /** One line; empty where there is none. */
  readonly summary: string;
  /** As written, in whatever markup; empty where there is none. */
  readonly description: string;
}

/** PEP 691: the JSON form first, HTML where the index has nothing else. */
const ACCEPT_SIMPLE =
  "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1";
const jsonTypes = new Set(["application/vnd.pypi.simple.v1+json", "application/json"]);
const htmlTypes = new Set([
  "application/vnd.pypi.simple.v1+html",
  "text/html",
  "application/xhtml+xml",
]);

const text = z.string().nullable().default("").catch("");
const descriptionSchema = z.object({
  info: z.object({ name: text, summary: text, description: text }),
});

/**
 * Every method throws UpstreamError and nothing else; when its signal fires, one with code `unreachable`.
 * The other side being gone shows as `unreachable` after `timeoutMs` at the latest. Answers of any size up to
 * the limit are read in slices that leave the event loop free.
 */
export class UpstreamClient {
  readonly #http: HttpClient;
  readonly #xmlrpcUrl: string | undefined;
  readonly #simpleUrl: string;
  readonly #jsonUrl: string | undefined;

  constructor(options: UpstreamClientOptions) {
    this.#http = new HttpClient({
      userAgent: options.userAgent,
      timeoutMs: options.timeoutMs ?? 30_000,
      maxBodyBytes: options.maxBodyBytes ?? 256 * 1024 * 1024,
    });
    this.#xmlrpcUrl = options.xmlrpcUrl;
    this.#simpleUrl = options.simpleUrl.replace(/\/+$/, "");
    this.#jsonUrl = options.jsonUrl?.replace(/\/+$/, "");
  }

  /**
   * What happened after that serial, in the server's order: at most 50,000 rows, so ask again from the highest
   * serial until nothing comes.
   */
  changelogSinceSerial(serial: number, signal: AbortSignal): Promise<ChangelogEvent[]> {
    return this.#call(xmlRpcCall("changelog_since_serial", serial), signal, readChangelog);
  }

  changelogLastSerial(signal: AbortSignal): Promise<number> {
    return this.#call(xmlRpcCall("changelog_last_serial"), signal, readSerial);
  }

  /** Whether an address was given where a changelog may be. */
  get hasXmlRpc(): boolean {
    return this.#xmlrpcUrl !== undefined;
  }

  /** For messages and to know the index again; without user and password. */
  get index(): string {
    return this.#simpleUrl.replace(/^(https?:\/\/)[^/@]*@/, "$1");
  }

  /** Any spelling of the name will do; undefined where the index has no such project. */
  project(name: string, signal: AbortSignal): Promise<UpstreamProject | undefined>;
  /** The same, unless its page still is the one that had these validators. */
  project(
    name: string,
    signal: AbortSignal,
    known: Validators,
  ): Promise<UpstreamProject | "unchanged" | undefined>;
  async project(
    name: string,
    signal: AbortSignal,
    known: Validators = nothingKnown,
  ): Promise<UpstreamProject | "unchanged" | undefined> {
    if (!isValidName(name)) return undefined;
    const canonical = canonicalName(name);
    return reading(async () => {
      const answer = await this.#getSimple(`${this.#simpleUrl}/${canonical}/`, signal, known);
      if (answer === undefined) return undefined;
      if (answer.isUnchanged) return "unchanged";
      const read = isJson(answer) ? readProjectJson : readProjectHtml;
      const page = await read(answer.text(), canonical, answer.url);
      const lastSerial = page.lastSerial ?? serialHeader(answer);
      return { ...page, lastSerial, validators: validatorsOf(answer) };
    });
  }

  /** From the JSON API; undefined where the index has no such project, or no such API. */
  async description(name: string, signal: AbortSignal): Promise<UpstreamDescription | undefined> {
    if (!isValidName(name) || this.#jsonUrl === undefined) return undefined;
    const address = `${this.#jsonUrl}/${canonicalName(name)}/json`;
    return reading(async () => {
      const headers = { accept: "application/json" };
      const answer = await this.#http.request(address, { method: "GET", headers }, signal);
      return answer === undefined ? undefined : await readDescription(answer);
    });
  }

  /**
   * The listing of all projects, unless it still is the one that had these validators.
   * @throws UpstreamError `refused` from an index that lists nothing.
   */
  listing(signal: AbortSignal): Promise<UpstreamListing>;
  listing(signal: AbortSignal, known: Validators): Promise<UpstreamListing | "unchanged">;
  async listing(
    signal: AbortSignal,
    known: Validators = nothingKnown,
  ): Promise<UpstreamListing | "unchanged"> {
    return reading(async () => {
      const answer = await this.#getSimple(`${this.#simpleUrl}/`, signal, known);
      if (answer === undefined)
        throw new UpstreamError("refused", `${this.#simpleUrl}/ does not list its projects`);
      if (answer.isUnchanged) return "unchanged";
      return { validators: validatorsOf(answer), projects: listedProjects(answer) };
    });
  }

  /** Cuts what is under way; the client is of no use afterwards. */
  async close(): Promise<void> {
    await this.#http.close();
  }

  #call<T>(
    body: string,
    signal: AbortSignal,
    read: (pieces: AsyncIterable<string>) => Promise<T>,
  ): Promise<T> {
    const address = this.#xmlrpcUrl;
    return reading(async () => {
      if (address === undefined)
        throw new UpstreamError("refused", "no address of an XML-RPC service was given");
      const headers = { "content-type": "text/xml", accept: "text/xml" };
      const request = { method: "POST", headers, body } as const;
      const answer = await this.#http.request(address, request, signal);
      if (answer === undefined)
        throw new UpstreamError("refused", `${address} is no XML-RPC service`);
      return await read(answer.text());
    });
  }

  async #getSimple(
    address: string,
    signal: AbortSignal,
    { etag, modified }: Validators,
  ): Promise<HttpAnswer | undefined> {
    const headers = {
      accept: ACCEPT_SIMPLE,
      ...(etag !== null && { "if-none-match": etag }),
      ...(modified !== null && { "if-modified-since": modified }),
    };
    const answer = await this.#http.request(address, { method: "GET", headers }, signal);
    const type = answer?.contentType ?? "";
    if (answer === undefined || answer.isUnchanged) return answer;
    if (jsonTypes.has(type) || htmlTypes.has(type)) return answer;
    answer.discard();
    const name = type === "" ? "no type" : type;
    throw new UpstreamError(
      "garbled",
      `${address} answers with ${name}, not with a Simple API page`,
    );
  }
}

const nothingKnown: Validators = { etag: null, modified: null };

/** A header may hold no line break and no other alphabet when it is sent back. */
const validator = /^[\x20-\x7e]{1,500}$/;

function validatorsOf(answer: HttpAnswer): Validators {
  const read = (name: string): string | null => {
    const value = answer.header(name);
    return value !== null && validator.test(value) ? value : null;
  };
  return { etag: read("etag"), modified: read("last-modified") };
}

async function* listedProjects(answer: HttpAnswer): AsyncGenerator<ListedProject, void, undefined> {
  try {
    yield* isJson(answer) ? readRootJson(answer.text()) : readRootHtml(answer.text(), answer.url);
  } catch (error) {
    throw asUpstreamError(error);
  }
}

const isJson = (answer: HttpAnswer): boolean => jsonTypes.has(answer.contentType);

async function reading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw asUpstreamError(error);
  }
}

/** PyPI's mirrors and caches tell by it how old a page is. */
function serialHeader(answer: HttpAnswer): number | null {
  const value = answer.header("x-pypi-last-serial");
  return value !== null && /^\d{1,15}$/.test(value) ? Number(value) : null;
}

async function readDescription(answer: HttpAnswer): Promise<UpstreamDescription> {
  const cutter = new JsonCutter({ arrays: {}, dropped: ["releases", "urls", "vulnerabilities"] });
  const pacer = new Pacer();
  for await (const piece of answer.text()) {
    cutter.write(piece);
    if (pacer.isDue) await pacer.pause();
  }
  const page = descriptionSchema.safeParse(cutter.end());
  if (!page.success) throw new UpstreamError("garbled", `${answer.url} is no page of the JSON API`);
  const { name, summary, description } = page.data.info;
  return {
    name: known(name).trim(),
    summary: known(summary).replace(/\s+/g, " ").trim(),
    description: known(description),
  };
}

/** Without what cannot be stored; `UNKNOWN` is what old setuptools wrote for nothing. */
const known = (value: string | null): string =>
  value === null || value.trim() === "UNKNOWN" ? "" : cleanText(value);
