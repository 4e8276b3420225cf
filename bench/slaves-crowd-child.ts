/**
 * Many slaves in one process, for the bench `slaves`: each is an endpoint of the slave link on a socket of its own
 * that says HELLO and IDLE as piw-slave does and sleeps until CONT. A build that it is given it holds, and builds
 * nothing. Or as many raw DEALERs.
 */
import { once } from "node:events";
import { context, Dealer } from "zeromq";
import { productVersion } from "../config/version.ts";
import { type FromSlave, slaveLink, type ToSlave } from "../protocol/links/slave.ts";
import { connectEndpoint } from "../protocol/transport/index.ts";
import { type ClientEndpoint, type MessageOf, silentLogger } from "../supervisor/index.ts";
import { obeyOrders } from "./bench-child.ts";
import { type CrowdOrder, type CrowdSays, nowUs, type Told } from "./slaves/words.ts";

type Connect = Extract<CrowdOrder, { type: "connect" }>;

interface Slave {
  readonly label: string;
  endpoint: ClientEndpoint<FromSlave> | undefined;
  isBusy: boolean;
  poll: NodeJS.Timeout | undefined;
  asleep: () => void;
}

// Each socket has a second one for its events.
context.maxSockets = 20_000;
/** Connecting at once: less than a listening socket's backlog. */
const AT_ONCE = 50;
const HEARTBEAT_MS = 10_000;
const stats = {
  diskFreeBytes: 1e11,
  diskSizeBytes: 2e11,
  memoryFreeBytes: 1e9,
  memorySizeBytes: 4e9,
  swapFreeBytes: 0,
  swapSizeBytes: 0,
  loadAverage: 0.5,
  temperatureC: null,
};
const slaves: Slave[] = [];
const dealers: Dealer[] = [];
/** What slaves hear by a person's word. */
const words: readonly string[] = ["SLEEP", "CONT", "DONE", "DIE"] satisfies Told[];
const say = (said: CrowdSays): void => void process.send?.(said);

obeyOrders(obey);
if (process.connected) await once(process, "disconnect");
await close();

async function obey(order: CrowdOrder): Promise<void> {
  if (order.type === "connect") {
    const numbers = Array.from({ length: order.count }, (_, at) => order.first + at);
    const lane = async (): Promise<void> => {
      for (let next = numbers.shift(); next !== undefined; next = numbers.shift())
        await (order.way === "raw" ? connectRaw(order) : connectSlave(order, next));
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    say({ type: "here" });
  } else if (order.type === "ask") {
    const idle = slaves.filter(({ isBusy }) => !isBusy);
    await Promise.all(idle.map((slave) => askForWork(slave)));
    say({ type: "answered", messages: 2 * idle.length });
  } else if (order.type === "pace") {
    const { everyMs } = order;
    for (const [at, slave] of slaves.entries()) {
      clearInterval(slave.poll);
      slave.poll = setTimeout(
        () => {
          sayIdle(slave);
          slave.poll = setInterval(() => sayIdle(slave), everyMs);
        },
        (everyMs * at) / slaves.length,
      );
    }
    say({ type: "paced" });
  } else {
    await close();
    say({ type: "closed" });
  }
}

async function close(): Promise<void> {
  for (const { poll } of slaves) clearInterval(poll);
  await Promise.all(slaves.splice(0).map(async ({ endpoint }) => endpoint?.close()));
  for (const dealer of dealers.splice(0)) dealer.close();
}

async function connectRaw({ address }: Connect): Promise<void> {
  const dealer = new Dealer({ linger: 0 });
  dealers.push(dealer);
  dealer.connect(address);
  await dealer.send("here");
  await dealer.receive();
}

/** Resolves when it sleeps for the first time. */
async function connectSlave({ address, target }: Connect, number: number): Promise<void> {
  const slave: Slave = {
    label: `crowd-${number}`,
    endpoint: undefined,
    isBusy: false,
    poll: undefined,
    asleep: () => undefined,
  };
  slaves.push(slave);
  await new Promise<void>((asleep) => {
    slave.asleep = asleep;
    slave.endpoint = connectEndpoint(slaveLink, {
      address,
      identity: `local:crowd-${number}`,
      slot: `crowd-${number}`,
      heartbeatMs: HEARTBEAT_MS,
      log: silentLogger,
      handlers: {
        up: () => greet(slave, number, target),
        down: () => undefined,
        message: (message) => hear(slave, message),
      },
    });
  });
}

function greet(slave: Slave, number: number, target: string): void {
  slave.endpoint?.send("HELLO", {
    version: productVersion,
    label: `crowd-${number}`,
    host: { os: "Linux", board: "", hostname: `crowd-${number}`, cores: 4 },
    targets: [
      {
        name: target,
        implementation: "cpython",
        pythonVersion: "3.11",
        pythonFullVersion: "3.11.4",
        abiTag: "cp311",
        platformTag: "linux_x86_64",
        tags: ["cp311-cp311-linux_x86_64", "cp311-none-any", "py3-none-any"],
      },
    ],
    timeoutMs: 3_600_000,
    running: [],
    finished: [],
  });
}

function hear(slave: Slave, message: MessageOf<ToSlave>): void {
  if (message.type === "BUILD") {
    slave.isBusy = true;
    const { label } = slave;
    say({ type: "build", package: message.body.package, label, atUs: nowUs() });
    slave.asleep();
  } else if (slave.isBusy && isWord(message)) {
    // In the middle of a build that is what a person has said.
    say({ type: "told", label: slave.label, what: message.type, atUs: nowUs() });
    if (message.type === "DIE") void slave.endpoint?.close();
  } else if (message.type === "ACK") {
    const { idleIntervalMs } = message.body;
    slave.poll = setInterval(() => sayIdle(slave), idleIntervalMs);
    sayIdle(slave);
  } else if (message.type === "CONT") sayIdle(slave);
  else if (message.type === "SLEEP") slave.asleep();
}

function isWord(
  message: MessageOf<ToSlave>,
): message is Extract<MessageOf<ToSlave>, { type: Told }> {
  return words.includes(message.type);
}

function sayIdle(slave: Slave): void {
  if (!slave.isBusy) slave.endpoint?.send("IDLE", { stats });
}

async function askForWork(slave: Slave): Promise<void> {
  await new Promise<void>((asleep) => {
    slave.asleep = asleep;
    sayIdle(slave);
  });
}
