/**
 * The sample upstream: a package index in this process, on loopback, that speaks as PyPI does. Started by
 * `piw farm` when it is given nothing to build, and by tests, which publish more while it runs and tell
 * it to misbehave. It forgets everything when it is closed, and is no index for anybody's use.
 */
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createSampleServer } from "./http-server.ts";
import type { RequestHook } from "./misbehaviour.ts";
import type { SimpleFormat } from "./negotiation.ts";
import {
  describeFile,
  readDistFolder,
  type SampleFile,
  type SampleFileInput,
} from "./sample-file.ts";
import { type ChangelogRow, type HeldFile, SampleIndex } from "./sample-index.ts";
import { packSampleProjects, YANK_REASON } from "./sample-projects.ts";

/** Above 628000, since PyPI's own log is out of order before that. */
const FIRST_SERIAL = 1_000_000;

export interface SampleUpstreamOptions {
  /** Default 0: a free one. */
  readonly port?: number;
  /** What it holds at the start. Default: the sample projects. */
  readonly files?: readonly SampleFileInput[];
  /** Folders of sdists and wheels to hold as well, see `addFolder`. */
  readonly folders?: readonly string[];
  /** The forms of the Simple API that it offers. Default both; `["html"]` is an index from before PEP 691. */
  readonly simpleFormats?: readonly SimpleFormat[];
  /** Default true; false is an index without a changelog. */
  readonly speaksXmlRpc?: boolean;
  /** Default true; false is an index whose Simple API has none, as plain web servers. */
  readonly saysSerials?: boolean;
  /** Entity tags on the pages of the Simple API, and 304 for whoever shows one. Default true. */
  readonly saysValidators?: boolean;
  /** Every serial is above it. Default 1,000,000. */
  readonly firstSerial?: number;
  readonly onRequest?: RequestHook;
}

export interface SampleUpstream {
  /** `http://127.0.0.1:PORT`, without a slash at the end, as the others. */
  readonly url: string;
  readonly xmlrpcUrl: string;
  readonly simpleUrl: string;
  readonly jsonUrl: string;
  readonly lastSerial: number;
  readonly changelog: readonly ChangelogRow[];
  /** How many connections were made to it so far. */
  readonly connections: number;
  /** Asked before each answer; may be set and unset while it runs. */
  onRequest: RequestHook | undefined;
  /** @throws Error for a file name that was published before, also when it was removed since. */
  publish(file: SampleFileInput): HeldFile;
  /** Publishes all sdists and wheels of a folder; for wheels with their metadata. */
  addFolder(folder: string): Promise<HeldFile[]>;
  /** @throws Error, as the following, where there is no such project or version. */
  yank(name: string, version: string, reason?: string): void;
  unyank(name: string, version: string): void;
  removeRelease(name: string, version: string): void;
  removeProject(name: string): void;
  /** Cuts all connections. Idempotent. */
  close(): Promise<void>;
}

/** @throws Error with code EADDRINUSE for a port in use; what was begun is undone. */
export async function startSampleUpstream(
  options: SampleUpstreamOptions = {},
): Promise<SampleUpstream> {
  const index = new SampleIndex(options.firstSerial ?? FIRST_SERIAL);
  await fill(index, options);
  let hook = options.onRequest;
  let url = "";
  const server = createSampleServer({
    index,
    baseUrl: () => url,
    simpleFormats: options.simpleFormats ?? ["json", "html"],
    speaksXmlRpc: options.speaksXmlRpc ?? true,
    saysSerials: options.saysSerials ?? true,
    saysValidators: options.saysValidators ?? true,
    hook: () => hook,
  });
  let connections = 0;
  server.on("connection", () => {
    connections++;
  });
  server.listen(options.port ?? 0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    xmlrpcUrl: `${url}/pypi`,
    simpleUrl: `${url}/simple`,
    jsonUrl: `${url}/pypi`,
    get lastSerial() {
      return index.lastSerial;
    },
    changelog: index.changelog,
    get connections() {
      return connections;
    },
    get onRequest() {
      return hook;
    },
    set onRequest(next) {
      hook = next;
    },
    publish: (file) => index.publish(describeFile(file)),
    addFolder: async (folder) => publishAll(index, await readDistFolder(folder)),
    yank: (name, version, reason = "") => index.yank(name, version, reason),
    unyank: (name, version) => index.unyank(name, version),
    removeRelease: (name, version) => index.removeRelease(name, version),
    removeProject: (name) => index.removeProject(name),
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function fill(index: SampleIndex, options: SampleUpstreamOptions): Promise<void> {
  if (options.files === undefined && options.folders === undefined) {
    publishAll(index, packSampleProjects());
    index.yank("wheelwright-felloe", "1.1.0", YANK_REASON);
    return;
  }
  publishAll(index, (options.files ?? []).map(describeFile));
  for (const folder of options.folders ?? []) publishAll(index, await readDistFolder(folder));
}

const publishAll = (index: SampleIndex, files: readonly SampleFile[]): HeldFile[] =>
  files.map((file) => index.publish(file));
