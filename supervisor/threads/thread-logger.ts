/** The log of an actor in a thread: every line goes to the parent's logger. */
import type { Logger, LogMethod } from "../logger.ts";
import type { Outbox } from "./outbox.ts";
import type { LogLevel, PlainErrors } from "./packet.ts";
import { toPlainError } from "./plain-error.ts";

type Fields = Readonly<Record<string, unknown>>;

export class ThreadLogger implements Logger {
  readonly trace: LogMethod;
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
  readonly #outbox: Outbox;
  readonly #bindings: Fields;

  constructor(outbox: Outbox, bindings: Fields = {}) {
    this.#outbox = outbox;
    this.#bindings = bindings;
    this.trace = this.#method("trace");
    this.debug = this.#method("debug");
    this.info = this.#method("info");
    this.warn = this.#method("warn");
    this.error = this.#method("error");
  }

  child(bindings: Fields): Logger {
    return new ThreadLogger(this.#outbox, { ...this.#bindings, ...bindings });
  }

  #method(level: LogLevel): LogMethod {
    return (fieldsOrMessage: object | string, message: string = ""): void => {
      if (typeof fieldsOrMessage === "string") this.#say(level, {}, fieldsOrMessage);
      else this.#say(level, fieldsOrMessage, message);
    };
  }

  #say(level: LogLevel, given: object, message: string): void {
    const fields: Record<string, unknown> = {};
    const errors: Record<string, PlainErrors[string]> = {};
    for (const [key, value] of Object.entries({ ...this.#bindings, ...given })) {
      if (value instanceof Error) errors[key] = toPlainError(value);
      else fields[key] = value;
    }
    this.#outbox.say(["log", level, fields, errors, message]);
  }
}
