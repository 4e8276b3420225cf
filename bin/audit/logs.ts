/** piw-audit: every build's log that should be public. */
import { type AuditedLog, auditedLogs, forgetLog } from "../../db/audit.ts";
import { markPlaced } from "../../db/files.ts";
import { logKey } from "../../web/public-key.ts";
import { blobPlace, type Storage } from "../../web/storage.ts";
import { type Audit, examine, type Problem } from "./examination.ts";
import { clear, isGood, problemOf } from "./public-file.ts";

const BATCH = 1_000;

export async function auditLogs(audit: Audit): Promise<void> {
  for (let afterToken = 0; ; ) {
    const items = await auditedLogs(audit.sql, { afterToken, limit: BATCH });
    const last = items.at(-1);
    if (last === undefined) return;
    afterToken = last.token;
    await examine(audit, {
      what: "logs",
      items,
      look: (log) => look(audit, log),
      refresh: (logs) => auditedLogs(audit.sql, { tokens: logs.map((log) => log.token) }),
    });
  }
}

async function look(audit: Audit, log: AuditedLog): Promise<Problem[]> {
  const place = logKey(log.token);
  const mend = (storage: Storage) => placeLog(audit, storage, log);
  if (!log.isPlaced) {
    if (!log.isLate) return [];
    const detail = "it was settled long ago and is not public yet";
    return [{ kind: "not-placed", place, detail, mend }];
  }
  const known = { sha256: log.sha256, isCompressed: true };
  const wrong = await problemOf(audit.tree, place, known, !audit.isQuick);
  if (wrong === undefined) return [];
  return [{ ...wrong, mend: wrong.kind === "unreadable" ? undefined : mend }];
}

/** The blob of a log goes once the log is public, so mostly it is lost. */
async function placeLog(
  audit: Audit,
  storage: Storage,
  { token, sha256 }: AuditedLog,
): Promise<string> {
  const { tree, sql } = audit;
  const hasBlob = await isGood(tree, blobPlace(sha256), { sha256 });
  const done = await clear(audit, logKey(token));
  if (hasBlob) {
    await storage.publishCompressed(logKey(token), sha256);
    await markPlaced.run(sql, { fileIds: [], logTokens: [token] });
    return `${done}placed again from its blob`;
  }
  await tree.expectSameDisk();
  await forgetLog(sql, token);
  return `${done}given up, since no good copy is left: pages no longer link to it`;
}
