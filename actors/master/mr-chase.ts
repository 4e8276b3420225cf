/** Mr. Chase: takes what the command line tools ask for over the import link, and answers each. */
import type { ImportAnswers, ImportQuestions } from "../../protocol/links/import.ts";
import type { ToCloudGazer } from "../../protocol/links/tasks/cloud-gazer.ts";
import { parseRequirement, RequirementError } from "../../protocol/packaging/requirement.ts";
import { type ActorRef, defineActor, Refusal, toError } from "../../supervisor/index.ts";
import { askUntilDone, type DatabaseRef } from "./database.ts";
import type { EndpointMessages, PeerMessages } from "./endpoint.ts";

export type MrChaseMessages = PeerMessages<ImportQuestions>;

export interface MrChaseArgs {
  readonly link: ActorRef<EndpointMessages<ImportAnswers>>;
  readonly database: DatabaseRef;
  readonly cloudGazer: ActorRef<ToCloudGazer>;
}

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
    PEER_CLOSED: () => undefined,
    async PEER_MESSAGE({ database, cloudGazer }, { message, reply }, ctx) {
      try {
        const requirements = message.body.requirements.map((text) => {
          const { name, url } = parseRequirement(text);
          if (url !== undefined)
            throw new RequirementError(`${text}: a URL cannot be followed; name a project`);
          return { name, text };
        });
        const result = await askUntilDone(ctx, database, "addWanted", {
          requirements,
          withDeps: message.body.withDeps,
          withBuildDeps: message.body.withBuildDeps,
        });
        cloudGazer.tell("LOOK");
        ctx.log.info({ ...result }, "requirements were added to the wanted set");
        reply?.({ value: result });
      } catch (error) {
        if (!(error instanceof RequirementError) && !(error instanceof Refusal)) throw error;
        reply?.({ error: toError(error).message });
      }
    },
  },
});
