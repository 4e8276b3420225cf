/**
 * Keeps the pages that somebody looks at up to date: when the picture changes, the pieces of each of them are made once,
 * and every reader is sent what differs from what it has seen. A reader who does not read is sent nothing until it
 * does, and then what has changed meanwhile; so nothing queues up, however slow or many they are.
 */
import { randomBytes } from "node:crypto";
import type { ServerResponse } from "node:http";
import type { Html } from "../html.ts";
import type { Picture } from "./contract.ts";
import { EventStream } from "./event-stream.ts";
import { LiveView, type Update } from "./live-view.ts";
import type { Visitor } from "./pages/frame.ts";
import { joined, piecesOf, treeEveryMs, type ViewName } from "./views.ts";

interface Page {
  /** Of its ids: versions of one page mean nothing on another. */
  readonly number: number;
  readonly name: ViewName;
  readonly visitor: Visitor;
  readonly view: LiveView;
  readonly readers: Set<Reader>;
  /** What was sent last, by the version from which it leads: most readers have seen the same. */
  updates: Map<number | undefined, string>;
}

interface Reader {
  readonly stream: EventStream;
  /** Undefined: it has seen nothing. */
  seen: number | undefined;
}

/** Pages with no reader, whose versions are remembered for who comes back: a page each of so many slaves. */
const MOST_PAGES_KEPT = 50;
/** Changes are gathered for so long, and longer where making the pieces takes long: at most a tenth of the time is for that. */
const GATHER_MS = 250;
const GATHER_FACTOR = 9;
const MOST_GATHER_MS = 5_000;

export class LivePages {
  readonly #picture: () => Picture;
  readonly #lookAtTree: (everyMs: number | null) => void;
  /** Ids of other processes, and of one before this one, are not taken for versions of these. */
  readonly #epoch = randomBytes(6).toString("hex");
  /** Used last, last. */
  readonly #pages = new Map<string, Page>();
  readonly #onCrash: (error: unknown) => void;
  readonly #stallMs: number | undefined;
  #flush: NodeJS.Timeout | undefined;
  #lastTookMs = 0;
  #made = 0;

  /** @param onCrash told of what goes wrong while changes are sent */
  constructor(
    picture: () => Picture,
    lookAtTree: (everyMs: number | null) => void,
    onCrash: (error: unknown) => void,
    stallMs?: number,
  ) {
    this.#stallMs = stallMs;
    this.#picture = picture;
    this.#lookAtTree = lookAtTree;
    this.#onCrash = onCrash;
  }

  /** As a page is first shown: its pieces by key or list, and the id from which its stream goes on. */
  render(
    name: ViewName,
    visitor: Visitor,
  ): { readonly shown: (keyOrList: string) => Html; readonly id: string } {
    const page = this.#upToDate(name, visitor);
    const { view } = page;
    return {
      shown: (keyOrList) => joined(view.pieces(keyOrList)),
      id: this.#idOf(page),
    };
  }

  /** @param lastId what the reader has seen; anything that is no id of this process means nothing */
  open(
    name: ViewName,
    visitor: Visitor,
    response: ServerResponse,
    lastId: string | undefined,
    onEnd: () => void,
  ): EventStream {
    const page = this.#upToDate(name, visitor);
    const reader: Reader = {
      stream: new EventStream(
        response,
        {
          free: () => this.#send(page, reader),
          end: () => {
            page.readers.delete(reader);
            this.#chooseTreePace();
            onEnd();
          },
        },
        this.#stallMs,
      ),
      seen: this.#versionOf(page, lastId),
    };
    page.readers.add(reader);
    this.#chooseTreePace();
    // Also when nothing is new: the reader learns that it is connected, and what time it is here.
    this.#send(page, reader, true);
    return reader.stream;
  }

  /** The picture has changed. */
  changed(): void {
    if (this.#flush !== undefined || this.#watched().length === 0) return;
    const gatherMs = Math.min(
      MOST_GATHER_MS,
      Math.max(GATHER_MS, this.#lastTookMs * GATHER_FACTOR),
    );
    this.#flush = setTimeout(() => {
      this.#flush = undefined;
      try {
        this.#sendChanges();
      } catch (error) {
        this.#onCrash(error);
      }
    }, gatherMs);
  }

  /** Ends all streams; their readers come again, to whoever is here then. */
  close(): void {
    clearTimeout(this.#flush);
    for (const { readers } of this.#pages.values())
      for (const { stream } of [...readers]) stream.end();
    this.#lookAtTree(null);
  }

  #sendChanges(): void {
    const startedAt = performance.now();
    for (const page of this.#watched()) {
      if (!this.#show(page)) continue;
      for (const reader of page.readers) this.#send(page, reader);
    }
    this.#lastTookMs = performance.now() - startedAt;
  }

  #upToDate(name: ViewName, visitor: Visitor): Page {
    const key = `${name} ${visitor.mayControl}`;
    const page: Page = this.#pages.get(key) ?? {
      number: ++this.#made,
      name,
      visitor,
      view: new LiveView(),
      readers: new Set(),
      updates: new Map(),
    };
    this.#pages.delete(key);
    this.#pages.set(key, page);
    this.#show(page);
    for (const [other, { readers }] of this.#pages) {
      if (this.#pages.size <= MOST_PAGES_KEPT) break;
      if (readers.size === 0 && other !== key) this.#pages.delete(other);
    }
    return page;
  }

  #show(page: Page): boolean {
    const isNew = page.view.show(piecesOf(page.name, this.#picture(), page.visitor));
    if (isNew) page.updates = new Map();
    return isNew;
  }

  #send(page: Page, reader: Reader, isFirst = false): void {
    const { view } = page;
    if (!reader.stream.isFree || (!isFirst && reader.seen === view.version)) return;
    let data = isFirst ? undefined : page.updates.get(reader.seen);
    if (data === undefined) {
      data = dataOf(view.since(reader.seen));
      // Those that are here share them; what one says that comes is its own.
      if (!isFirst) page.updates.set(reader.seen, data);
    }
    reader.seen = view.version;
    reader.stream.send("update", this.#idOf(page), data);
  }

  #watched(): Page[] {
    return [...this.#pages.values()].filter(({ readers }) => readers.size > 0);
  }

  #chooseTreePace(): void {
    const paces = this.#watched().map(({ name }) => treeEveryMs(name));
    this.#lookAtTree(paces.length === 0 ? null : Math.min(...paces));
  }

  #idOf({ number, view }: Page): string {
    return `${this.#epoch}-${number}-${view.version}`;
  }

  /** What the reader has; undefined for what no page of ours ever said. */
  #versionOf({ number, view }: Page, id: string | undefined): number | undefined {
    const [epoch, page, version] = (id ?? "").split("-");
    if (epoch !== this.#epoch || page !== String(number)) return undefined;
    const seen = /^\d{1,15}$/.test(version ?? "") ? Number(version) : Infinity;
    return seen <= view.version ? seen : undefined;
  }
}

const dataOf = ({ isWhole, pieces, gone }: Update): string =>
  JSON.stringify({
    now: Date.now(),
    isWhole,
    pieces: pieces.map(({ key, list, html }) => ({ key, list, html })),
    gone,
  });
