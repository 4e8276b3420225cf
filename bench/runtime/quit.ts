/** How soon QUIT is heard by an actor that has 200,000 messages before it. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { dispatch, spawn } from "nact";
import { child, defineActor } from "../../supervisor/index.ts";
import { atMost, type Findings } from "../frame.ts";
import { Gate } from "../gate.ts";
import { type Contender, figure, figuresOf, rounded } from "../rounds.ts";
import { playApart } from "./apart.ts";
import { NACT, PLAIN, PlainActor, RUNTIME, withNact, withSystem } from "./stage.ts";

const QUEUED = 200_000;
const ROUNDS = 3;
/** QUIT is sent when it is in the midst of them. */
const UNDER_WAY = 1_000;

/** One actor while it works through its queue. */
interface Scene {
  handled: number;
  handledAtQuit: number;
  readonly quit: Gate;
}
const newScene = (): Scene => ({ handled: 0, handledAtQuit: 0, quit: new Gate() });

type MessageName = keyof WorkerMessages;
interface WorkerMessages {
  WORK(): void;
  QUIT(): void;
}
const worker = defineActor<WorkerMessages, Scene, Scene>({
  name: "has a long queue",
  mailbox: { bound: QUEUED },
  control: ["QUIT"],
  init: (_ctx, scene) => scene,
  handle: {
    WORK: (scene) => {
      scene.handled += 1;
    },
    QUIT: (scene) => {
      scene.handledAtQuit = scene.handled;
      scene.quit.open();
    },
  },
});

export async function quitQuestion(signal: AbortSignal): Promise<Findings> {
  const rounds = await playApart("quit", quitters(), ROUNDS, signal);
  const took = figuresOf(rounds, ({ tookMs }) => tookMs);
  const most = (name: string): number =>
    Math.max(...(rounds.get(name) ?? []).map(({ between }) => between));
  return {
    tables: [
      took.table("QUIT behind 200,000 queued messages, sent in their midst", "ms", NACT),
      {
        title: "messages handled between its sending and its handling",
        head: ["", "most of any round"],
        rows: [RUNTIME, NACT, PLAIN].map((name) => [name, figure(most(name))]),
      },
    ],
    notes: [
      "The plain queue takes all that it has in one turn: nobody else runs before QUIT can be sent.",
    ],
    figures: {
      quitMs: rounded(took.median(RUNTIME)),
      nactQuitMs: rounded(took.median(NACT)),
      quitBehindMessages: most(RUNTIME),
    },
    // Sent between two turns, it is the first of the next one: the batch in hand is over by then.
    aims: [atMost("quitBehindMessages", most(RUNTIME), 0, "messages")],
  };
}

/** Of one QUIT. */
interface Quit {
  readonly tookMs: number;
  /** Messages that were handled between its sending and its handling. */
  readonly between: number;
}

export const quitters = (): Contender<Quit>[] => [
  {
    name: RUNTIME,
    play: async (signal) => {
      const scene = newScene();
      return await withSystem([child("worker", worker, scene)], async (system) => {
        const ref = system.ref<WorkerMessages>("/worker");
        return await sendQuit(scene, (type) => ref.tell(type), signal);
      });
    },
  },
  {
    name: NACT,
    play: async (signal) =>
      await withNact(async (system) => {
        const scene = newScene();
        const handle = heard(scene);
        const actor = spawn(
          system,
          (_state: undefined, type: MessageName): undefined => {
            handle(type);
          },
          "worker",
        );
        const send = (type: MessageName): void => {
          dispatch(actor, type);
        };
        return await sendQuit(scene, send, signal);
      }),
  },
  {
    name: PLAIN,
    play: async (signal) => {
      const scene = newScene();
      const actor = new PlainActor(heard(scene));
      const send = (type: MessageName): void => {
        actor.send(type);
      };
      return await sendQuit(scene, send, signal);
    },
  },
];

async function sendQuit(
  scene: Scene,
  send: (type: MessageName) => void,
  signal: AbortSignal,
): Promise<Quit> {
  for (let n = 0; n < QUEUED; n += 1) send("WORK");
  while (scene.handled < UNDER_WAY) await nextTurn();
  const handledBefore = scene.handled;
  const sentAtMs = performance.now();
  send("QUIT");
  await scene.quit.passed(signal);
  return {
    tookMs: performance.now() - sentAtMs,
    between: scene.handledAtQuit - handledBefore,
  };
}

function heard(scene: Scene): (type: MessageName) => void {
  return (type) => {
    if (type === "WORK") scene.handled += 1;
    else {
      scene.handledAtQuit = scene.handled;
      scene.quit.open();
    }
  };
}
