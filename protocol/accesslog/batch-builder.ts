/** Gathers records into a batch, column by column, until piw-logger hands it on. */
import { type AccessBatch, type AccessClient, MAX_BATCH_RECORDS } from "../model/access.ts";
import type { AccessRecord } from "./line-reader.ts";

type Columns = { -readonly [K in keyof AccessBatch]: AccessBatch[K][number][] };

const empty = (): Columns => ({
  kinds: [],
  ats: [],
  addresses: [],
  packages: [],
  filenames: [],
  paths: [],
  clientOf: [],
  clients: [],
});

export class BatchBuilder {
  #columns = empty();
  readonly #clients = new Map<AccessClient, number>();

  get size(): number {
    return this.#columns.kinds.length;
  }

  get isFull(): boolean {
    return this.size >= MAX_BATCH_RECORDS;
  }

  add(record: AccessRecord): void {
    const columns = this.#columns;
    let client = this.#clients.get(record.client);
    if (client === undefined) {
      client = columns.clients.length;
      columns.clients.push(record.client);
      this.#clients.set(record.client, client);
    }
    columns.kinds.push(record.kind);
    columns.ats.push(record.at);
    columns.addresses.push(record.address);
    columns.packages.push(record.package);
    columns.filenames.push(record.filename);
    columns.paths.push(record.path);
    columns.clientOf.push(client);
  }

  /** What was gathered; the builder is empty then. */
  take(): AccessBatch {
    const batch = this.#columns;
    this.#columns = empty();
    this.#clients.clear();
    return batch;
  }
}
