/** piw-import: registers wheels that were built elsewhere as one build of a running master. */
import { hostname } from "node:os";
import { basename } from "node:path";
import { importProgram } from "../../config/import.ts";
import { harmless } from "../../config/log-line.ts";
import type { Values } from "../../config/option.ts";
import type { ImportOutcome } from "../../protocol/links/wheel-import.ts";
import { LOG_FILENAME } from "../../protocol/model/build.ts";
import { sizeText } from "../../web/pages/words.ts";
import { confirm, REFUSED } from "../confirm.ts";
import { importWheels } from "../import-session.ts";
import { type Frame, runProgram } from "../program.ts";
import { openProgress } from "../progress.ts";
import { OfferedFile, type Subject, subjectOf } from "../wheel-offer.ts";

export function importCommand(argv: readonly string[]): Promise<void> {
  return runProgram({ program: importProgram, logLevel: "warn", run }, argv);
}

async function run(
  values: Values<typeof importProgram.options>,
  paths: readonly string[],
  frame: Frame,
): Promise<number> {
  const subject = subjectOf(paths, values);
  const wheels: OfferedFile[] = [];
  let log: OfferedFile | undefined;
  try {
    for (const path of paths)
      wheels.push(await OfferedFile.open(path, basename(path), frame.signal));
    if (values.output !== undefined)
      log = await OfferedFile.open(values.output, LOG_FILENAME, frame.signal);
    if (!(await confirm(question(subject, wheels, values.delete), values, frame))) {
      frame.print("Nothing was imported.");
      return REFUSED;
    }
    const outcome = await bring(subject, wheels, log, values, frame);
    return await report(outcome, wheels, values.delete, frame);
  } finally {
    await Promise.all([...wheels, ...(log === undefined ? [] : [log])].map((file) => file.close()));
  }
}

const totalBytes = (files: readonly OfferedFile[]): number =>
  files.reduce((sum, file) => sum + file.facts.sizeBytes, 0);

function question(subject: Subject, wheels: readonly OfferedFile[], isDeleting: boolean): string {
  const what = `${wheels.length} ${wheels.length === 1 ? "wheel" : "wheels"} of ${subject.package} ${subject.version} (${sizeText(totalBytes(wheels))})`;
  return isDeleting ? `Import ${what} and remove what is public then?` : `Import ${what}?`;
}

async function bring(
  subject: Subject,
  wheels: readonly OfferedFile[],
  log: OfferedFile | undefined,
  values: Values<typeof importProgram.options>,
  frame: Frame,
) {
  const all = log === undefined ? wheels : [...wheels, log];
  const total = totalBytes(all);
  const progress = openProgress();
  try {
    return await importWheels({
      address: values["import-queue"],
      order: {
        ...subject,
        target: values.target ?? null,
        durationMs: values.duration ?? 0,
        host: hostname().slice(0, 100),
        files: wheels.map((wheel) => wheel.facts),
        log:
          log === undefined ? null : { sizeBytes: log.facts.sizeBytes, sha256: log.facts.sha256 },
      },
      files: new Map(all.map((file) => [file.facts.filename, file])),
      waitMs: values.wait,
      logger: frame.logger,
      signal: frame.signal,
      onSent: (sent) => progress.show(`${sizeText(Math.min(sent, total))} of ${sizeText(total)}`),
    });
  } finally {
    progress.clear();
  }
}

const words = {
  published: "published",
  present: "was public already",
  superseded:
    "not published: this name stands with other contents, which never change; give the wheel a build tag",
  withdrawn: "not published: this name was published and withdrawn; give the wheel a build tag",
} as const;

/** 0 only where every wheel is public now. */
async function report(
  outcome: Exclude<ImportOutcome, { readonly state: "pending" }>,
  wheels: readonly OfferedFile[],
  isDeleting: boolean,
  frame: Frame,
): Promise<number> {
  if (outcome.state === "refused") throw new Error(`nothing was imported: ${outcome.reason}`);
  let code = 0;
  for (const { filename, state } of outcome.files) {
    frame.print(`${filename}: ${words[state]}`);
    const isPublic = state === "published" || state === "present";
    if (!isPublic) code = 1;
    const wheel = wheels.find((each) => each.facts.filename === filename);
    if (!isDeleting || !isPublic || wheel === undefined) continue;
    try {
      await wheel.remove();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      frame.print(`${harmless(wheel.path)}: not removed: ${harmless(reason)}`);
      code = 1;
    }
  }
  return code;
}
