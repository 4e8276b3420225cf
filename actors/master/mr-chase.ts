/**
 * Mr. Chase: takes what the command line tools ask for over the import link, one question after the other,
 * and answers each: done, or why not. What each question means is in `chase/`, a file per question.
 */
import type { ImportAnswers, ImportQuestions } from "../../protocol/links/import.ts";
import type { WheelImportQuestions } from "../../protocol/links/wheel-import.ts";
import { type ActorRef, defineActor, type MessageOf, Refusal } from "../../supervisor/index.ts";
import type { AnswerContext, AnswerMeans, Answers } from "./chase/answer.ts";
import { change, lookUp, remove } from "./chase/change.ts";
import { rebuild, rebuilds } from "./chase/rebuild.ts";
import { sign } from "./chase/sign.ts";
import { addTarget, changeTarget, targets } from "./chase/target.ts";
import { createToken, revokeToken, tokens } from "./chase/token.ts";
import { unwant, want } from "./chase/want.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";
import { type ImportDeskMessages, isOfImport } from "./import-desk.ts";

export type MrChaseMessages = PeerMessages<ImportQuestions>;

export interface MrChaseArgs extends AnswerMeans {
  readonly link: ActorRef<EndpointMessages<ImportAnswers>>;
  /** Takes what piw-import says. */
  readonly importDesk: ActorRef<ImportDeskMessages>;
}

const answers: Answers = {
  WANT: want,
  UNWANT: unwant,
  LOOK_UP: lookUp,
  CHANGE: change,
  REMOVE: remove,
  REBUILD: rebuild,
  SIGN: sign,
  REBUILDS: rebuilds,
  TARGETS: targets,
  ADD_TARGET: addTarget,
  CHANGE_TARGET: changeTarget,
  TOKENS: tokens,
  CREATE_TOKEN: createToken,
  REVOKE_TOKEN: revokeToken,
};

export const mrChase = defineActor<MrChaseMessages, MrChaseArgs, MrChaseArgs>({
  name: "serves the command line tools",
  pause: "park",
  handlerTimeoutMs: 0,
  async init(_ctx, args) {
    await args.link.ask("ATTACH");
    return args;
  },
  handle: {
    PEER_OPENED: () => undefined,
    PEER_CLOSED({ importDesk }, { peer }) {
      importDesk.tell("TOOL_GONE", peer);
    },
    async PEER_MESSAGE(args, { peer, message, reply }, ctx) {
      if (isOfImport(message)) {
        args.importDesk.tell("FROM_TOOL", { peer, message, reply });
        return;
      }
      try {
        reply?.({ value: await answer(ctx, args, message) });
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        reply?.({ error: error.message });
      }
    },
  },
});

/** The table pairs each type with the function for its body, which the union of messages does not show. */
function answer(
  ctx: AnswerContext,
  means: AnswerMeans,
  { type, body }: Exclude<MessageOf<ImportQuestions>, MessageOf<WheelImportQuestions>>,
): Promise<unknown> {
  const handle = answers[type] as (
    ctx: AnswerContext,
    means: AnswerMeans,
    body: unknown,
  ) => Promise<unknown>;
  return handle(ctx, means, body);
}
