/** Starts and ends the process that serves the changelog of the bench `upstream` (`changelog-child.ts`). */
import { fork } from "node:child_process";
import { once } from "node:events";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";

export interface ChangelogProcess {
  readonly url: string;
  end(): Promise<void>;
}

/** @throws Error when it ends before it listens */
export async function startChangelogProcess(signal: AbortSignal): Promise<ChangelogProcess> {
  const program = fileURLToPath(
    new URL(`../changelog-child${extname(import.meta.url)}`, import.meta.url),
  );
  const child = fork(program, [], { signal });
  child.on("error", () => undefined);
  const gone = once(child, "exit");
  const ended = gone.then(() => {
    throw new Error("the process that serves the changelog has ended");
  });
  ended.catch(() => undefined);
  const [said] = (await Promise.race([once(child, "message"), ended])) as [{ url: string }];
  return {
    url: said.url,
    end: async () => {
      if (child.connected) child.disconnect();
      await gone;
    },
  };
}
