/** Progress at a terminal and where there is none. */
import { describe, expect, it } from "vitest";
import { openProgress } from "../../bin/progress.ts";

function recorder(isTTY: boolean) {
  const written: string[] = [];
  return {
    written,
    output: { isTTY, write: (text: string) => written.push(text) > 0 } as Parameters<
      typeof openProgress
    >[0],
  };
}

describe("progress", () => {
  it("rewrites a line of a terminal, not more often than it can be read, and takes it away", () => {
    const { written, output } = recorder(true);
    const progress = openProgress(output);
    progress.show("1 of 3");
    progress.show("2 of 3");
    progress.clear();
    progress.clear();
    expect(written).toEqual(["\r\u001b[K1 of 3", "\r\u001b[K"]);
  });

  it("says nothing elsewhere before there is long work", () => {
    const { written, output } = recorder(false);
    const progress = openProgress(output);
    progress.show("1 of 3");
    progress.clear();
    expect(written).toEqual([]);
  });
});
