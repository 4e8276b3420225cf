/** piw-logger: feeds the access logs of a web server to a running master. */
import { ConfigurationError } from "../../config/configuration-error.ts";
import { loggerProgram } from "../../config/logger.ts";
import { BatchBuilder } from "../../protocol/accesslog/batch-builder.ts";
import { createLineReader } from "../../protocol/accesslog/line-reader.ts";
import {
  type LogFormat,
  LogFormatError,
  parseLogFormat,
} from "../../protocol/accesslog/log-format.ts";
import type { AccessBatch } from "../../protocol/model/access.ts";
import type { Logger } from "../../supervisor/index.ts";
import { failureLine } from "../failure-line.ts";
import { LineSplitter } from "../logger/line-splitter.ts";
import { type LogSource, openLogSources, readSource } from "../logger/log-source.ts";
import { LogTally } from "../logger/log-tally.ts";
import { RecordSender } from "../logger/record-sender.ts";
import { type Frame, runProgram } from "../program.ts";

/** What a quiet log has said is handed on after this, though the batch is not full. */
const HAND_ON_MS = 1_000;

export function logger(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: loggerProgram,
      logLevel: "warn",
      run: async (values, operands, frame) => {
        const format = readFormat(values.format);
        const sources = openLogSources(operands);
        const sender = new RecordSender({
          address: values["log-queue"],
          mayDrop: values.drop,
          logger: frame.logger,
          signal: frame.signal,
        });
        const tally = new LogTally(frame.logger, format.text);
        try {
          const isWhole = await feed(sources, format, sender, tally, frame);
          const left = await sender.finish();
          frame.print(tally.summary(sender.counts));
          // Not thrown: after a signal the frame shows no error.
          const isLost = left > 0 && !values.drop;
          if (isLost) frame.logger.error(`${left} records were read and could not be stored`);
          if (tally.isAllMalformed) {
            throw new Error(
              `no line is in the format ${format.text}: say with --format how they look`,
            );
          }
          return isWhole && !isLost && sender.counts.refused === 0 ? 0 : 1;
        } finally {
          await sender.close();
        }
      },
    },
    argv,
  );
}

function readFormat(text: string): LogFormat {
  try {
    return parseLogFormat(text);
  } catch (error) {
    if (error instanceof LogFormatError) throw new ConfigurationError(`--format: ${error.message}`);
    throw error;
  }
}

/** Reads all sources to their end, or up to the signal. False where one could not be read to its end. */
async function feed(
  sources: readonly LogSource[],
  format: LogFormat,
  sender: RecordSender,
  tally: LogTally,
  frame: Frame,
): Promise<boolean> {
  const { signal } = frame;
  const isStopped = (): boolean => signal.aborted;
  const intake = new Intake(format, sender, tally);
  let isWhole = true;
  try {
    for (const source of sources) {
      if (isStopped()) break;
      tally.begin(source.name);
      isWhole = (await readWhole(source, intake, signal, frame.logger)) && isWhole;
      if (isStopped() && !source.isPipe)
        frame.logger.warn(`interrupted after ${tally.place}; what comes before it was read`);
    }
  } finally {
    // Those too whose turn did not come: a pipe that is open keeps the program.
    for (const { stream } of sources) stream.destroy();
    await intake.close();
  }
  return isWhole;
}

async function readWhole(
  source: LogSource,
  intake: Intake,
  signal: AbortSignal,
  logger: Logger,
): Promise<boolean> {
  try {
    for await (const chunk of readSource(source, signal)) await intake.take(chunk);
    return true;
  } catch (error) {
    logger.error(failureLine(error));
    return false;
  } finally {
    intake.endSource();
  }
}

/** From bytes to batches. */
class Intake {
  readonly #sender: RecordSender;
  readonly #builder = new BatchBuilder();
  readonly #splitter: LineSplitter;
  /** Batches that became full within one chunk. */
  #full: AccessBatch[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(format: LogFormat, sender: RecordSender, tally: LogTally) {
    this.#sender = sender;
    const readLine = createLineReader(format, Date.now);
    this.#splitter = new LineSplitter(
      (line) => {
        const read = readLine(line);
        tally.count(read, line);
        if (typeof read === "string") return;
        this.#builder.add(read);
        if (this.#builder.isFull) this.#full.push(this.#builder.take());
      },
      () => tally.countTooLong(),
    );
  }

  async take(chunk: Buffer): Promise<void> {
    this.#splitter.push(chunk);
    for (const batch of this.#full.splice(0)) await this.#sender.add(batch);
    if (this.#builder.size > 0) this.#timer ??= setTimeout(() => this.#handOn(), HAND_ON_MS);
  }

  endSource(): void {
    this.#splitter.end();
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#builder.size > 0) this.#full.push(this.#builder.take());
    for (const batch of this.#full.splice(0)) await this.#sender.add(batch);
  }

  /** Without room the records wait where they are: the next batch takes them along. */
  #handOn(): void {
    this.#timer = undefined;
    if (this.#builder.size === 0) return;
    if (this.#sender.hasRoom && this.#full.length === 0)
      void this.#sender.add(this.#builder.take());
    else this.#timer = setTimeout(() => this.#handOn(), HAND_ON_MS);
  }
}
