/** A program of one actor that goes wrong as its argument says; run as a process of its own by tests. */
import { EventEmitter } from "node:events";
import {
  child,
  defineActor,
  silentLogger,
  startSystem,
  superviseProcess,
  supervisor,
} from "../../supervisor/index.ts";

const say = (line: string) => process.stdout.write(`${line}\n`);
const fault = process.argv[2] ?? "none";

const actor = defineActor<{ GO(): void }>({
  name: "goes wrong",
  init(ctx) {
    say(`init ${ctx.incarnation}`);
    if (ctx.incarnation === 1) ctx.after(1, "GO");
    else setTimeout(() => process.kill(process.pid, "SIGTERM"), 20);
  },
  handle: {
    async GO(_state, _body, ctx) {
      if (fault === "rejection") void Promise.reject(new Error("stray rejection"));
      if (fault === "timer") {
        setTimeout(() => {
          throw new Error("stray throw");
        }, 1);
      }
      if (fault === "emitter")
        setTimeout(() => new EventEmitter().emit("error", new Error("x")), 1);
      if (fault === "none") process.kill(process.pid, "SIGTERM");
      if (fault === "busy") {
        for (let n = 0; n < 3; n++) ctx.self.tell("GO");
        process.kill(process.pid, "SIGTERM");
        await new Promise((resolve) => ctx.signal.addEventListener("abort", resolve));
        say("handled");
      }
      if (fault === "give-up") throw new Error("again and again");
    },
  },
  async stop(_state, reason) {
    if (fault === "hang" && reason.kind === "shutdown") await new Promise(() => undefined);
    say(`stop ${reason.kind}`);
  },
});

const intensity = { restarts: fault === "give-up" ? 0 : 3, withinMs: 1_000 };
const system = await startSystem({
  name: "program",
  logger: silentLogger,
  root: supervisor("root", { intensity }, [child("a", actor, undefined)]),
});
superviseProcess(system, { deadlineMs: 10_000 });
void system.terminated.then((reason) => {
  if (fault === "busy") say(`dead letters ${JSON.stringify(system.deadLetters().byReason)}`);
  say(`terminated ${reason.kind}`);
});
if (fault === "nobody") setTimeout(() => void Promise.reject(new Error("no actor's")), 30);
if (fault === "hang") {
  setTimeout(() => process.kill(process.pid, "SIGTERM"), 30);
  setTimeout(() => process.kill(process.pid, "SIGTERM"), 60);
}
// Something that keeps the process alive by itself.
setInterval(() => undefined, 1_000).unref();
const keepAlive = setInterval(() => undefined, 1_000);
void system.terminated.then(() => clearInterval(keepAlive));
