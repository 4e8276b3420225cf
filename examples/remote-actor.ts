/**
 * An actor in another process, spoken to over ZeroMQ with keys as if it were here. The child process is killed
 * in the middle and started again: the ref stays good, and what was said meanwhile arrives. Run it with
 * `node dist/examples/remote-actor.js` after `npm run build`.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { z } from "zod";
import { declareProtocol } from "../protocol/links/declare.ts";
import { connectNode, generateKeyPair, openNodeDoor } from "../protocol/transport/index.ts";
import {
  AskError,
  child,
  defineActor,
  type MessagesOfProtocol,
  silentLogger,
  startSystem,
  supervisor,
} from "../supervisor/index.ts";

/** Declared once: the types of both ends, and the checks of what comes in. */
const counterProtocol = declareProtocol({
  name: "counter",
  messages: {
    ADD: { body: z.number().int() },
    TOTAL: { reply: z.object({ total: z.number(), pid: z.number() }) },
  },
});
type CounterMessages = MessagesOfProtocol<typeof counterProtocol>;
const protocols = (path: string) => (path === "/counter" ? counterProtocol : undefined);

const counter = defineActor<CounterMessages, undefined, { total: number }>({
  name: "counts",
  init: () => ({ total: 0 }),
  handle: {
    ADD(state, by) {
      state.total += by;
    },
    TOTAL: ({ total }) => ({ total, pid: process.pid }),
  },
});

/** The other process: one actor behind a door. Its keys come from its parent, here in the environment. */
async function runChild(address: string): Promise<void> {
  const secret = JSON.parse(process.env["EXAMPLE_KEYS"] ?? "") as ReturnType<
    typeof generateKeyPair
  >;
  const system = await startSystem({
    name: "child",
    logger: silentLogger,
    node: { name: "child", protocols },
    root: supervisor("root", {}, [child("counter", counter, undefined)]),
  });
  const door = await openNodeDoor({
    nodes: system.nodes,
    address,
    keys: { secret, isAuthorised: (key) => key === secret.publicKey },
    log: silentLogger,
  });
  process.send?.(door.address);
}

async function runParent(): Promise<void> {
  const own = generateKeyPair();
  const startChild = async (address: string) => {
    const started = fork(new URL(import.meta.url), [address], {
      env: { ...process.env, EXAMPLE_KEYS: JSON.stringify(own) },
    });
    const [bound] = (await once(started, "message")) as [string];
    return { started, bound };
  };
  const first = await startChild("tcp://127.0.0.1:0");
  const system = await startSystem({
    name: "parent",
    logger: silentLogger,
    node: { name: "parent", protocols },
    root: supervisor("root", {}, []),
  });
  const connection = connectNode({
    channel: system.nodes.channel("child"),
    address: first.bound,
    keys: { own, serverPublicKey: own.publicKey },
    slot: "parent",
    heartbeatMs: 200,
    log: silentLogger,
  });

  const remote = system.ref<CounterMessages>("child:/counter");
  for (let n = 0; n < 1_000; n += 1) remote.tell("ADD", 1);
  const before = await remote.ask("TOTAL");
  process.stdout.write(`${before.total} counted in another process\n`);

  first.started.kill("SIGKILL");
  await once(first.started, "exit");
  // Said while nobody is there: it waits, and reaches the next one.
  remote.tell("ADD", 7);
  const second = await startChild(first.bound);
  const after = await askUntilThere(() => remote.ask("TOTAL"));
  process.stdout.write(
    `${after.total} after a restart, in ${after.pid === before.pid ? "the same" : "a new"} process\n`,
  );

  await system.stop();
  await connection.close();
  second.started.kill();
  await once(second.started, "exit");
}

/** Whether work was done is unknown when its node is lost; asking again is the asker's decision. */
async function askUntilThere<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (
        !(error instanceof AskError && (error.code === "noconnection" || error.code === "timeout"))
      )
        throw error;
    }
  }
}

const [address] = process.argv.slice(2);
await (address === undefined ? runParent() : runChild(address));
