/**
 * Declares links and the protocols of tasks from zod schemas, so that the types of both ends and the checks
 * on arrival have one source. Called by the files beside it and in `tasks/`, once per link and task; and by
 * `actors/master/database.ts`, whose schemas are those of the database's requests.
 */
import type { z } from "zod";
import type { Checked, Link, MessageOf, Protocol } from "../../supervisor/index.ts";
import type { Immutable } from "../model/immutable.ts";

interface MessageSchemas {
  readonly [type: string]: { readonly body: z.ZodType; readonly reply?: z.ZodType };
}

/** The message types of a direction, as `LinkMessages` of the endpoint contract. */
export type MessagesOf<S extends MessageSchemas> = {
  readonly [K in keyof S]: { readonly body: Immutable<z.infer<S[K]["body"]>> } & (S[K] extends {
    readonly reply: infer R extends z.ZodType;
  }
    ? { readonly reply: Immutable<z.infer<R>> }
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

/** What may be said to a task from another process. */
export interface TaskMessageSchemas {
  readonly [type: string]: {
    /** Left out: the message has no body. */
    readonly body?: z.ZodType;
    /** Left out: whoever asks learns only that it was handled. */
    readonly reply?: z.ZodType;
    /** May be lost rather than wait: news that the next one makes old. Not with a reply. */
    readonly lossy?: true;
  };
}

type BodyOfTask<S> = S extends { readonly body: infer B extends z.ZodType }
  ? [body: Immutable<z.infer<B>>]
  : [];

/** The message types of a task, as the methods that `ActorRef` and `defineActor` take. */
export type MessagesOfTask<S extends TaskMessageSchemas> = {
  [K in keyof S]: S[K] extends { readonly reply: infer R extends z.ZodType }
    ? (...body: BodyOfTask<S[K]>) => Immutable<z.infer<R>>
    : (...body: BodyOfTask<S[K]>) => void;
};

/**
 * Declares the protocol of a task. Only what is listed can be said to it from another process; what it says
 * to itself stays in its own file.
 *
 * What has no value crosses as one: a message without a body is checked to have none, and one without a
 * reply answers nothing. On the wire that is null or undefined, and either is undefined again for who gets
 * it, as between two actors of one process. A reply that may be nothing is declared nullable, and is null.
 *
 * @throws TypeError for a lossy message with a reply: the question would outlive its loss
 */
export function declareProtocol<const S extends TaskMessageSchemas>(declaration: {
  readonly name: string;
  readonly messages: S;
}): Protocol<MessagesOfTask<S>> {
  const { name, messages } = declaration;
  const lossy = new Set<string>();
  for (const [type, schema] of Object.entries(messages)) {
    if (schema.lossy === undefined) continue;
    if (schema.reply !== undefined)
      throw new TypeError(`${name}: ${type} is lossy and has a reply`);
    lossy.add(type);
  }
  const lookup = (type: string) => schemaOf<TaskMessageSchemas[string]>(messages, type);
  const unknown = (type: string): Checked<never> => ({
    ok: false,
    reason: `${name}: unknown message ${quote(type)}`,
  });
  return {
    name,
    lossy,
    declares: (type) => lookup(type) !== undefined,
    checkBody(type, body) {
      const schema = lookup(type);
      return schema === undefined ? unknown(type) : fits(schema.body, body, `${name}: ${type}`);
    },
    checkReply(type, value) {
      const schema = lookup(type);
      if (schema === undefined) return unknown(type);
      return fits(schema.reply, value, `${name}: reply to ${type}`);
    },
  };
}

/** Without a schema there is to be no value. */
function fits(schema: z.ZodType | undefined, value: unknown, what: string): Checked<unknown> {
  if (schema === undefined) {
    if (value === undefined || value === null) return { ok: true, value: undefined };
    return { ok: false, reason: `${what}: there is more than nothing` };
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return { ok: true, value: parsed.data };
  return { ok: false, reason: `${what}: ${describe(parsed.error)}` };
}

/** Own keys only: `constructor` is not a message. */
const schemaOf = <T>(schemas: { readonly [type: string]: T }, type: string): T | undefined =>
  Object.hasOwn(schemas, type) ? schemas[type] : undefined;

const quote = (text: string) => JSON.stringify(inOneLine(text.slice(0, 40)));

const inOneLine = (text: string) => text.replaceAll(/[\s\p{C}]+/gu, " ");

/** The first thing that is wrong, in one line: the sender chose the keys that are in it. */
function describe(error: z.ZodError): string {
  const first = error.issues[0];
  if (first === undefined) return "does not fit";
  const path = first.path.slice(0, 10).map((key) => String(key).slice(0, 40));
  return inOneLine(`${path.join(".") || "body"}: ${first.message}`).slice(0, 300);
}
