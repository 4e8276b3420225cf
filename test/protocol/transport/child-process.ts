/** Starts one end of a link in a process of its own, and reads there how it was started. */
import { type ChildProcess, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ClientKeys, KeyPair } from "../../../protocol/transport/index.ts";
import { closeLater } from "./echo-link.ts";

export interface ChildOptions {
  readonly clientKeys?: ClientKeys;
  readonly serverKeys?: { readonly secret: KeyPair; readonly authorised: string };
  readonly heartbeatMs?: number;
  /** Says a numbered NOTE every few milliseconds, and asks once in each session. */
  readonly isTalkative?: boolean;
}

export interface Child {
  readonly process: ChildProcess;
  /** What it has printed. */
  text(): string;
}

/** Killed at the end of the test, if not before. */
export function startChild(file: string, address = "", options: ChildOptions = {}): Child {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(
    process.execPath,
    ["--import", "tsx", script, address, JSON.stringify(options)],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  closeLater({
    close: async () => {
      child.kill("SIGKILL");
      await exited;
    },
  });
  return { process: child, text: () => text };
}

/** In the child. */
export function readOptions(): [address: string, options: ChildOptions] {
  const [, , address = "", options = "{}"] = process.argv;
  return [address, JSON.parse(options) as ChildOptions];
}
