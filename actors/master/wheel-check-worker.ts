/** What a received wheel must be, checked in a worker thread of `wheel-check.ts`. Never throws. */

import { compareVersions } from "../../protocol/packaging/version.ts";
import { inspectWheel, WheelError } from "../../protocol/packaging/wheel-archive.ts";
import { suspicionOf } from "../../protocol/packaging/wheel-suspicion.ts";
import type { CheckedWheel, WheelQuestion } from "./wheel-check.ts";

const refused = (reason: string): CheckedWheel => ({ ok: false, reason });

/** The one task of the pool. */
export async function check({
  path,
  filename,
  delivery,
  seen,
}: WheelQuestion): Promise<CheckedWheel> {
  try {
    const facts = await inspectWheel(path, { filename, seen });
    if (facts.filename.name !== delivery.package)
      return refused(`it is a wheel of ${facts.filename.name}, not of ${delivery.package}`);
    if (compareVersions(facts.filename.version, delivery.version) !== 0)
      return refused(`it is version ${facts.filename.version}, not ${delivery.version}`);
    // A rebuild is told its build tag; whoever imports a wheel has chosen one.
    if (delivery.source === "slave" && (facts.filename.buildTag ?? null) !== delivery.buildTag)
      return refused(
        `its build tag is ${facts.filename.buildTag ?? "missing"}, not ${delivery.buildTag ?? "none"}`,
      );
    const admitted = new Set(delivery.targetTags);
    if (!facts.tags.some((tag) => admitted.has(tag)))
      return refused(`none of its tags is one of ${delivery.target}`);
    return {
      ok: true,
      tags: facts.tags,
      requiresPython: facts.requiresPython,
      requiresDist: facts.requiresDist,
      metadata: facts.metadataText,
      suspicious: suspicionOf(facts),
    };
  } catch (error) {
    return refused(
      error instanceof WheelError ? error.message : `it cannot be read: ${String(error)}`,
    );
  }
}
