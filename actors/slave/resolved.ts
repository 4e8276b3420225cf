/**
 * Learns what pip installed to build with: names and versions from what it prints, hashes from its reports
 * (`--report`, pip 22.2 and later), and what the back-end asked for beyond the sdist's own list
 * (get_requires_for_build_wheel). Fed by the workshop as the build goes on, since the log may be cut.
 *
 * pip runs a pip for each build environment, whose output it indents; requirements that are themselves built
 * from source have environments of their own, deeper. Only the first level is the build's own.
 */
import { z } from "zod";
import {
  MAX_RESOLVED,
  type ResolvedRequirement,
  resolvedRequirementSchema,
} from "../../protocol/model/build.ts";
import { canonicalName } from "../../protocol/packaging/canonical-name.ts";
import { parseRequirement } from "../../protocol/packaging/requirement.ts";
import { parseVersion } from "../../protocol/packaging/version.ts";

const MAX_LINE_LENGTH = 65_536;
/** A build writes to that pipe too, and what came of it is read at once: pip's own report of a dozen packages has 200 kB. */
const MAX_REPORT_LENGTH = 4 * 1024 ** 2;
const MAX_REPORTS = 200;
const MAX_REQUIREMENT_LENGTH = 500;
const MAX_ASKED = 200;

export class ResolvedReader {
  /** The end of the output that has no line end yet; undefined: it is too long, and is left out. */
  #line: string | undefined = "";
  #isBackEndStep = false;
  readonly #installed = new Map<string, string>();
  readonly #asked = new Set<string>();
  readonly #reports: string[] = [];
  #reportsLength = 0;

  /** Output of the build as its log says it, without secrets. Lines may come in pieces. */
  write(chunk: Buffer): void {
    const lines = chunk.toString("latin1").split("\n");
    for (const [at, part] of lines.entries()) {
      if (this.#line !== undefined) this.#line += part;
      if ((this.#line?.length ?? 0) > MAX_LINE_LENGTH) this.#line = undefined;
      if (at === lines.length - 1) return;
      this.#read(this.#line ?? "");
      this.#line = "";
    }
  }

  /** What came through the pipe of pip's reports. */
  writeReport(chunk: Buffer): void {
    this.#reportsLength += chunk.length;
    if (this.#reportsLength <= MAX_REPORT_LENGTH) this.#reports.push(chunk.toString("latin1"));
  }

  /** In the order in which they were installed; a later one of a name takes the place of the earlier. */
  resolved(): ResolvedRequirement[] {
    const hashes = new Map(
      readReports(Buffer.from(this.#reports.join(""), "latin1").toString("utf8")).map((each) => [
        `${each.name} ${each.version}`,
        each.sha256,
      ]),
    );
    return [...this.#installed].map(([name, version]) => ({
      name,
      version,
      sha256: hashes.get(`${name} ${version}`) ?? null,
    }));
  }

  /** The requirements of get_requires_for_build_wheel, as the back-end spells them. */
  asked(): string[] {
    return [...this.#asked];
  }

  #read(line: string): void {
    const step = /^ {2}Running command (.*)$/.exec(line)?.[1];
    if (step !== undefined) this.#isBackEndStep = /install(?:ing)? backend dependencies/.test(step);
    const installed = /^ {2}Successfully installed (.+)$/.exec(line)?.[1];
    for (const word of installed?.trim().split(" ") ?? []) this.#install(word);
    // What is there for the sake of another requirement says for which.
    const collected = /^ {2}Collecting (.+)$/.exec(line)?.[1]?.trim();
    if (this.#isBackEndStep && collected !== undefined && !collected.includes(" (from ")) {
      if (isRequirement(collected) && this.#asked.size < MAX_ASKED) this.#asked.add(collected);
    }
  }

  /** `setuptools-scm-8.1.0`: no version has a dash in it. */
  #install(word: string): void {
    const dash = word.lastIndexOf("-");
    const [name, version] = [word.slice(0, dash), word.slice(dash + 1)];
    if (dash <= 0 || word.length > 300 || parseVersion(version) === undefined) return;
    // What the log's mask has taken out has none.
    if (!/^[a-z0-9](?:[\w.-]*[a-z0-9])?$/i.test(name)) return;
    const resolved = { name: canonicalName(name), version, sha256: null };
    if (!resolvedRequirementSchema.safeParse(resolved).success) return;
    this.#installed.delete(resolved.name);
    // The output is a build's, which may say so of anything.
    if (this.#installed.size < MAX_RESOLVED) this.#installed.set(resolved.name, version);
  }
}

const installedSchema = z.object({
  metadata: z.object({ name: z.string().max(200), version: z.string().max(200) }),
  download_info: z.object({
    archive_info: z
      .object({ hashes: z.record(z.string(), z.string()).default({}), hash: z.string() })
      .partial()
      .optional(),
  }),
});

/** Several reports one after another: pip indents what is in one, so that only its end stands at a line's start. */
function readReports(text: string): ResolvedRequirement[] {
  const found: ResolvedRequirement[] = [];
  for (const document of text.split(/(?<=\n\})(?=\{|$)/).slice(0, MAX_REPORTS)) {
    for (const each of installedOf(document)) {
      const installed = installedSchema.safeParse(each);
      // Not as pip says it: somebody else's words, and so is all after it.
      if (!installed.success || found.length >= MAX_RESOLVED) break;
      const { metadata, download_info } = installed.data;
      const { hashes, hash } = download_info.archive_info ?? {};
      const sha256 = hashes?.["sha256"] ?? /^sha256=(.*)$/.exec(hash ?? "")?.[1] ?? "";
      found.push({
        name: canonicalName(metadata.name),
        version: metadata.version,
        sha256: /^[0-9a-f]{64}$/.test(sha256) ? sha256 : null,
      });
    }
  }
  return found;
}

/** Nothing of a report that was cut off: the hashes stay unknown. */
function installedOf(document: string): readonly unknown[] {
  try {
    const report: unknown = JSON.parse(document);
    const isReport = typeof report === "object" && report !== null && "install" in report;
    return isReport && Array.isArray(report.install) ? (report.install as unknown[]) : [];
  } catch {
    return [];
  }
}

function isRequirement(text: string): boolean {
  try {
    parseRequirement(text);
    return text.length <= MAX_REQUIREMENT_LENGTH;
  } catch {
    return false;
  }
}
