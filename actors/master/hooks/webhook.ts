/**
 * Delivers an event as a webhook: a POST of JSON, signed as Standard Webhooks has it, an HMAC-SHA256 over
 * `ID.TIMESTAMP.BODY`. Redirects are not followed: where a signed message goes is for the configuration to say.
 */
import { createHmac } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { type Dispatcher, fetch } from "undici";
import type { HookDelivery } from "../../../protocol/model/hook.ts";
import type { Attempt } from "./attempt.ts";

/** What an answer may say that it is read to its end for. */
const MAX_ANSWER_BYTES = 65_536;
const MAX_WAIT_MS = 3_600_000;

export interface WebhookTarget {
  readonly url: string;
  readonly secret: Buffer | undefined;
  readonly timeoutMs: number;
  readonly userAgent: string;
  readonly dispatcher: Dispatcher;
}

/** The message as receivers get it; the same bytes for each try. */
export const messageOf = ({ eventId, event, madeAt, body }: HookDelivery): string =>
  JSON.stringify({
    id: eventId,
    type: event,
    timestamp: new Date(madeAt).toISOString(),
    data: body,
  });

export const signatureOf = (secret: Buffer, id: string, timestampS: number, body: string): string =>
  `v1,${createHmac("sha256", secret).update(`${id}.${timestampS}.${body}`).digest("base64")}`;

export async function postWebhook(
  target: WebhookTarget,
  delivery: HookDelivery,
  signal: AbortSignal,
): Promise<Attempt> {
  const body = messageOf(delivery);
  const timestampS = Math.floor(Date.now() / 1000);
  const limit = AbortSignal.timeout(target.timeoutMs);
  try {
    const response = await fetch(target.url, {
      method: "POST",
      body,
      redirect: "manual",
      dispatcher: target.dispatcher,
      signal: AbortSignal.any([signal, limit]),
      headers: {
        "content-type": "application/json",
        "user-agent": target.userAgent,
        "webhook-id": delivery.eventId,
        "webhook-timestamp": String(timestampS),
        ...(target.secret && {
          "webhook-signature": signatureOf(target.secret, delivery.eventId, timestampS, body),
        }),
      },
    });
    // Read, so that the connection can be used again; but not for ever.
    let sizeBytes = 0;
    for await (const chunk of response.body ?? []) {
      sizeBytes += (chunk as Uint8Array).byteLength;
      if (sizeBytes > MAX_ANSWER_BYTES) break;
    }
    if (response.ok) return { kind: "delivered" };
    if (response.status === 410) return { kind: "gone", reason: "it answered 410, Gone" };
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    return {
      kind: "failed",
      reason: `it answered ${response.status}`,
      ...(seconds > 0 && { afterMs: Math.min(seconds * 1_000, MAX_WAIT_MS) }),
    };
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted)
      return { kind: "failed", reason: `no answer within ${target.timeoutMs / 1000} s` };
    const { cause } = error as Error;
    const told = cause instanceof Error ? cause : error;
    return { kind: "failed", reason: told instanceof Error ? told.message : String(told) };
  }
}

/**
 * The secret of a file: `whsec_` and base64, or any text on one line.
 * @throws Error of one line
 */
export function readHookSecret(path: string): Buffer {
  let text: string;
  try {
    const stat = statSync(path);
    if (!stat.isFile() || stat.size > 4_096) throw new Error("it is no file with a secret");
    if ((stat.mode & 0o077) !== 0)
      throw new Error("others than its owner may read it: chmod 600 it");
    text = readFileSync(path, "utf8").trim();
  } catch (error) {
    throw new Error(`secret-file ${path}: ${(error as Error).message}`, { cause: error });
  }
  const coded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
  const secret = coded === undefined ? Buffer.from(text, "utf8") : Buffer.from(coded, "base64");
  if (secret.length < 16)
    throw new Error(`secret-file ${path}: a secret needs 16 characters or more`);
  return secret;
}
