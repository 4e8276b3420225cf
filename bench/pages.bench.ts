/**
 * The site: how fast are pages written, what does one change cost the root of the index, how fast is it served, how long
 * does whoever types wait for the search? With an argument (`write`, `root`, `serve`, `search`): that part alone.
 */
import { type Findings, runBench } from "./frame.ts";
import { measureRoot } from "./pages/root.ts";
import { measureSearch } from "./pages/search.ts";
import { measureServing } from "./pages/serve.ts";
import { measureWriting } from "./pages/write.ts";

const parts = {
  write: measureWriting,
  root: measureRoot,
  serve: measureServing,
  search: measureSearch,
};
const wanted = process.argv[2];

await runBench("pages", async (signal): Promise<Findings> => {
  const found: Findings[] = [];
  for (const [name, measure] of Object.entries(parts))
    if (wanted === undefined || wanted === name) found.push(await measure(signal));
  return {
    tables: found.flatMap(({ tables }) => tables),
    notes: found.flatMap(({ notes }) => notes),
    figures: Object.assign({}, ...found.map(({ figures }) => figures)) as Record<string, number>,
    aims: found.flatMap(({ aims }) => aims),
  };
});
