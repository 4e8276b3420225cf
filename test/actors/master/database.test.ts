/** How tasks ask the database: what can never be answered ends, all else is asked again. */
import { afterEach, expect, it } from "vitest";
import {
  askUntilDone,
  type DatabaseRef,
  databaseProtocol,
} from "../../../actors/master/database.ts";
import type { DatabaseMessages } from "../../../db/requests.ts";
import { decode, encode } from "../../../protocol/transport/codec.ts";
import {
  child,
  defineActor,
  Refusal,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";

let system: System | undefined;
afterEach(() => system?.stop());

/** How often each request was handled. */
let handled: string[] = [];

/** Counts, gives an answer that is none, and crashes twice before it works. */
const standIn = defineActor<Pick<DatabaseMessages, "extendLeases" | "upstreamSerial" | "ping">>({
  name: "answers as a database might",
  init() {},
  handle: {
    extendLeases: () => handled.push("extendLeases"),
    upstreamSerial() {
      handled.push("upstreamSerial");
      return -1;
    },
    ping() {
      if (handled.push("ping") < 3) throw new Error("crashed on purpose");
      return null;
    },
  },
});

/** A database that is spoken to as if it were in another process. */
async function start(): Promise<DatabaseRef> {
  handled = [];
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    node: { name: "here", protocols: () => databaseProtocol },
    forceCodec: { encode, decode },
    root: () => supervisor("main", {}, [child("database", standIn, undefined)]),
  });
  return system.ref<DatabaseMessages>("/database");
}

const newAsker = () => ({
  signal: AbortSignal.timeout(9_000),
  degraded: () => undefined,
  healthy: () => undefined,
});

it("a question whose arguments cannot be is refused, not asked for ever", async () => {
  const database = await start();
  const asked = askUntilDone(newAsker(), database, "extendLeases", { graceMs: Number.NaN });
  const refusal = await asked.catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(Refusal);
  expect(refusal).toMatchObject({ code: "failed" });
  expect(String(refusal)).toContain("database: extendLeases: graceMs");
  expect(handled).toEqual([]);
});

it("an answer that is none is a refusal after one question", async () => {
  const database = await start();
  const refusal = await askUntilDone(newAsker(), database, "upstreamSerial", null).catch(
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(Refusal);
  expect(refusal).toMatchObject({ code: "failed" });
  expect(handled).toEqual(["upstreamSerial"]);
});

it("a question that crashed the database is asked again", async () => {
  const database = await start();
  expect(await askUntilDone(newAsker(), database, "ping", null)).toBeNull();
  expect(handled).toEqual(["ping", "ping", "ping"]);
});
