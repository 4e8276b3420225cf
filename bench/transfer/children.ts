/** Starts the processes of the bench `transfer` and waits for what they say. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export interface Child<Order, Says extends { readonly type: string }> {
  tell(order: Order): void;
  /** The next thing it says, which is to be of that type. @throws Error when it ends or fails instead. */
  said<T extends Says["type"]>(type: T): Promise<Extract<Says, { type: T }>>;
  end(): Promise<void>;
}

/** @param name of a file of `bench/`, without its ending */
export function startChild<Order extends object, Says extends { readonly type: string }>(
  name: string,
  signal: AbortSignal,
): Child<Order, Says> {
  const program = fileURLToPath(new URL(`../${name}${extname(import.meta.url)}`, import.meta.url));
  const child: ChildProcess = fork(program, [], { signal });
  // Aborted: whoever waits for what it says learns it by the exit.
  child.on("error", () => undefined);
  return {
    tell: (order) => void child.send(order),
    said: (type) =>
      new Promise((resolve, reject) => {
        const ended = (): void => {
          child.off("message", heard);
          reject(new Error(`${name} has ended`));
        };
        const heard = (words: unknown): void => {
          child.off("exit", ended);
          const said = words as Says;
          if (said.type === type) resolve(said as Extract<Says, { type: typeof type }>);
          else reject(new Error(`${name} said ${said.type} instead of ${type}`));
        };
        child.once("message", heard).once("exit", ended);
      }),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
