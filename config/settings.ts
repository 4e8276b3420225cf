/**
 * What each program's tree is started with: plain values, made from the options by the files beside
 * this one and taken by `tree.ts` of the program. No option names, no sources, no defaults here.
 */
import type { HookSettings } from "./hooks.ts";
import type { PartName } from "./parts.ts";
import type { RunnerSettings } from "./runners.ts";
import type { MasterTimes, SlaveTimes } from "./times.ts";

/** A place to listen at. Port 0 means any free one; host `0.0.0.0` or `::` means every interface. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/** The followed index; no URL ends in a slash. */
export interface UpstreamUrls {
  /** Undefined: it has no changelog, or is not to be asked for one. */
  readonly xmlrpcUrl: string | undefined;
  readonly simpleUrl: string;
  /** Undefined: it describes no projects. */
  readonly jsonUrl: string | undefined;
}

/** ZeroMQ addresses (`tcp://`, `ipc://`, `inproc://`) of the master's ends. */
export interface MasterQueues {
  readonly status: string;
  readonly control: string;
  readonly import: string;
  readonly log: string;
  readonly slave: string;
  readonly file: string;
}

/** Beside the site: `local`, who asks at this machine, and who has a token. */
export type WhoMaySee = "everyone" | "local" | "token" | "none";

export interface MasterSettings {
  /** The product's version, which slaves and database must share. */
  readonly version: string;
  /** As libpq understands it; the PG* variables are still to be applied. */
  readonly dsn: string;
  /** Takes the database from another master, whether that is gone or not. */
  readonly takeOver: boolean;
  /** Absolute. */
  readonly outputPath: string;
  /** No builds are given out while the disk of `outputPath` has less room; 0: never mind. */
  readonly diskReserveBytes: number;
  readonly devMode: boolean;
  readonly times: MasterTimes;
  /** Task names and `*` patterns to trace. */
  readonly debug: readonly string[];
  readonly upstream: UpstreamUrls;
  /** Where upstream's operators can reach whoever runs the farm; said with each request. */
  readonly upstreamContact: string | undefined;
  readonly queues: MasterQueues;
  /** The parts of the master that this process runs. */
  readonly parts: readonly PartName[];
  /** Where each part is spoken to from other processes; `inproc://` where it is not. */
  readonly partQueues: Readonly<Record<PartName, string>>;
  /** Sends what tasks say to each other through the codec and checks of the wire: for tests. */
  readonly forceCodec: boolean;
  /** Secret key of the master (as `piw keygen` writes it), absolute; undefined: links without keys, loopback and ipc only. */
  readonly keyFile: string | undefined;
  /** Folder of the slaves' public keys, absolute. */
  readonly authorizedKeysDir: string | undefined;
  /** Folder of the public keys of monitors, absolute; undefined: control and status link have no keys. */
  readonly monitorKeysDir: string | undefined;
  /** PEM file with the key that wheels are signed with, absolute; undefined: they are not. */
  readonly signingKeyFile: string | undefined;
  /** What is told of what happens, and to whom. */
  readonly hooks: readonly HookSettings[];
  /** Where the master's own HTTP server listens; undefined: there is none. */
  readonly http: ListenAddress | undefined;
  /** It speaks TLS with these files (PEM, absolute); undefined: plain HTTP. */
  readonly httpTls: { readonly certificate: string; readonly key: string } | undefined;
  /** Who may see /metrics on it. */
  readonly metricsAccess: WhoMaySee;
  /** Where it writes what was asked for, in the format `combined`, absolute; undefined: nowhere. */
  readonly accessLog: string | undefined;
  /** Who may look at the farm's dashboard, below `/farm/` of `http`. */
  readonly dashboard: WhoMaySee;
  /** Where readers find the site, no slash at the end; undefined: at `indexUrl` without its `/simple`, or at `http`. */
  readonly publicUrl: string | undefined;
  /**
   * The farm's own Simple API as slaves reach it (`http://host:port/simple`, no slash at the end);
   * undefined where none was given and none can be derived before `http` is bound (port 0) or without it.
   */
  readonly indexUrl: string | undefined;
  /** `wanted`: only what was asked for through the import link; `all`: everything upstream. */
  readonly follow: "all" | "wanted";
  /** At least 1. */
  readonly oracles: number;
  readonly order: "newest" | "oldest" | "popular";
  /** `count`: nothing is built for a target that upstream has a wheel for. */
  readonly upstreamWheels: "count" | "ignore";
  /** Pages of the index list upstream's own files too. */
  readonly mergeUpstream: boolean;
}

export interface BuildLimits {
  readonly memoryBytes: number | undefined;
  /** With their threads. */
  readonly processes: number | undefined;
  /** Open at once in one process. */
  readonly files: number | undefined;
  readonly diskBytes: number | undefined;
  /** Of output. */
  readonly logBytes: number | undefined;
}

export interface SlaveSettings {
  readonly version: string;
  readonly slaveQueue: string;
  readonly fileQueue: string;
  /** The master's public key: Z85 of 40 characters, or the path of a file that holds it; undefined: links without keys. */
  readonly masterKey: string | undefined;
  /** Secret key of this slave (as `piw keygen` writes it), absolute. */
  readonly keyFile: string | undefined;
  /** Builds and the spool lie under it; absolute. */
  readonly dir: string;
  readonly label: string;
  readonly debug: readonly string[];
  /** Interpreters to build with, in this order; never empty. */
  readonly pythons: readonly string[];
  /** Builds at the same time; at least 1. */
  readonly jobs: number;
  /** Longest time of one build. */
  readonly timeoutMs: number;
  /** Tried in this order; what none of them matches is for `defaultRunner`. */
  readonly runners: readonly RunnerSettings[];
  readonly defaultRunner: RunnerSettings;
  /** How often an idle slave asks by itself; undefined: as the master says. */
  readonly pollMs: number | undefined;
  readonly sandbox: "auto" | "bubblewrap" | "none";
  /** What builds reach; undefined: the indexes alone in a sandbox, everything without one. */
  readonly network: "index" | "full" | "none" | undefined;
  /** `HOST` or `HOST:PORT`: let through beside the indexes. */
  readonly allowedHosts: readonly string[];
  /** Per build; undefined: not limited. */
  readonly limits: BuildLimits;
  readonly devMode: boolean;
  readonly times: SlaveTimes;
}

export interface MonitorSettings {
  /** The master's ends, as this machine reaches them. */
  readonly controlQueue: string;
  readonly statusQueue: string;
  /** Who gives the orders, such as `alice@host piw-monitor`. */
  readonly by: string;
  readonly shutdownMs: number;
}

export interface FarmSettings {
  /** See `MasterSettings`. */
  readonly dashboard: WhoMaySee;
  /** See `MasterSettings`. */
  readonly metricsAccess: WhoMaySee;
  readonly version: string;
  /** PEP 508 requirements to build; empty: everything that the upstream has. */
  readonly requirements: readonly string[];
  /** undefined: the sample upstream that ships with the project. */
  readonly upstream: UpstreamUrls | undefined;
  /** See `MasterSettings`. */
  readonly upstreamContact: string | undefined;
  /** End when nothing is left to build. */
  readonly once: boolean;
  /** Database, keys, site and spools lie under it; absolute. */
  readonly dataDir: string;
  readonly http: ListenAddress;
  readonly diskReserveBytes: number;
  /** At least 1. */
  readonly slaves: number;
  /** Interpreters of the slaves; empty: the slave's default. */
  readonly pythons: readonly string[];
  /** Longest time of one build; undefined: the slave's default. */
  readonly timeoutMs: number | undefined;
  readonly order: "newest" | "oldest" | "popular";
  readonly upstreamWheels: "count" | "ignore" | undefined;
  readonly oracles: number;
  readonly devMode: boolean;
  readonly times: MasterTimes;
  readonly debug: readonly string[];
  /** Handed to the master and the slaves; true only where the user said so or the farm itself runs as root. */
  readonly allowRoot: boolean;
}

export interface InitdbSettings {
  readonly version: string;
  readonly dsn: string;
  /** The role that gets the master's rights. */
  readonly user: string;
  /** Roles that get the right to read. */
  readonly readers: readonly string[];
  /** No prompt. */
  readonly yes: boolean;
  /** How long rows of the access log are kept, whole days; undefined: as it is. */
  readonly accessExpiry: { readonly days: number } | "never" | undefined;
}
