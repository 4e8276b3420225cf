/** Hooks as the tree makes them of the configuration: with their secrets read, and how each delivers. */
import { environmentAgent } from "../../../protocol/upstream/index.ts";
import type { Deliver, Hook } from "../herald.ts";
import { runHookCommand } from "./hook-command.ts";
import { postWebhook, readHookSecret } from "./webhook.ts";

/** As the configuration gives them; see config/hooks.ts. */
export interface ConfiguredHook extends Omit<Hook, "action" | "deliver"> {
  readonly action:
    | { readonly kind: "command"; readonly argv: readonly [string, ...string[]] }
    | { readonly kind: "webhook"; readonly url: string; readonly secretFile: string | undefined };
  readonly timeoutMs: number;
}

export interface Hooks {
  readonly list: readonly Hook[];
  close(): Promise<void>;
}

/** @throws Error of one line where a secret cannot be read */
export function makeHooks(configured: readonly ConfiguredHook[], userAgent: string): Hooks {
  const dispatcher = environmentAgent({ connections: 4 });
  const deliverOf = ({ name, action, timeoutMs }: ConfiguredHook): Deliver => {
    if (action.kind === "command")
      return (delivery, signal) =>
        runHookCommand({ argv: action.argv, timeoutMs }, delivery, signal);
    const { url, secretFile } = action;
    const secret = secretFile === undefined ? undefined : secretOf(name, secretFile);
    const target = { url, secret, timeoutMs, userAgent, dispatcher };
    return (delivery, signal) => postWebhook(target, delivery, signal);
  };
  return {
    list: configured.map((hook) => ({
      ...{ name: hook.name, events: hook.events, match: hook.match },
      action: JSON.stringify(hook.action),
      deliver: deliverOf(hook),
    })),
    close: () => dispatcher.destroy(),
  };
}

function secretOf(name: string, file: string): Buffer {
  try {
    return readHookSecret(file);
  } catch (error) {
    throw new Error(`[hook:${name}] ${(error as Error).message}`, { cause: error });
  }
}
