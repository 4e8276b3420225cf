/**
 * Starts the master: all of it, or the parts that `--tasks` names. What is wrong with the machine (no
 * database, no rights, a taken address) is one error before or while it starts, and leaves nothing running.
 */
import { type PartName, partNames } from "../../config/parts.ts";
import type { MasterSettings } from "../../config/settings.ts";
import { openConnection } from "../../db/connection.ts";
import { releaseLeadership, takeLeadership } from "../../db/leader.ts";
import { checkSchema } from "../../db/migrate.ts";
import { ownProcess, type ProcessIdentity } from "../../db/own-process.ts";
import { checkMasterRights } from "../../db/rights.ts";
import type { ToPart } from "../../protocol/links/tasks/part.ts";
import {
  codec,
  type KeyPair,
  readAuthorizedKeys,
  readKeyFile,
  type ServerKeys,
} from "../../protocol/transport/index.ts";
import { UpstreamClient, userAgent } from "../../protocol/upstream/index.ts";
import {
  type ActorRef,
  type Logger,
  type System,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { readSigningKey } from "../../web/provenance/signing-key.ts";
import { Mounts, TokenGate } from "../../web/server.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { type Colleagues, findColleagues, paths } from "./colleagues.ts";
import { type Drained, drain } from "./drain.ts";
import { makeHooks } from "./hooks/make-hooks.ts";
import { Meters } from "./metrics/meters.ts";
import { openMonitorDoor } from "./monitor-door.ts";
import { localPart, type MasterPart, type ProcessLog, remotePart } from "./part.ts";
import { taskProtocols } from "./protocols.ts";
import { Refusals } from "./refusals.ts";
import {
  databaseBranch,
  greetingOf,
  leadershipBranch,
  linksBranch,
  observersBranch,
  partsBranch,
  processName,
  refusalOf,
  servicesBranch,
  siteUrl,
} from "./tree-branches.ts";
import { startWheelChecker } from "./wheel-check.ts";

/**
 * Starts the master. Its promise settles when every task of this process is ready; other parts may still be
 * away then. `log` is what `logger` goes by.
 * @throws an error whose message is one line that says what to do; nothing is left running then.
 */
export async function startMaster(
  settings: MasterSettings,
  logger: Logger,
  log: ProcessLog,
  signal?: AbortSignal,
): Promise<System> {
  const { times, parts: here } = settings;
  const isHere = (part: PartName): boolean => here.includes(part);
  const leading = isHere("db") ? ownProcess() : undefined;
  const ownKeys = settings.keyFile === undefined ? undefined : readKeyFile(settings.keyFile);
  const keys = ownKeys && serverKeys(ownKeys, settings.authorizedKeysDir, logger);
  const monitors =
    isHere("main") && ownKeys && settings.monitorKeysDir !== undefined
      ? openMonitorDoor(ownKeys, settings.monitorKeysDir, logger)
      : undefined;
  const signingKey =
    isHere("fs") && settings.signingKeyFile !== undefined
      ? readSigningKey(settings.signingKeyFile)
      : undefined;
  const hooks = isHere("front")
    ? makeHooks(settings.hooks, userAgent(settings.version, undefined))
    : undefined;
  const storage =
    isHere("fs") || isHere("web")
      ? await openLocalStorage(settings.outputPath, temporaryName(here))
      : undefined;
  const wheelChecker = isHere("fs") ? startWheelChecker() : undefined;
  const upstream = isHere("front")
    ? new UpstreamClient({
        ...settings.upstream,
        userAgent: userAgent(settings.version, settings.upstreamContact),
      })
    : undefined;

  const refusals = new Refusals();
  let drained: Drained | undefined;
  // Control has seen to it before it tells a process to quit; a signal comes without that.
  let isDrained = !isHere("driver");
  const beforeStop = async (): Promise<void> => {
    if (drained !== undefined && !isDrained) await drain(drained, logger);
  };
  const end = (): void => {
    isDrained = true;
    void system?.stop();
  };
  const meters = new Meters();
  let system: System | undefined;
  let isLeading = false;
  let supersession: Error | undefined;
  const superseded = (reason: string): void => {
    supersession = new Error(reason);
    system?.crash("/", supersession);
  };
  try {
    if (leading !== undefined) {
      await beginOnDatabase(settings, leading, logger, signal);
      isLeading = true;
    }
    system = await startSystem({
      name: "master",
      logger,
      debug: settings.debug,
      stopDeadlineMs: times.shutdownMs,
      beforeStop,
      ...(signal && { signal }),
      node: {
        name: processName(here),
        greeting: greetingOf(settings),
        refuses: (channel, greeting) => refusalOf(settings, channel, greeting),
        protocols: (path) => taskProtocols.get(path),
        awayMs: times.partAwayMs,
      },
      ...(settings.forceCodec && { forceCodec: codec }),
      root: ({ ref, nodes }) => {
        const colleagues = findColleagues(ref, (part) => (isHere(part) ? "" : `${part}:`));
        drained = { ...colleagues, drainMs: times.drainMs };
        const means = {
          settings,
          colleagues,
          ref,
          nodes,
          keys,
          ownKeys,
          monitors,
          storage,
          signer: signingKey && { key: signingKey, farmUrl: siteUrl(settings) },
          wheels: wheelChecker,
          upstream,
          hooks: hooks?.list ?? [],
          leading,
          superseded,
          refusals,
          meters,
          mounts: new Mounts(),
          gate: tokenGate(colleagues, refusals),
          parts: allParts(
            here,
            ref,
            localPart(processName(here), () => system, end, refusals, log, meters),
          ),
        };
        return supervisor("main", { strategy: "rest_for_one" }, [
          ...(leading === undefined ? [] : [leadershipBranch(means)]),
          partsBranch(means),
          linksBranch(means),
          ...(isHere("main") ? [observersBranch(means)] : []),
          ...(isHere("db") ? [databaseBranch(means)] : []),
          servicesBranch(means),
        ]);
      },
    });
  } catch (error) {
    await closeAll();
    if (isLeading && leading !== undefined) await giveBack(settings.dsn, leading);
    throw supersession ?? error;
  }
  void system.terminated.then(closeAll);
  if (supersession !== undefined) system.crash("/", supersession);
  return system;

  async function closeAll(): Promise<void> {
    await Promise.allSettled([wheelChecker?.close(), upstream?.close(), hooks?.close()]);
  }
}

/** Opening the storage removes what is half-written: of this process, not of another part beside it. */
const temporaryName = (here: readonly PartName[]): string =>
  here.length === partNames.length ? "temporary" : `temporary-${processName(here)}`;

/** One for all mounts, so that attempts at any of them count together. */
function tokenGate({ database }: Colleagues, refusals: Refusals): TokenGate {
  const refused = refusals.at(paths.http);
  return new TokenGate({
    // The gate waits no longer than this by itself.
    check: (sha256) => database.ask("checkToken", { sha256 }, { timeoutMs: 2_000 }),
    onRefused: (reason) => refused.count(reason),
  });
}

/** The processes of the master: those of other parts, each by its agent, and this one last. */
function allParts(
  here: readonly PartName[],
  ref: <M>(path: string) => ActorRef<M>,
  own: MasterPart,
): MasterPart[] {
  const others = here.includes("main") ? partNames.filter((part) => !here.includes(part)) : [];
  return [...others.map((part) => remotePart(part, ref<ToPart>(`${part}:${paths.agent}`))), own];
}

/**
 * Makes sure that the database is as this program wants it, and takes it for this master.
 * @throws SchemaError, DsnError, or an error for which `isUnavailable` holds: each one line.
 */
async function beginOnDatabase(
  { dsn, times, takeOver }: MasterSettings,
  leading: ProcessIdentity,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<void> {
  const sql = openConnection(dsn, { applicationName: "wheelwright master" });
  try {
    await checkSchema(sql);
    await checkMasterRights(sql);
    await takeLeadership(sql, leading, {
      leaderMs: times.leaderMs,
      takeOver,
      log: (line) => logger.warn(line),
      signal,
    });
    // piw-initdb may have been at work until a moment ago; from now on it is refused.
    await checkSchema(sql);
  } catch (error) {
    await releaseLeadership(sql, leading).catch(() => undefined);
    throw error;
  } finally {
    await sql.end();
  }
}

/** For a master that could not start. What cannot be given back is free when this process has ended. */
async function giveBack(dsn: string, leading: ProcessIdentity): Promise<void> {
  const sql = openConnection(dsn, {
    applicationName: "wheelwright master",
    connectTimeoutMs: 2_000,
  });
  await releaseLeadership(sql, leading).catch(() => undefined);
  await sql.end({ timeoutMs: 1_000 });
}

/** The master's key pair and whom it lets in. */
function serverKeys(secret: KeyPair, dir: string | undefined, logger: Logger): ServerKeys {
  if (dir === undefined) return { secret, isAuthorised: () => false };
  const authorized = readAuthorizedKeys(dir, {
    failed: (error) => {
      logger.error(
        { err: error, dir },
        "the authorised keys cannot be read: connected slaves stay, no other is let in until they can be",
      );
    },
  });
  return {
    secret,
    isAuthorised: (key) => authorized.isAuthorised(key),
    mayStay: (key) => authorized.mayStay(key),
  };
}
