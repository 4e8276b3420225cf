/** What piw-logger counts on the way, and how it says so. */
import { harmless } from "../../config/log-line.ts";
import type { ReadLine } from "../../protocol/accesslog/line-reader.ts";
import { type AccessKind, accessKinds } from "../../protocol/model/access.ts";
import type { Logger } from "../../supervisor/index.ts";
import { counted } from "../subjects.ts";
import type { SenderCounts } from "./record-sender.ts";

/** A log that never ends is reported on this often, where there is something wrong in it. */
const REPORT_MS = 60_000;
const SHOWN_CHARS = 120;

const words: Readonly<Record<AccessKind, string>> = {
  download: "downloads",
  search: "searches",
  project: "project pages",
  json: "JSON",
  page: "other pages",
};

export class LogTally {
  readonly #logger: Logger;
  readonly #format: string;
  readonly #kinds = new Map<AccessKind, number>();
  #source = "";
  #line = 0;
  lines = 0;
  malformed = 0;
  #other = 0;
  #reported = 0;
  #reportedAt = Number.NEGATIVE_INFINITY;

  constructor(logger: Logger, format: string) {
    this.#logger = logger;
    this.#format = format;
  }

  begin(source: string): void {
    this.#source = source;
    this.#line = 0;
  }

  /** Where reading stopped, for who goes on later. */
  get place(): string {
    return `${this.#source}, line ${this.#line}`;
  }

  count(read: ReadLine, line: string): void {
    this.lines += 1;
    this.#line += 1;
    if (read === "other") this.#other += 1;
    else if (read === "malformed") this.#countMalformed(line);
    else this.#kinds.set(read.kind, (this.#kinds.get(read.kind) ?? 0) + 1);
  }

  countTooLong(): void {
    this.lines += 1;
    this.#line += 1;
    this.#countMalformed("(too long)");
  }

  get isAllMalformed(): boolean {
    return this.lines > 0 && this.malformed === this.lines;
  }

  #countMalformed(line: string): void {
    this.malformed += 1;
    const now = performance.now();
    if (now - this.#reportedAt < REPORT_MS) return;
    const more = this.malformed - this.#reported - 1;
    const others = more > 0 ? `, and ${counted(more, "line")} before it` : "";
    this.#logger.warn(
      `${this.place} is not in the format ${this.#format}${others}: ${harmless(line.slice(0, SHOWN_CHARS))}`,
    );
    this.#reportedAt = now;
    this.#reported = this.malformed;
  }

  summary({ stored, refused, dropped }: SenderCounts): string {
    const kinds = accessKinds
      .map((kind) => `${this.#kinds.get(kind) ?? 0} ${words[kind]}`)
      .join(", ");
    const parts = [
      `${counted(this.lines, "line")}: ${kinds}; ${this.#other} not counted, ${this.malformed} malformed`,
      `${counted(stored, "record")} stored`,
      ...(dropped > 0 ? [`${dropped} dropped`] : []),
      ...(refused > 0 ? [`${refused} refused by the master`] : []),
    ];
    return parts.join("; ");
  }
}
