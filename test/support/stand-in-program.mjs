/**
 * Stands in for a program of the farm in tests of its process actor. Its words say what it does: `ready`
 * makes the file of the next argument, `stay` runs until it is told to stop, `stubborn` until it is
 * killed, `fail` writes an error line and ends, `talk` writes lines of each kind.
 */
import { writeFileSync } from "node:fs";

const words = process.argv.slice(2);
process.once("disconnect", () => {
  process.exit(3);
});
for (const [index, word] of words.entries()) {
  switch (word) {
    case "ready":
      writeFileSync(words[index + 1] ?? "", JSON.stringify({ pid: process.pid, env: process.env }));
      break;
    case "stay":
      process.on("SIGTERM", () => {
        process.stdout.write("stopped in order\n");
        process.exit(0);
      });
      break;
    case "stubborn":
      process.on("SIGTERM", () => undefined);
      break;
    case "fail":
      process.stderr.write("piw-stand-in: the database is not there: run piw-initdb\n");
      process.exit(1);
      break;
    case "talk":
      process.stderr.write('{"level":"info","msg":"all is well"}\n');
      process.stderr.write(
        '{"level":"error","task":"scribe","msg":"cannot write","err":{"message":"disk \\u001b[2J full"}}\n',
      );
      break;
    default:
      break;
  }
}
setInterval(() => undefined, 1_000_000);
