/**
 * piw-audit: the compressed copies of a page. Web servers give them out instead of the page, so one that says
 * something else is as wrong as a page that does. Called for each page that stands.
 */
import { requestPage } from "../../db/pages.ts";
import type { PageKind } from "../../protocol/model/page.ts";
import { isCompressible, type Look, VARIANTS, variantsOf } from "../../web/storage.ts";
import type { Audit, Problem } from "./examination.ts";
import { clear } from "./public-file.ts";

type StandingFile = Extract<Look, { kind: "file" }>;

export async function lookAtCopies(
  audit: Audit,
  place: string,
  page: StandingFile,
  asked: { readonly kind: PageKind; readonly key: string },
): Promise<Problem[]> {
  if (!isCompressible(place)) return [];
  const { tree, sql } = audit;
  const expected = variantsOf(place, page.sizeBytes);
  const problems: Problem[] = [];
  for (const variant of VARIANTS) {
    const copy = `${place}${variant.suffix}`;
    const found = await tree.look(copy);
    const isExpected = expected.includes(variant);
    const problem = (kind: string, detail: string): void => {
      problems.push({
        kind,
        place: copy,
        detail,
        mend: async () => {
          // It goes first: the master leaves a page alone whose copies look right from outside.
          const done = await clear(audit, copy);
          if (!isExpected) return done === "" ? "gone already" : done.replace(/, $/, "");
          await requestPage.run(sql, { pages: [asked] });
          return `${done}asked for: the master writes it with its page`;
        },
      });
    };
    if (found.kind === "absent") {
      if (isExpected) problem("missing", "the page has no such copy");
    } else if (found.kind === "unreadable")
      problems.push({ kind: "unreadable", place: copy, detail: found.reason, mend: undefined });
    else if (!isExpected) problem("orphaned", "a page of this size has no such copy");
    else if (found.kind === "odd") problem("no-file", found.reason);
    else if (found.modifiedNs !== page.modifiedNs)
      problem("stale", "it is of another instant than its page");
    else if (!audit.isQuick && !(await saysTheSame(audit, place, copy, variant.encoding)))
      problem("stale", "it does not say what its page says");
  }
  return problems;
}

async function saysTheSame(
  { tree }: Audit,
  place: string,
  copy: string,
  encoding: "gzip" | "br",
): Promise<boolean> {
  const page = await tree.hash(place);
  try {
    return (await tree.hash(copy, encoding)) === page;
  } catch {
    return false;
  }
}
