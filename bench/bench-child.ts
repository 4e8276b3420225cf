/**
 * Starts the child processes of the benches `transfer` and `slaves`, and waits for what they say. One that cannot do what
 * it was told says `failed` and why.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export interface Child<Order, Says extends { readonly type: string }> {
  readonly pid: number;
  tell(order: Order): void;
  /** The next thing of that type that it says. @throws Error when it fails or ends instead. */
  said<T extends Says["type"]>(type: T): Promise<Extract<Says, { type: T }>>;
  end(): Promise<void>;
}

interface Failed {
  readonly type: "failed";
  readonly reason: string;
}

/** Has a child obey, and say so where it cannot. */
export function obeyOrders<Order>(obey: (order: Order) => Promise<void>): void {
  process.on("message", (order: Order) => {
    obey(order).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      process.send?.({ type: "failed", reason } satisfies Failed);
    });
  });
}

/**
 * @param name of a file of `bench/`, without its ending
 * @param heard is told whatever it says
 */
export function startChild<Order extends object, Says extends { readonly type: string }>(
  name: string,
  signal: AbortSignal,
  heard: (says: Says) => void = () => undefined,
): Child<Order, Says> {
  const program = fileURLToPath(new URL(`./${name}${extname(import.meta.url)}`, import.meta.url));
  const child: ChildProcess = fork(program, [], { signal });
  // Aborted: whoever waits for what it says learns it by the exit.
  child.on("error", () => undefined);
  child.on("message", (words) => heard(words as Says));
  return {
    pid: child.pid ?? 0,
    tell: (order) => void child.send(order),
    said: (type) =>
      new Promise((resolve, reject) => {
        const ended = (code: number | null, signal: string | null): void => {
          child.off("message", listen);
          reject(new Error(`${name} has ended (${signal ?? code})`));
        };
        const listen = (words: unknown): void => {
          const said = words as Says | Failed;
          if (said.type === "failed" && "reason" in said) {
            child.off("exit", ended).off("message", listen);
            reject(new Error(`${name}: ${said.reason}`));
          }
          if (said.type !== type) return;
          child.off("exit", ended).off("message", listen);
          resolve(said as Extract<Says, { type: typeof type }>);
        };
        child.on("message", listen).once("exit", ended);
      }),
    end: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, "exit");
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
