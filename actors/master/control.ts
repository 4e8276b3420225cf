/** Control: what a monitor asks of the master. Answers at once, also when every task is busy or away. */
import type { ControlAnswers, ControlQuestions } from "../../protocol/links/control.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import { type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import type { SlaveDriverMessages } from "./slave-driver.ts";

export interface ControlMessages extends PeerMessages<ControlQuestions> {
  /** Cloud Gazer, after each pass. Told rather than asked for, since it may be busy or paused. */
  FOLLOWING(body: { readonly isCaughtUp: boolean }): void;
}

export interface ControlArgs {
  readonly link: ActorRef<EndpointMessages<ControlAnswers>>;
  readonly database: DatabaseRef;
  readonly slaveDriver: ActorRef<SlaveDriverMessages>;
  /** Pauses, resumes, or ends: the tree's own functions. Each gives the tasks that it concerned. */
  pause(pattern: string): readonly string[];
  resume(pattern: string): readonly string[];
  quit(): void;
  /** The tasks that are without something that they need, and what. */
  troubles(): readonly string[];
}

interface State {
  readonly args: ControlArgs;
  isCaughtUp: boolean;
}

export const control = defineActor<ControlMessages, ControlArgs, State>({
  name: "takes what monitors ask",
  async init(_ctx, args) {
    await args.link.ask("ATTACH");
    return { args, isCaughtUp: false };
  },
  handle: {
    PEER_OPENED: () => undefined,
    PEER_CLOSED: () => undefined,
    FOLLOWING(state, { isCaughtUp }) {
      state.isCaughtUp = isCaughtUp;
    },
    PEER_MESSAGE(state, { message, reply }, ctx) {
      const { args } = state;
      switch (message.type) {
        case "PAUSE":
          reply?.({ value: { tasks: [...args.pause(message.body.task)] } });
          return;
        case "RESUME":
          reply?.({ value: { tasks: [...args.resume(message.body.task)] } });
          return;
        case "QUIT":
          reply?.({ value: {} });
          ctx.log.info("a monitor asked the master to quit");
          args.quit();
          return;
        case "REPORT":
          ctx.run(async () => {
            try {
              reply?.({ value: await report(state) });
            } catch (error) {
              reply?.({ error: toError(error).message });
            }
          });
          return;
      }
    },
  },
});

/** Less than the tools wait for an answer. */
const REPORT_MS = 4_000;

async function report({ args, isCaughtUp }: State): Promise<FarmReport> {
  const options = { timeoutMs: REPORT_MS };
  const [slaves, queue] = await Promise.all([
    args.slaveDriver.ask("COUNT", undefined, options),
    args.database.ask("queueReport", null, options),
  ]);
  const { unread, ...rest } = queue;
  const followed = isCaughtUp && unread === 0;
  return { ...rest, followed, slaves, troubles: [...args.troubles()] };
}
