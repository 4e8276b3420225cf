/**
 * What the farm's tree is handed by bin: the things of rooms that it does not import, as functions. So
 * the tree knows neither SQL nor samples, and tests give it stand-ins.
 */
import type { FarmReport } from "../../protocol/model/status.ts";

export interface FarmParts {
  /** Starts PostgreSQL, and makes or upgrades the farm's database in it; undone when it throws. */
  startDatabase(options: {
    readonly folder: string;
    readonly log: (line: string) => void;
  }): Promise<DatabaseServer>;
  /** Starts the sample upstream; port 0 is any free one. */
  startUpstream(port: number): Promise<UpstreamServer>;
  /** @throws Error with one line that says what to do when nothing can be built with this interpreter. */
  checkPython(command: string): Promise<{ readonly hasHeaders: boolean }>;
  /** Keeps a file's folder for this process; returns how to give it back. @throws Error naming who has it. */
  lockFolder(file: string, what: string): () => void;
  /** Makes the key that wheels are signed with: this file, and beside it FILE.pub and FILE.crt. */
  makeSigningKey(file: string): Promise<void>;
  /** Command lines of the two programs, to which options are added. */
  readonly masterCommand: readonly [string, ...string[]];
  readonly slaveCommand: readonly [string, ...string[]];
  /** Standard output. */
  readonly output: ProgressOutput;
  /** The table that `--once` ends with. */
  reportLines(report: FarmReport): readonly string[];
}

export interface DatabaseServer {
  /** What the master connects with. */
  readonly dsn: string;
  /** Resolves when the server has ended, by `stop` or by itself. */
  readonly exited: Promise<unknown>;
  stop(): Promise<void>;
}

export interface UpstreamServer {
  /** `http://HOST:PORT`. */
  readonly url: string;
  readonly xmlrpcUrl: string;
  readonly simpleUrl: string;
  readonly jsonUrl: string;
  close(): Promise<void>;
}

export interface ProgressOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}
