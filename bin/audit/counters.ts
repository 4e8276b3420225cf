/** piw-audit: the counters that pages and monitors show, against what they count. */
import { type AuditedCounter, auditedCounters, recount } from "../../db/tally-audit.ts";
import type { Audit } from "./examination.ts";

export async function auditCounters(audit: Audit): Promise<void> {
  const { sql, storage } = audit;
  const counters = await auditedCounters(sql);
  audit.looked("counters", counters.length);
  const wrong = counters.filter(isWrong);
  if (wrong.length === 0) return;
  if (storage !== undefined) await recount(sql);
  const after = storage === undefined ? counters : await auditedCounters(sql);
  const left = new Set(after.filter(isWrong).map(placeOf));
  for (const counter of wrong) {
    const isLeft = left.has(placeOf(counter));
    audit.report({
      kind: "miscounted",
      place: placeOf(counter),
      detail: `${counter.kept} instead of ${counter.counted}`,
      done: isLeft ? undefined : "counted anew",
      failure: isLeft && storage !== undefined ? "it is wrong again" : undefined,
    });
  }
}

const isWrong = ({ kept, counted }: AuditedCounter): boolean => kept !== counted;

const placeOf = ({ name, target, targetId }: AuditedCounter): string =>
  `counter ${name}${targetId === 0 ? "" : ` of ${target ?? `target ${targetId}`}`}`;
