/**
 * piw log: the log of a build, part by part from a position on, while it runs and afterwards. The master remembers
 * nothing of who reads, so a connection that was lost costs a new question with the same position.
 */
import { setTimeout as delay } from "node:timers/promises";
import { logProgram } from "../../config/tools.ts";
import type { ControlAnswers, ControlQuestions } from "../../protocol/links/control.ts";
import type { LogAnswer, LoggedBuild } from "../../protocol/model/build-log.ts";
import { type Ask, type MasterAddress, withMaster } from "../ask-master.ts";
import { jsonOutput, type LogOutput, plainOutput } from "../build-log-output.ts";
import { runProgram } from "../program.ts";
import { masterOf } from "./control.ts";

export function log(argv: readonly string[]): Promise<void> {
  return runProgram(
    {
      program: logProgram,
      logLevel: "warn",
      run: async (values, [subject = ""], frame) => {
        const reader = new LogReader(subject, {
          master: masterOf(values, frame),
          output: values.json ? jsonOutput() : plainOutput(),
          from: values.from,
        });
        return await (values.follow ? reader.follow() : reader.readOnce());
      },
    },
    argv,
  );
}

interface Reading {
  readonly master: MasterAddress<ControlQuestions, ControlAnswers>;
  readonly output: LogOutput;
  readonly from: number;
}

/** Between two tries where there is no log for now. */
const AGAIN_MS = 1_000;
/** The master waits for the build to say more, and has to answer within `--wait`. */
const LONGEST_WAIT_MS = 10_000;
/** What became of a build is known soon after its last words, once its files have been taken. */
const OUTCOME_TRIES = 20;
const OUTCOME_MS = 500;

class LogReader {
  readonly #reading: Reading;
  #subject: { readonly token: number | null; readonly slave: string | null };
  #position: number;
  #build: LoggedBuild | undefined;
  #lastTrouble = "";

  constructor(subject: string, reading: Reading) {
    this.#reading = reading;
    this.#position = reading.from;
    this.#subject = /^\d{1,15}$/.test(subject)
      ? { token: Number(subject), slave: null }
      : { token: null, slave: subject };
  }

  /** What there is now. */
  async readOnce(): Promise<number> {
    const { master, output } = this.#reading;
    return await withMaster(master, async (ask) => {
      for (;;) {
        const { build, part, trouble } = await this.#ask(ask, 0);
        if (build === null || part === null) throw new Error(this.#say(trouble));
        await output.part(build, part);
        if (part.isEnd) {
          await output.end(build);
          return 0;
        }
        if (part.data.length === 0) {
          output.remark(`build ${build.token} goes on (--follow shows the rest as it comes)`);
          return 0;
        }
      }
    });
  }

  /** To the end of the build, through whatever outage. */
  async follow(): Promise<number> {
    const { master, output } = this.#reading;
    for (;;) {
      try {
        await withMaster(master, (ask) => this.#followOn(ask));
        return 0;
      } catch (error) {
        const mayPass = this.#build !== undefined && !(error instanceof NoLogError);
        if (!mayPass || master.signal.aborted) throw error;
        this.#remark(error instanceof Error ? error.message : String(error));
        await delay(AGAIN_MS, undefined, { signal: master.signal });
      }
      output.remark(`asking again for what follows byte ${this.#position}`);
    }
  }

  async #followOn(ask: Ask<ControlQuestions>): Promise<void> {
    const { master, output } = this.#reading;
    const waitMs = Math.min(LONGEST_WAIT_MS, master.waitMs / 2);
    for (;;) {
      const { build, part, trouble, isForNow } = await this.#ask(ask, waitMs);
      if (build !== null && part !== null) {
        this.#lastTrouble = "";
        await output.part(build, part);
        if (!part.isEnd) continue;
        const ended = await this.#untilEnded(ask, build);
        output.remark(outcomeOf(ended));
        await output.end(ended);
        return;
      }
      if (!isForNow) throw new NoLogError(this.#say(trouble));
      this.#remark(this.#say(trouble));
      await delay(AGAIN_MS, undefined, { signal: master.signal });
    }
  }

  async #ask(ask: Ask<ControlQuestions>, waitMs: number): Promise<LogAnswer> {
    const body = { ...this.#subject, position: this.#position, waitMs };
    const answer = await ask("LOG", body);
    const { build, part } = answer;
    if (build !== null && this.#build === undefined) {
      this.#reading.output.remark(
        `build ${build.token}: ${build.package} ${build.version} for ${build.target} on ${build.slave}`,
      );
      // Whatever else the slave builds later.
      this.#subject = { token: build.token, slave: null };
    }
    if (build !== null) this.#build = build;
    if (part !== null) this.#position = part.nextPosition;
    return answer;
  }

  async #untilEnded(ask: Ask<ControlQuestions>, build: LoggedBuild): Promise<LoggedBuild> {
    let last = build;
    for (let tries = 0; last.phase === "running" && tries < OUTCOME_TRIES; tries += 1) {
      await delay(OUTCOME_MS, undefined, { signal: this.#reading.master.signal });
      last = (await this.#ask(ask, 0)).build ?? last;
    }
    return last;
  }

  #say(trouble: string | null): string {
    const build = this.#build === undefined ? "" : `build ${this.#build.token}: `;
    return build + (trouble ?? "the master gives no log and no reason");
  }

  /** The same one is not said again and again. */
  #remark(text: string): void {
    if (text !== this.#lastTrouble) this.#reading.output.remark(text);
    this.#lastTrouble = text;
  }
}

/** There is no log, now or later. */
class NoLogError extends Error {}

const outcomeOf = ({ token, phase, cause }: LoggedBuild): string =>
  phase === "running"
    ? `build ${token} has said all; what came of it is being delivered`
    : `build ${token} ended: ${cause ?? "its cause is not known"}`;
