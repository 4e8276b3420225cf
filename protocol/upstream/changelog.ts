/**
 * The changelog of PyPI's XML-RPC service: the questions, and the rows of the answer checked one by one.
 * Called by `UpstreamClient`. What an action means for the farm is Cloud Gazer's matter.
 * Source: https://docs.pypi.org/api/xml-rpc/.
 */
import { z } from "zod";
import { Pacer } from "./pacer.ts";
import { RowScanner } from "./row-scanner.ts";
import { UpstreamError } from "./upstream-error.ts";
import { XmlRpcReader, type XmlRpcValue } from "./xml-rpc-reader.ts";

export interface ChangelogEvent {
  /** As spelled at the time. */
  readonly name: string;
  /** As spelled; null for what concerns the project as a whole. */
  readonly version: string | null;
  /** Unix seconds; goes backwards now and then. */
  readonly at: number;
  /** `create`, `add source file NAME`, `remove release`, `yank release`, … */
  readonly action: string;
  readonly serial: number;
}

/** Columns beyond the fifth are of a server newer than this. */
const rowSchema = z
  .tuple([z.string().min(1), z.string().nullable(), z.int(), z.string(), z.int().nonnegative()])
  .rest(z.unknown());

/** The body of a call with integers for arguments. */
export const xmlRpcCall = (method: string, ...args: readonly number[]): string => {
  const params = args.map((arg) => `<param><value><int>${arg}</int></value></param>`).join("");
  return `<?xml version="1.0"?><methodCall><methodName>${method}</methodName><params>${params}</params></methodCall>`;
};

/**
 * Rows in the order of the answer.
 * @throws UpstreamError `garbled` for any row that is not as it should be: to leave one out would be to lose
 * a change for ever, and the serial would move past it.
 */
export async function readChangelog(pieces: AsyncIterable<string>): Promise<ChangelogEvent[]> {
  const events: ChangelogEvent[] = [];
  const reader = new XmlRpcReader((item) => events.push(toEvent(item)));
  const scanner = new RowScanner(reader, (event) => events.push(event));
  const result = await readAnswer(pieces, scanner);
  if (!Array.isArray(result)) throw new UpstreamError("garbled", "the changelog is no array");
  return events;
}

/** @throws UpstreamError `garbled` for anything but a serial. */
export async function readSerial(pieces: AsyncIterable<string>): Promise<number> {
  const result = await readAnswer(pieces, new XmlRpcReader(() => undefined));
  if (typeof result === "number" && Number.isSafeInteger(result) && result >= 0) return result;
  throw new UpstreamError("garbled", "the last serial is no serial");
}

async function readAnswer(
  pieces: AsyncIterable<string>,
  reader: Pick<XmlRpcReader, "write" | "end">,
): Promise<XmlRpcValue> {
  const pacer = new Pacer();
  for await (const piece of pieces) {
    reader.write(piece);
    if (pacer.isDue) await pacer.pause();
  }
  return reader.end();
}

function toEvent(item: XmlRpcValue): ChangelogEvent {
  const row = rowSchema.safeParse(item);
  if (!row.success)
    throw new UpstreamError("garbled", `a changelog row is broken: ${z.prettifyError(row.error)}`);
  const [name, version, at, action, serial] = row.data;
  return { name, version: version === "" ? null : version, at, action, serial };
}
