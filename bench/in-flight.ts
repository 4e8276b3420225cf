/** Keeps a number of questions in flight, for the benches of asks. */

/** Asks `total` questions, `depth` at a time: the next one goes out when one was answered. */
export async function askAll(
  depth: number,
  total: number,
  ask: (n: number) => Promise<unknown>,
): Promise<void> {
  let asked = 0;
  const lane = async (): Promise<void> => {
    while (asked < total) {
      asked += 1;
      await ask(asked);
    }
  };
  await Promise.all(Array.from({ length: depth }, lane));
}

/** As `askAll`, for so long instead of so many. Gives the answers a second. */
export async function askForMs(
  depth: number,
  durationMs: number,
  ask: (n: number) => Promise<unknown>,
): Promise<number> {
  const startedAtMs = performance.now();
  let asked = 0;
  const lane = async (): Promise<void> => {
    while (performance.now() - startedAtMs < durationMs) {
      asked += 1;
      await ask(asked);
    }
  };
  await Promise.all(Array.from({ length: depth }, lane));
  return (asked / (performance.now() - startedAtMs)) * 1_000;
}
