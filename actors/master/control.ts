/** Control: what a monitor asks of the master. Answers at once, also when every task is busy or away. */
import type { ControlAnswers, ControlQuestions } from "../../protocol/links/control.ts";
import type { FarmReport } from "../../protocol/model/status.ts";
import { type ActorRef, defineActor, toError } from "../../supervisor/index.ts";
import type { CloudGazerMessages } from "./cloud-gazer.ts";
import type { DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import type { SlaveDriverMessages } from "./slave-driver.ts";

export type ControlMessages = PeerMessages<ControlQuestions>;

export interface ControlArgs {
  readonly link: ActorRef<EndpointMessages<ControlAnswers>>;
  readonly database: DatabaseRef;
  readonly cloudGazer: ActorRef<CloudGazerMessages>;
  readonly slaveDriver: ActorRef<SlaveDriverMessages>;
  /** Pauses, resumes, or ends: the tree's own functions. Each gives the tasks that it concerned. */
  pause(pattern: string): readonly string[];
  resume(pattern: string): readonly string[];
  quit(): void;
}

export const control = defineActor<ControlMessages, ControlArgs, ControlArgs>({
  name: "takes what monitors ask",
  async init(_ctx, args) {
    await args.link.ask("ATTACH");
    return args;
  },
  handle: {
    PEER_OPENED: () => undefined,
    PEER_CLOSED: () => undefined,
    PEER_MESSAGE(args, { message, reply }, ctx) {
      switch (message.type) {
        case "PAUSE":
          answerTasks(args.pause(message.body.task), message.body.task, reply);
          return;
        case "RESUME":
          answerTasks(args.resume(message.body.task), message.body.task, reply);
          return;
        case "QUIT":
          reply?.({ value: {} });
          ctx.log.info("a monitor asked the master to quit");
          args.quit();
          return;
        case "REPORT":
          ctx.run(async () => {
            try {
              reply?.({ value: await report(args) });
            } catch (error) {
              reply?.({ error: toError(error).message });
            }
          });
          return;
      }
    },
  },
});

type Reply = ((outcome: { value: unknown } | { error: string }) => void) | undefined;

function answerTasks(tasks: readonly string[], pattern: string, reply: Reply): void {
  if (tasks.length === 0)
    reply?.({ error: `no task that can be paused matches ${JSON.stringify(pattern)}` });
  else reply?.({ value: { tasks: [...tasks] } });
}

async function report(args: ControlArgs): Promise<FarmReport> {
  const options = { timeoutMs: 8_000 };
  const isCaughtUp = await args.cloudGazer.ask("CAUGHT_UP", undefined, options);
  const [slaves, queue] = await Promise.all([
    args.slaveDriver.ask("COUNT", undefined, options),
    args.database.ask("queueReport", null, options),
  ]);
  const { unread, ...rest } = queue;
  return { ...rest, followed: isCaughtUp && unread === 0, slaves };
}
