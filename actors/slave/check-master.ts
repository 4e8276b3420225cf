/**
 * The part of `piw-slave --check` that asks the master: whether it is there, lets this key in, and is of the same
 * version. Called by tree.ts. It opens a session of its own on each link, which throws out no slave that runs.
 */
import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { filesLink } from "../../protocol/links/files.ts";
import { slaveLink } from "../../protocol/links/slave.ts";
import type { ClientKeys } from "../../protocol/transport/index.ts";
import {
  type Link,
  type LinkMessages,
  type ReplyOf,
  silentLogger,
} from "../../supervisor/index.ts";
import type { CheckRow } from "./check.ts";
import { lineTo, openLink } from "./connection.ts";

export interface MasterToCheck {
  readonly slaveQueue: string;
  readonly fileQueue: string;
  readonly version: string;
  readonly keys: ClientKeys | undefined;
}

/** What the master says that builds need to reach. */
export interface CheckedMaster {
  readonly rows: readonly CheckRow[];
  readonly indexes: readonly string[];
}

const WAIT_MS = 8_000;
const ANSWER_MS = 5_000;
const CONNECT_MS = 4_000;

export async function checkMaster(master: MasterToCheck): Promise<CheckedMaster> {
  const [slave, files] = await Promise.all([
    visit(slaveLink, master.slaveQueue, master.keys, (ask) => ask("PROBE", {}, ANSWER_MS)),
    visit(filesLink, master.fileQueue, master.keys, () => Promise.resolve(true)),
  ]);
  const rows: CheckRow[] = [];
  if ("trouble" in slave) rows.push(lack(master, master.slaveQueue, slave.trouble));
  else rows.push(versionRow(master, slave.found.version));
  if ("trouble" in files) rows.push(lack(master, master.fileQueue, files.trouble));
  if ("trouble" in slave) return { rows, indexes: [] };
  const { farmIndex, upstreamIndex } = slave.found;
  return { rows, indexes: [upstreamIndex, ...(farmIndex === null ? [] : [farmIndex])] };
}

function versionRow({ version, slaveQueue, keys }: MasterToCheck, theirs: string): CheckRow {
  if (theirs !== version) {
    return {
      state: "fails",
      text: `the master at ${slaveQueue} is version ${theirs}, this slave is ${version}: install the same version on both`,
    };
  }
  const trusted = keys === undefined ? "without keys" : "and it lets this slave's key in";
  return { state: "ok", text: `master ${theirs} at ${slaveQueue}, ${trusted}` };
}

/** Before anybody has said where the master is, the default address tells nothing of this machine. */
function lack({ keys }: MasterToCheck, address: string, trouble: string): CheckRow {
  const isUnasked = keys === undefined && /^tcp:\/\/localhost:555[56]$/.test(address);
  const text = `no master at ${address}: ${trouble}`;
  if (isUnasked) {
    return { state: "lacks", text: `${text}; give --master, --master-key and --key to check them` };
  }
  const isKey = keys !== undefined && trouble.includes("does not know this key");
  const help = isKey
    ? `; on the master's machine: piw slave-key add NAME '${keys.own.publicKey}'`
    : "";
  return { state: "fails", text: `${text}${help}` };
}

/** One session, one question. Why there was no session, in words, is a trouble. */
async function visit<S extends LinkMessages, C extends LinkMessages, T>(
  link: Link<S, C>,
  address: string,
  keys: ClientKeys | undefined,
  question: (
    ask: <K extends keyof S & string>(
      type: K,
      body: S[K]["body"],
      ms: number,
    ) => Promise<ReplyOf<S, K>>,
  ) => Promise<T>,
): Promise<{ readonly found: T } | { readonly trouble: string }> {
  // A name and slot of its own: with those of the slave that may run here it would throw that one out.
  const slot = `check-${randomUUID()}`;
  let settle: (trouble: string | undefined) => void = () => undefined;
  const isUp = new Promise<string | undefined>((resolve) => {
    settle = resolve;
  });
  try {
    const line = lineTo(
      {
        ...{ address, keys, identity: `local:${slot}` },
        ...{ heartbeatMs: 2_000, retryMs: { min: 200, max: 2_000 } },
      },
      silentLogger,
    );
    const endpoint = openLink(link, { line, slot }, silentLogger, {
      up: () => settle(undefined),
      message: () => undefined,
      down: (reason) => settle(reason),
    });
    const timer = setTimeout(() => settle("nobody answers"), WAIT_MS);
    try {
      const trouble = await isUp;
      if (trouble === "nobody answers") return { trouble: await whyNobodyAnswers(address) };
      if (trouble !== undefined) return { trouble };
      return { found: await question((type, body, ms) => endpoint.ask(type, body, ms)) };
    } finally {
      clearTimeout(timer);
      await endpoint.close();
    }
  } catch (error) {
    return { trouble: error instanceof Error ? error.message : String(error) };
  }
}

/** ZeroMQ tries on in silence; a plain connection says what is in its way. */
async function whyNobodyAnswers(address: string): Promise<string> {
  const [, host, port] = /^tcp:\/\/\[?([^\]]+?)\]?:(\d+)$/.exec(address) ?? [];
  if (host === undefined) return "nobody answers: is the master running?";
  return await new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: CONNECT_MS });
    const end = (why: string) => {
      socket.destroy();
      resolve(why);
    };
    socket.once("connect", () => end("what listens there does not speak as a master does"));
    socket.once("timeout", () =>
      end("no answer: is it the right host, and is the port open there?"),
    );
    socket.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOTFOUND") end(`there is no host called ${host}`);
      else if (error.code === "ECONNREFUSED") end("nothing listens there: is the master running?");
      else end(error.message);
    });
  });
}
