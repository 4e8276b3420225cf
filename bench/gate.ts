/** What a bench waits for: opened from inside an actor, a queue or a socket. */

const PATIENCE_MS = 60_000;

export class Gate<T = void> {
  readonly #opened: Promise<T>;
  #open: (value: T) => void = () => undefined;

  constructor() {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  /** Usable as a callback. */
  readonly open = (value: T): void => {
    this.#open(value);
  };

  /** @throws Error after a minute, or what the signal was aborted with: nothing that is measured takes so long. */
  async passed(signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    return await new Promise<T>((resolve, reject) => {
      const end = (error: Error): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", interrupted);
        reject(error);
      };
      const interrupted = (): void => {
        end(new Error("interrupted"));
      };
      const timer = setTimeout(() => {
        end(new Error(`nothing came within ${PATIENCE_MS} ms`));
      }, PATIENCE_MS);
      signal.addEventListener("abort", interrupted, { once: true });
      void this.#opened.then((value) => {
        clearTimeout(timer);
        signal.removeEventListener("abort", interrupted);
        resolve(value);
      });
    });
  }
}
