/**
 * The hand-shake's payloads, frozen as version 1, and the judgement of a HELLO. Called by the bound side
 * for each HELLO and by the connecting side to make one and to read the answer.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { isHelloProven, proveHello } from "./hello-proof.ts";
import { DEFAULT_WINDOW, LARGEST_WINDOW } from "./inflow.ts";
import type { KeyPair } from "./key-pair.ts";
import type { Incident } from "./tally.ts";

/** The version of everything after the hand-shake: DATA's messages, heartbeats, sequence numbers. */
const WIRE = 2;
const PROOF_BYTES = 32;
const NONCE_BYTES = 16;

/** A new one for each process, so that either side sees that the other was restarted. */
export const ownEpoch = randomBytes(9).toString("base64url");

/** What a refusal needs to know, whatever the version of the rest. */
const anyHelloSchema = z.object({
  wire: z.number(),
  link: z.string().max(64),
  linkVersion: z.number(),
});

/** Messages that the speaker takes before it gives more credit. */
const windowSchema = z.number().int().min(1).max(LARGEST_WINDOW).default(DEFAULT_WINDOW);

const helloSchema = anyHelloSchema.extend({
  epoch: z.string().max(64),
  slot: z.string().max(100),
  /** The public key, or `local:…` on a link without keys. */
  publicKey: z.string().max(120),
  nonce: z.instanceof(Uint8Array),
  /** Empty on a link without keys. */
  proof: z.instanceof(Uint8Array),
  window: windowSchema,
});
export const welcomeSchema = z.object({
  epoch: z.string().max(64),
  /** The server's interval: it wants a sign of life within four of these. */
  heartbeatMs: z.number().min(10).max(3_600_000),
  window: windowSchema,
});
export const refusedSchema = z.object({ reason: z.string() });
export const endSchema = z.object({
  end: z.enum(["replaced", "dropped", "silent", "server closed"]),
  reason: z.string(),
});
export type End = z.infer<typeof endSchema>;

/** Random routing ids are written in hexadecimal: ZeroMQ keeps those that begin with a zero byte to itself. */
export const makeRoutingId = () => randomBytes(16).toString("hex");
const isRoutingId = (routingId: Buffer) =>
  routingId.length === 32 && /^[0-9a-f]+$/.test(routingId.toString("latin1"));

export function makeHello(
  link: { readonly name: string; readonly version: number },
  session: string,
  slot: string,
  routingId: string,
  who: { readonly own: KeyPair; readonly serverPublicKey: string } | { readonly identity: string },
  window = DEFAULT_WINDOW,
): object {
  const claim = {
    wire: WIRE,
    link: link.name,
    linkVersion: link.version,
    epoch: ownEpoch,
    slot,
    publicKey: "own" in who ? who.own.publicKey : who.identity,
    nonce: randomBytes(NONCE_BYTES),
  };
  const proof =
    "own" in who
      ? proveHello(
          { ...claim, session, routingId: Buffer.from(routingId) },
          who.own.secretKey,
          who.serverPublicKey,
        )
      : Buffer.alloc(0);
  return { ...claim, proof, window };
}

export interface Doorkeeper {
  readonly link: { readonly name: string; readonly version: number };
  readonly keys?:
    | {
        readonly secretKey: string;
        isAuthorised(publicKeyZ85: string): boolean;
        mayStay(publicKeyZ85: string): boolean;
      }
    | undefined;
}

export type Judgement =
  | {
      readonly ok: true;
      readonly identity: string;
      readonly slot: string;
      /** How many messages the client takes at first. */
      readonly window: number;
    }
  | { readonly ok: false; readonly incident: Incident; readonly reason: string };

/** Decides who speaks on a connection. Never throws. */
export function judgeHello(
  door: Doorkeeper,
  payload: unknown,
  session: string,
  routingId: Buffer,
): Judgement {
  const { link, keys } = door;
  const any = anyHelloSchema.safeParse(payload);
  if (!any.success) return refusal("not a HELLO");
  const { wire, link: theirLink, linkVersion } = any.data;
  if (theirLink !== link.name) {
    return refusal(`this is the ${link.name} link, not the ${theirLink} link`);
  }
  if (wire !== WIRE || linkVersion !== link.version) {
    const isNewer = wire > WIRE || (wire === WIRE && linkVersion > link.version);
    return refusal(
      `the client speaks version ${linkVersion} (wire ${wire}) of the ${link.name} link, the server ` +
        `version ${link.version} (wire ${WIRE}): install the same version of the program on both ` +
        `(the ${isNewer ? "client" : "server"}'s is the newer one)`,
    );
  }
  const full = helloSchema.safeParse(payload);
  if (!full.success || session.length < 8 || !isRoutingId(routingId))
    return refusal("a damaged HELLO");
  const hello = full.data;
  const identity = hello.publicKey;
  if (keys === undefined) {
    return /^local:[\w.-]{1,100}$/.test(identity)
      ? { ok: true, identity, slot: hello.slot, window: hello.window }
      : refusal("this link has no keys: an identity is local:NAME");
  }
  if (!keys.isAuthorised(identity)) {
    return { ok: false, incident: "key not authorised", reason: "the key is not authorised here" };
  }
  const isProven =
    hello.proof.length === PROOF_BYTES &&
    hello.nonce.length === NONCE_BYTES &&
    isHelloProven({ ...hello, session, routingId }, hello.proof, keys.secretKey);
  return isProven
    ? { ok: true, identity, slot: hello.slot, window: hello.window }
    : { ok: false, incident: "hello unproven", reason: "the key was not proven" };
}

const refusal = (reason: string): Judgement => ({ ok: false, incident: "hello refused", reason });
