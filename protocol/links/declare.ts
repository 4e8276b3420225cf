/**
 * Declares a link from zod schemas, so that the types of both ends and the checks on arrival have one
 * source. Called by the files beside it, once per link.
 */
import type { z } from "zod";
import type { Checked, Link, MessageOf } from "../../supervisor/index.ts";

interface MessageSchemas {
  readonly [type: string]: { readonly body: z.ZodType; readonly reply?: z.ZodType };
}

/** The message types of a direction, as `LinkMessages` of the endpoint contract. */
export type MessagesOf<S extends MessageSchemas> = {
  readonly [K in keyof S]: { readonly body: z.infer<S[K]["body"]> } & (S[K] extends {
    readonly reply: infer R extends z.ZodType;
  }
    ? { readonly reply: z.infer<R> }
    : unknown);
};

interface Declaration<ToServer extends MessageSchemas, ToClient extends MessageSchemas> {
  readonly name: string;
  readonly version: number;
  readonly toServer: ToServer;
  readonly toClient: ToClient;
}

export function declareLink<ToServer extends MessageSchemas, ToClient extends MessageSchemas>(
  declaration: Declaration<ToServer, ToClient>,
): Link<MessagesOf<ToServer>, MessagesOf<ToClient>> {
  const { name, version, toServer, toClient } = declaration;
  return {
    name,
    version,
    checkToServer: (type, body) => check<MessagesOf<ToServer>>(name, toServer, type, body),
    checkToClient: (type, body) => check<MessagesOf<ToClient>>(name, toClient, type, body),
    checkReply(type, body) {
      const schema = schemaOf(toServer, type) ?? schemaOf(toClient, type);
      if (schema?.reply === undefined)
        return { ok: false, reason: `${name}: ${type} has no reply` };
      const parsed = schema.reply.safeParse(body);
      return parsed.success
        ? { ok: true, value: parsed.data }
        : { ok: false, reason: `${name}: reply to ${type}: ${describe(parsed.error)}` };
    },
  };
}

function check<D extends Record<string, { readonly body: unknown }>>(
  link: string,
  schemas: MessageSchemas,
  type: string,
  body: unknown,
): Checked<MessageOf<D>> {
  const schema = schemaOf(schemas, type);
  if (schema === undefined) return { ok: false, reason: `${link}: unknown message ${quote(type)}` };
  const parsed = schema.body.safeParse(body);
  if (!parsed.success) return { ok: false, reason: `${link}: ${type}: ${describe(parsed.error)}` };
  return { ok: true, value: { type, body: parsed.data } as MessageOf<D> };
}

/** Own keys only: `constructor` is not a message. */
const schemaOf = (schemas: MessageSchemas, type: string) =>
  Object.hasOwn(schemas, type) ? schemas[type] : undefined;

const quote = (text: string) => JSON.stringify(text.slice(0, 40));

function describe(error: z.ZodError): string {
  const first = error.issues[0];
  if (first === undefined) return "does not fit";
  return `${first.path.join(".") || "body"}: ${first.message}`.slice(0, 300);
}
