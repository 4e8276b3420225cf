/**
 * What Mr. Chase's answers have in common: one file beside this one per question of the import link, each
 * a function from the question to its reply. What it throws as a Refusal is told to the asking tool as the
 * reason why not; any other error is a crash of Mr. Chase.
 */
import type { ImportQuestions } from "../../../protocol/links/import.ts";
import type { ToCloudGazer } from "../../../protocol/links/tasks/cloud-gazer.ts";
import type { ToFileJuggler } from "../../../protocol/links/tasks/file-juggler.ts";
import type { WheelImportQuestions } from "../../../protocol/links/wheel-import.ts";
import type { ActorRef, BodyOf, Logger, ReplyOf } from "../../../supervisor/index.ts";
import type { Asker, DatabaseRef } from "../database.ts";

/** Whom an answer may turn to. */
export interface AnswerMeans {
  readonly database: DatabaseRef;
  readonly cloudGazer: ActorRef<ToCloudGazer>;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
}

/** What an answer needs of the actor that it works for. */
export interface AnswerContext extends Asker {
  readonly log: Logger;
}

export type Answer<K extends keyof ImportQuestions> = (
  ctx: AnswerContext,
  means: AnswerMeans,
  body: BodyOf<ImportQuestions, K>,
) => Promise<ReplyOf<ImportQuestions, K>>;

/** What piw-import says goes to the import desk instead. */
export type Answers = {
  readonly [K in Exclude<keyof ImportQuestions, keyof WheelImportQuestions>]: Answer<K>;
};
