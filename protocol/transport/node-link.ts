/**
 * The node link: two nodes (`supervisor/nodes`) that speak to each other, the same messages in both
 * directions. Only the frame of a message is checked here; the items are for `supervisor/nodes`, and the
 * bodies in them for the protocol of the actor that they are said to. Used by `node-endpoints.ts`.
 */
import type { Checked, Link, NodeMessage, NodeMessages } from "../../supervisor/index.ts";

/** Letters in one message, at most. */
const MOST_ITEMS = 4_096;

export const nodeLink: Link<NodeMessages, NodeMessages> = {
  name: "node",
  version: 1,
  checkToServer: check,
  checkToClient: check,
  checkReply: (type) => ({ ok: false, reason: `node: ${type.slice(0, 40)} has no reply` }),
};

/** By hand: this runs for every message between two parts, thousands of times a second. */
function check(type: string, body: unknown): Checked<NodeMessage> {
  if (typeof body === "object" && body !== null && isMessage(type, body)) {
    return { ok: true, value: { type, body } as NodeMessage };
  }
  return { ok: false, reason: `node: no ${JSON.stringify(type.slice(0, 40))} message` };
}

function isMessage(type: string, body: Readonly<Record<string, unknown>> | object): boolean {
  const { node, stream, to, base, known, heard, first, items, received, item } = body as Readonly<
    Record<string, unknown>
  >;
  switch (type) {
    case "SYNC":
      return (
        isText(node) &&
        isText(stream) &&
        isCount(base) &&
        typeof heard === "boolean" &&
        (known === null || isKnown(known))
      );
    case "LETTERS":
      return (
        isText(stream) &&
        isText(to) &&
        isCount(first) &&
        Array.isArray(items) &&
        items.length <= MOST_ITEMS &&
        items.every(Array.isArray)
      );
    case "ACK":
      return isText(stream) && isCount(received);
    case "NEWS":
      return Array.isArray(item);
    default:
      return false;
  }
}

function isKnown(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const { stream, received } = value as Readonly<Record<string, unknown>>;
  return isText(stream) && isCount(received);
}

const isText = (value: unknown): boolean => typeof value === "string" && value.length <= 100;
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
