/** What the farm cannot answer is said on the page, in the words of the error. */
export async function inWords<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
