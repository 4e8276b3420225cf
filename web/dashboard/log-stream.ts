/**
 * A build's log as a stream of events: text, and the position after it as the id. A reader whose stream was cut says that
 * position (Last-Event-ID) and misses nothing. The next part is asked for when the reader has taken the one before.
 */
import type { LoggedBuild } from "../../protocol/model/build-log.ts";
import type { Farm } from "./contract.ts";
import type { EventStream } from "./event-stream.ts";
import { buildFacts } from "./pages/build.ts";

/** Shorter than proxies and the farm's own server wait for something to be said. */
const WAIT_MS = 10_000;
const AGAIN_MS = 1_000;
/** After the end of a log, for what became of its build. */
const MOST_OUTCOME_LOOKS = 120;

export class LogStream {
  readonly #read: Farm["readLog"];
  readonly #token: number;
  readonly #stream: EventStream;
  #position: number;
  #build: LoggedBuild | null = null;
  #toldTrouble = "";
  #wake: () => void = () => undefined;

  constructor(read: Farm["readLog"], token: number, position: number, stream: EventStream) {
    this.#read = read;
    this.#token = token;
    this.#position = position;
    this.#stream = stream;
  }

  /** The reader has taken all, or is gone. */
  wake(): void {
    this.#wake();
  }

  /** Until the log has ended or the reader is gone. */
  async run(): Promise<void> {
    while (!this.#stream.isEnded) {
      if (!this.#stream.isFree) {
        await this.#pause(AGAIN_MS);
        continue;
      }
      if (await this.#sendPart()) {
        await this.#tellOutcome();
        this.#stream.send("end", undefined, "{}");
        this.#stream.end();
        return;
      }
    }
  }

  /** @returns whether that was the last */
  async #sendPart(): Promise<boolean> {
    const answer = await this.#ask();
    if (answer === undefined) return false;
    this.#tell(answer.build);
    const { part } = answer;
    if (part === null) {
      this.#trouble(answer.trouble ?? "there is no log", answer.isForNow);
      if (!answer.isForNow) return true;
      await this.#pause(AGAIN_MS);
      return false;
    }
    this.#toldTrouble = "";
    // A character of several bytes may be cut in two: its beginning is asked for again.
    const cut = part.isEnd ? 0 : cutBytes(part.data);
    const whole = part.data.subarray(0, part.data.length - cut);
    this.#position = part.nextPosition - cut;
    if (whole.length > 0 || part.skippedBytes > 0) {
      const text = new TextDecoder().decode(whole);
      this.#stream.send(
        "text",
        String(this.#position),
        JSON.stringify({ text, skippedBytes: part.skippedBytes }),
      );
    } else if (!part.isEnd && cut > 0) await this.#pause(AGAIN_MS);
    return part.isEnd;
  }

  /** The log ends a moment before its build is settled. */
  async #tellOutcome(): Promise<void> {
    for (let times = 0; times < MOST_OUTCOME_LOOKS && !this.#stream.isEnded; times += 1) {
      if (this.#build?.phase !== "running") return;
      await this.#pause(AGAIN_MS);
      this.#tell((await this.#ask())?.build ?? null);
    }
  }

  async #ask() {
    try {
      return await this.#read(this.#token, this.#position, WAIT_MS);
    } catch (error) {
      this.#trouble(error instanceof Error ? error.message : String(error), true);
      await this.#pause(AGAIN_MS);
      return undefined;
    }
  }

  #tell(build: LoggedBuild | null): void {
    if (build === null || JSON.stringify(build) === JSON.stringify(this.#build)) return;
    this.#build = build;
    const { package: name, version, phase } = build;
    const facts = buildFacts(build).text;
    this.#stream.send("build", undefined, JSON.stringify({ name, version, phase, facts }));
  }

  #trouble(text: string, isForNow: boolean): void {
    if (text === this.#toldTrouble) return;
    this.#toldTrouble = text;
    this.#stream.send("trouble", undefined, JSON.stringify({ text, isForNow }));
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** How many bytes at the end are the beginning of a character of UTF-8 that goes on elsewhere. */
export function cutBytes(data: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, data.length); back += 1) {
    const byte = data[data.length - back] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
      return back < length ? back : 0;
    }
  }
  return 0;
}
