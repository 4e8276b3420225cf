/**
 * A program with a threaded actor that ends its work and says nothing of stopping: run from its sources by
 * `threads-process.test.ts`. Says what its actor answered.
 */
import { silentLogger, startSystem, supervisor, threadChild } from "../../supervisor/index.ts";
import type { actor, ProberMessages } from "./thread-probe.ts";

const module = new URL("./thread-probe.ts", import.meta.url);
const root = supervisor("root", {}, [threadChild<typeof actor>("a", module, {})]);
const system = await startSystem({ name: "program", logger: silentLogger, root });
const ref = system.ref<ProberMessages>("/a");
ref.tell("EVERY", 10);
const answer = await ref.ask("ECHO", "hello from a thread");
process.stdout.write(`${String(answer)}\n`);
if (process.argv[2] === "throw") throw new Error("the program fails");
if (process.argv[2] === "stop") await system.stop();
