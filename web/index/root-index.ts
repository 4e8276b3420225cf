/**
 * The root of the Simple API as it lies on disk, in shards: stretches of names that stand beside each other,
 * each rendered and compressed once and kept as a part of the storage. A name that comes or goes costs its
 * shard; the pages are then joined by copying. The Scribe has one and tells it what changed; nobody else
 * writes the root.
 *
 * A catalogue (a part too) says which shards there are. It is written after the pages are in place, so a
 * crash at any point leaves either the state before, from which the same changes are made again, or the
 * state after. Parts that it does not name are leftovers.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { simplePageKeys } from "../public-key.ts";
import type { JoinedPage, PageStretch, Storage } from "../storage.ts";
import { gzipEnd, gzipStart, makePiece, type Piece, type PieceFacts } from "./gzip-pieces.ts";
import { namesOfStretch, renderRootStretch, renderSimpleRoot, rootFrames } from "./simple-root.ts";

/** A shard with more names is split: about 7 ms to render. */
const MAX_NAMES = 4_096;
/** Of a shard as it is made: so that it takes some more before it is split. */
const USUAL_NAMES = 3_072;

const CATALOGUE = "root-catalogue";
const renderings = ["html", "json"] as const;
type Rendering = (typeof renderings)[number];

const factsSchema = z.object({ sizeBytes: z.int(), crc: z.int(), deflatedBytes: z.int() });
const shardSchema = z.object({
  part: z.string(),
  /** It has the names from here on, up to the first of the next one. */
  first: z.string(),
  html: factsSchema,
  json: factsSchema,
});
type Shard = z.infer<typeof shardSchema>;
const catalogueSchema = z.object({
  /** How this program renders: shards of another way are of no use. */
  markup: z.string(),
  nextPart: z.int(),
  shards: z.array(shardSchema),
  /** What the pages were when they were put into place; see `PublicFile.version`. */
  pages: z.object({ html: z.string(), json: z.string() }),
});
type Catalogue = z.infer<typeof catalogueSchema>;

const MARKUP = JSON.stringify(renderSimpleRoot(["a", "b"]));
const keys = simplePageKeys();

export class RootIndex {
  readonly #storage: Storage;
  /** Undefined until it is read; null where there is none that can be used. */
  #catalogue: Catalogue | null | undefined;
  /** One thing at a time. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(storage: Storage) {
    this.#storage = storage;
  }

  /** False: it has to be made from the names of all projects. */
  isMade(): Promise<boolean> {
    return this.#inTurn(async () => (await this.#open()) !== null);
  }

  /**
   * Makes all of it anew.
   * @param names all of them, in stretches, in the order of bytes
   */
  make(names: AsyncIterable<readonly string[]>): Promise<void> {
    return this.#inTurn(async () => {
      const former = await this.#open();
      const shards: Shard[] = [];
      const numbers = { next: former?.nextPart ?? 0 };
      let waiting: string[] = [];
      for await (const stretch of names) {
        waiting.push(...stretch);
        const whole = waiting.length - (waiting.length % USUAL_NAMES);
        shards.push(...(await this.#store(waiting.slice(0, whole), numbers)));
        waiting = waiting.slice(whole);
      }
      shards.push(...(await this.#store(waiting, numbers)));
      await this.#settle(shards, numbers.next);
    });
  }

  /**
   * Makes it say this of these projects, whatever it said before, and puts a page back that was lost or
   * changed. Costs next to nothing where nothing is to be done.
   * @param changes by name: whether it is to be listed
   * @throws StorageError; one of a shard that is damaged has it made anew the next time
   */
  change(changes: ReadonlyMap<string, boolean>): Promise<void> {
    return this.#inTurn(async () => {
      const catalogue = await this.#open();
      if (catalogue === null) return;
      try {
        await this.#apply(catalogue, changes);
      } catch (error) {
        // What it stands on may be gone: the disk says so again, or it is made anew.
        this.#catalogue = undefined;
        if (error instanceof DamagedShard) {
          await this.#storage.removePart(CATALOGUE);
        }
        throw error;
      }
    });
  }

  async #apply(catalogue: Catalogue, changes: ReadonlyMap<string, boolean>): Promise<void> {
    const numbers = { next: catalogue.nextPart };
    const shards: Shard[] = [];
    let isChanged = false;
    for (const [shard, some] of byShard(catalogue.shards, changes)) {
      const names =
        shard === undefined ? [] : some.size === 0 ? undefined : await this.#names(shard);
      const changed = names === undefined ? undefined : changedNames(names, some);
      if (changed === undefined) {
        if (shard !== undefined) shards.push(shard);
        continue;
      }
      isChanged = true;
      shards.push(...(await this.#store(changed, numbers)));
    }
    if (isChanged || !(await this.#pagesStand(catalogue))) await this.#settle(shards, numbers.next);
  }

  /** Joins the pages, then says what they are made of, then lets go of what they were made of. */
  async #settle(shards: Shard[], nextPart: number): Promise<void> {
    const pages = await Promise.all(renderings.map((rendering) => joined(rendering, shards)));
    try {
      await this.#storage.join(pages);
    } catch (error) {
      throw isMissing(error) ? new DamagedShard("a shard of the root page is gone", error) : error;
    }
    const [html, json] = await Promise.all([this.#version(keys.html), this.#version(keys.json)]);
    const catalogue = { markup: MARKUP, nextPart, shards, pages: { html, json } };
    const contents = Buffer.from(JSON.stringify(catalogue));
    await this.#storage.writeParts([{ name: CATALOGUE, contents }]);
    this.#catalogue = catalogue;
    await this.#clear(catalogue);
  }

  /** Stores names as shards, none for no names. */
  async #store(names: readonly string[], numbers: { next: number }): Promise<Shard[]> {
    const shards: Shard[] = [];
    const parts: { name: string; contents: Uint8Array }[] = [];
    const count = names.length <= MAX_NAMES ? 1 : Math.ceil(names.length / USUAL_NAMES);
    const size = Math.ceil(names.length / count);
    for (let from = 0; from < names.length; from += size) {
      const stretch = names.slice(from, from + size);
      const rendering = renderRootStretch(stretch);
      const [html, json] = await Promise.all([
        makePiece(rendering.html),
        makePiece(rendering.json),
      ]);
      // Not the number alone: a Scribe that was started again may meet the last strokes of the one before.
      const number = String(numbers.next++).padStart(8, "0");
      const part = `root-${number}-${randomUUID().slice(0, 8)}`;
      parts.push({
        name: part,
        contents: Buffer.concat([html.bytes, html.deflated, json.bytes, json.deflated]),
      });
      shards.push({ part, first: stretch[0] ?? "", html: factsOf(html), json: factsOf(json) });
    }
    await this.#storage.writeParts(parts);
    return shards;
  }

  async #names(shard: Shard): Promise<string[]> {
    const bytes = await this.#storage.readPart(shard.part);
    const [start, end] = placeOf(shard, "json", "sizeBytes");
    try {
      if (bytes !== undefined) return namesOfStretch(bytes.toString("utf8", start, end));
    } catch (error) {
      throw new DamagedShard("a shard of the root page cannot be read", error);
    }
    throw new DamagedShard("a shard of the root page is gone");
  }

  async #open(): Promise<Catalogue | null> {
    if (this.#catalogue !== undefined) return this.#catalogue;
    const bytes = await this.#storage.readPart(CATALOGUE);
    const read = catalogueSchema.safeParse(parsed(bytes));
    this.#catalogue = read.success && read.data.markup === MARKUP ? read.data : null;
    await this.#clear(this.#catalogue);
    return this.#catalogue;
  }

  /** Parts that no catalogue names. What goes wrong here is done the next time. */
  async #clear(catalogue: Catalogue | null): Promise<void> {
    const used = new Set(catalogue?.shards.map((shard) => shard.part));
    for (const part of await this.#storage.listParts())
      if (/^root-\d+(-[0-9a-f]+)?$/.test(part) && !used.has(part))
        await this.#storage.removePart(part);
  }

  async #pagesStand({ pages }: Catalogue): Promise<boolean> {
    return (
      (await this.#version(keys.html)) === pages.html &&
      (await this.#version(keys.json)) === pages.json
    );
  }

  /** "" where there is no such page. */
  async #version(key: string): Promise<string> {
    const file = await this.#storage.open(key);
    await file?.close();
    return file?.version ?? "";
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => undefined);
    return result;
  }
}

class DamagedShard extends Error {
  constructor(message: string, cause?: unknown) {
    super(`${message}: it is made anew`, { cause });
    this.name = "DamagedShard";
  }
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "missing";

function parsed(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

const factsOf = ({
  sizeBytes,
  crc,
  deflatedBytes,
}: Piece): PieceFacts & z.infer<typeof factsSchema> => ({
  sizeBytes,
  crc,
  deflatedBytes,
});

/** Each shard with the changes that concern it, in order; undefined where there is no shard yet. */
function byShard(
  shards: readonly Shard[],
  changes: ReadonlyMap<string, boolean>,
): [Shard | undefined, Map<string, boolean>][] {
  const groups = shards.map((shard): [Shard | undefined, Map<string, boolean>] => [
    shard,
    new Map<string, boolean>(),
  ]);
  if (groups.length === 0) groups.push([undefined, new Map<string, boolean>()]);
  for (const [name, isListed] of changes) {
    let [low, high] = [0, groups.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((shards[middle]?.first ?? "") <= name) low = middle;
      else high = middle - 1;
    }
    groups[low]?.[1].set(name, isListed);
  }
  return groups;
}

/** Undefined where they are as they were. */
function changedNames(
  names: readonly string[],
  changes: ReadonlyMap<string, boolean>,
): string[] | undefined {
  const known = new Set(names);
  let isChanged = false;
  for (const [name, isListed] of changes) {
    if (known.has(name) === isListed) continue;
    isChanged = true;
    if (isListed) known.add(name);
    else known.delete(name);
  }
  // Names are ASCII: the order of code units is that of bytes.
  return isChanged ? [...known].sort() : undefined;
}

/** Where in its part a shard's rendering lies, as it is or deflated. */
function placeOf(
  shard: Shard,
  rendering: Rendering,
  form: "sizeBytes" | "deflatedBytes",
): [start: number, end: number] {
  const own = shard[rendering];
  const base = rendering === "html" ? 0 : shard.html.sizeBytes + shard.html.deflatedBytes;
  const start = base + (form === "sizeBytes" ? 0 : own.sizeBytes);
  return [start, start + own[form]];
}

/** Both pages have their stretches of a shard at the same place, so that its part is read once. */
async function joined(rendering: Rendering, shards: readonly Shard[]): Promise<JoinedPage> {
  const frame = rootFrames[rendering];
  const [start, between, end] = await Promise.all(
    [frame.start, frame.between, frame.end].map(makePiece),
  );
  if (start === undefined || between === undefined || end === undefined)
    throw new Error("a frame has three pieces");
  const contents: PageStretch[] = [start.bytes];
  const gzip: PageStretch[] = [Buffer.concat([gzipStart, start.deflated])];
  const pieces: PieceFacts[] = [start];
  for (const [at, shard] of shards.entries()) {
    if (at > 0) pieces.push(between);
    contents.push(at > 0 ? between.bytes : NOTHING);
    gzip.push(at > 0 ? between.deflated : NOTHING);
    const { part } = shard;
    pieces.push(shard[rendering]);
    const [from, to] = placeOf(shard, rendering, "sizeBytes");
    contents.push({ part, start: from, end: to });
    const [gzipFrom, gzipTo] = placeOf(shard, rendering, "deflatedBytes");
    gzip.push({ part, start: gzipFrom, end: gzipTo });
  }
  pieces.push(end);
  contents.push(end.bytes);
  gzip.push(Buffer.concat([end.deflated, gzipEnd(pieces)]));
  return { key: keys[rendering], contents, gzip };
}

const NOTHING = Buffer.alloc(0);
