/** What came of one try to deliver an event: of a webhook (webhook.ts) or a command (hook-command.ts). */
export type Attempt =
  | { readonly kind: "delivered" }
  /** Try again, not before `afterMs` where that is given. */
  | { readonly kind: "failed"; readonly reason: string; readonly afterMs?: number }
  /** The receiver wants nothing any more. */
  | { readonly kind: "gone"; readonly reason: string };
