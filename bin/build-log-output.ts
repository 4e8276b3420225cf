/** Where `piw log` writes: the log itself on standard output, what is said about it on standard error. */
import { once } from "node:events";
import { harmless } from "../config/log-line.ts";
import type { LoggedBuild, LogPart } from "../protocol/model/build-log.ts";
import { cutLine } from "../protocol/model/finished-log.ts";

export interface LogOutput {
  part(build: LoggedBuild, part: LogPart): Promise<void>;
  /** For a person who watches; nothing of the log. */
  remark(text: string): void;
  end(build: LoggedBuild): Promise<void>;
}

/** The bytes as they are; on a terminal nothing in them may move the cursor or colour what follows. */
export function plainOutput(): LogOutput {
  const decoder = new TextDecoder();
  const shown = (data: Uint8Array) =>
    process.stdout.isTTY ? forTerminal(decoder.decode(data, { stream: true })) : data;
  return {
    async part(_build, { data, skippedBytes }) {
      if (skippedBytes > 0) await write(cutLine(skippedBytes));
      if (data.length > 0) await write(shown(data));
    },
    remark: (text) => void process.stderr.write(`${harmless(text)}\n`),
    end: () => Promise.resolve(),
  };
}

/** A line for each part, so that a program can go on where it was. */
export function jsonOutput(): LogOutput {
  const decoder = new TextDecoder();
  return {
    async part({ token }, { position, skippedBytes, data, nextPosition }) {
      const text = decoder.decode(data, { stream: true });
      await writeJson({ token, position, skippedBytes, nextPosition, text });
    },
    remark: (text) => void process.stderr.write(`${harmless(text)}\n`),
    end: (build) => writeJson({ ...build, isEnd: true }),
  };
}

const writeJson = (value: object): Promise<void> => write(`${JSON.stringify(value)}\n`);

const forTerminal = (text: string): string =>
  text
    .replaceAll(/\r\n?/g, "\n")
    .split("\t")
    .map((part) => harmless(part, true))
    .join("\t");

/** A reader that is slower than the master holds it up here, in no buffer. */
async function write(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text) && !process.stdout.destroyed)
    await Promise.race([once(process.stdout, "drain"), once(process.stdout, "close")]);
}
