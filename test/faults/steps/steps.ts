/**
 * The steps of the protocol between slave and master, in the order in which a build comes to them: each a place at
 * which `killed-at-each-step.test.ts` holds everything and kills. A message that is about to cross is a place before
 * it is heard; a gate in the database one between two changes of the master. What lies between two writes of the slave's
 * outbox is killed at random in `slave-killed.test.ts`, and between two of the output folder in `storage.test.ts`.
 */
import type { GateName } from "../../support/database-gate.ts";
import { frameOf, messageOf, type Stop } from "../../support/link-proxy.ts";

/** Where a step is seen. */
export type Place =
  | { readonly on: "slave link" | "file link"; readonly stop: Stop }
  | { readonly on: "database"; readonly gate: GateName }
  /** Settled, and nothing of it read for placing. */
  | { readonly on: "between settling and placing" }
  /** The slave asks the upstream for the sdist. */
  | { readonly on: "upstream" };

/** What is hit at a step: a program is killed, or both links are cut. */
export type Victim = "master" | "slave" | "network";

export interface Step {
  readonly name: string;
  readonly place: Place;
  /** It is a step of a new session: the slave is cut off first. */
  readonly isOfNewSession?: true;
  /** It comes while a build runs, so that takes a while. */
  readonly buildMs?: number;
  /** Leases that the build takes where it is more than one: what was ordered and is not known to the slave is leased again. */
  readonly leases?: Partial<Record<Victim, number>>;
}

/** Longer than a busy slave waits before it says BUSY. */
const LONG_BUILD_MS = 1_500;
export const MEBIBYTE = 1024 ** 2;
/** Of the wheels: three ranges of a transfer. */
export const PAYLOAD_BYTES = 2.5 * MEBIBYTE;

const isWheel = ({ filename }: { filename: string }) => filename.endsWith(".whl");
const isLog = (body: { filename: string }) => !isWheel(body);
const onSlaveLink = (stop: Stop): Place => ({ on: "slave link", stop });
const onFileLink = (stop: Stop): Place => ({ on: "file link", stop });

export const steps: readonly Step[] = [
  {
    name: "the slave asks for a session",
    place: onSlaveLink(frameOf("to master", "HELLO")),
    isOfNewSession: true,
  },
  {
    name: "the session is granted (WELCOME)",
    place: onSlaveLink(frameOf("to slave", "WELCOME")),
    isOfNewSession: true,
  },
  {
    name: "HELLO is said",
    place: onSlaveLink(messageOf("to master", "HELLO")),
    isOfNewSession: true,
  },
  {
    name: "ACK is said",
    place: onSlaveLink(messageOf("to slave", "ACK")),
    isOfNewSession: true,
  },
  { name: "IDLE is said", place: onSlaveLink(messageOf("to master", "IDLE")) },
  {
    name: "the lease is recorded, not committed",
    place: { on: "database", gate: "leased" },
    leases: { slave: 2, network: 2 },
  },
  {
    name: "BUILD is said",
    place: onSlaveLink(messageOf("to slave", "BUILD")),
    leases: { master: 2, slave: 2, network: 2 },
  },
  { name: "the sdist is asked for", place: { on: "upstream" }, leases: { slave: 2 } },
  {
    name: "BUSY is said",
    place: onSlaveLink(messageOf("to master", "BUSY")),
    buildMs: LONG_BUILD_MS,
    leases: { slave: 2 },
  },
  {
    name: "BUSY is answered (CONT)",
    place: onSlaveLink(
      // To an idle slave it says that there is work: the one that follows BUSY is meant.
      after(messageOf("to master", "BUSY"), messageOf("to slave", "CONT")),
    ),
    buildMs: LONG_BUILD_MS,
    leases: { slave: 2 },
  },
  {
    name: "the result is in the outbox, and BUILT is said",
    place: onSlaveLink(messageOf("to master", "BUILT")),
  },
  { name: "SEND is said", place: onSlaveLink(messageOf("to slave", "SEND")) },
  { name: "the log is asked for", place: onFileLink(messageOf("to slave", "FETCH", isLog)) },
  { name: "the log is sent", place: onFileLink(messageOf("to master", "CHUNK", isLog)) },
  { name: "the wheel is asked for", place: onFileLink(messageOf("to slave", "FETCH", isWheel)) },
  {
    name: "the first range of the wheel is sent",
    place: onFileLink(messageOf("to master", "CHUNK", isWheel)),
  },
  {
    name: "a range in the middle of the wheel is sent",
    place: onFileLink(
      messageOf(
        "to master",
        "CHUNK",
        (body: { filename: string; offset: number }) =>
          isWheel(body) && body.offset > 0 && body.offset < 2 * MEBIBYTE,
      ),
    ),
  },
  {
    name: "one of the last ranges of the wheel is sent",
    place: onFileLink(
      messageOf(
        "to master",
        "CHUNK",
        (body: { filename: string; offset: number }) =>
          isWheel(body) && body.offset >= 2 * MEBIBYTE,
      ),
    ),
  },
  { name: "SENT is said", place: onSlaveLink(messageOf("to master", "SENT", isWheel)) },
  {
    name: "the files are stored, and the outcome is not committed",
    place: { on: "database", gate: "settled" },
  },
  { name: "settled, nothing placed", place: { on: "between settling and placing" } },
  {
    name: "placed, and that is not committed",
    place: { on: "database", gate: "placed" },
  },
  { name: "DONE is said", place: onSlaveLink(messageOf("to slave", "DONE")) },
  {
    name: "a page is written, and its request not done with",
    place: { on: "database", gate: "paged" },
  },
];

/** What fits the second after something fitted the first. */
function after(first: Stop, second: Stop): Stop {
  let isAfter = false;
  return (direction, crossing) => {
    const fits = isAfter && second(direction, crossing);
    if (first(direction, crossing)) isAfter = true;
    // The same step comes once for each victim.
    if (fits) isAfter = false;
    return fits;
  };
}
