/**
 * How fast is the followed index taken up? A long changelog, through client, follower and database, beside a
 * bare COPY of its rows; and the recording of projects as at the first load.
 */
import { runBench, together } from "./frame.ts";
import { startBenchDatabase } from "./upstream/bench-database.ts";
import { startChangelogProcess } from "./upstream/changelog-process.ts";
import { firstLoadQuestion } from "./upstream/first-load.ts";
import { followQuestion } from "./upstream/follow.ts";

await runBench("upstream", async (signal) => {
  const database = await startBenchDatabase();
  try {
    const server = await startChangelogProcess(signal);
    const followed = await followQuestion(database, server, signal).finally(() => server.end());
    return together([followed, await firstLoadQuestion(database, signal)]);
  } finally {
    await database.end();
  }
});
