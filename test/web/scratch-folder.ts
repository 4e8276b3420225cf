/**
 * A folder of a test's own, in memory where the system has such a place: the storage syncs all that
 * it writes, and a disk that others use makes each sync a wait. The fault tests use a real disk.
 */
import { access, constants, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

export async function makeScratchFolder(): Promise<string> {
  const memory = "/dev/shm";
  const isThere = await access(memory, constants.W_OK).then(
    () => true,
    () => false,
  );
  return mkdtemp(join(isThere ? memory : tmpdir(), "web-test-"));
}
