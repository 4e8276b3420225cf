/**
 * A small file system of its own, to be filled for real: for tests of full disks. Needs the right to mount, which only
 * root has, and in some containers not even root.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export class SmallDisk {
  readonly path: string;

  /** @param size as `mount` takes it: `250m`. @throws Error where this user may not mount: see `canMount` */
  constructor(path: string, size: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    if (!mount(path, size)) throw new Error(`${path} could not be mounted`);
  }

  /** To the last byte. */
  fill(): void {
    const piece = Buffer.alloc(64 * 1024);
    for (const size of [piece.length, 512])
      while (canAppend(this.#ballast, piece.subarray(0, size)));
  }

  makeRoom(): void {
    rmSync(this.#ballast);
  }

  end(): void {
    unmount(this.path);
  }

  get #ballast(): string {
    return join(this.path, "ballast");
  }
}

export function canMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), "ww-mount-"));
  const isMounted = mount(place, "1m");
  if (isMounted) unmount(place);
  rmSync(place, { recursive: true });
  return isMounted;
}

const mount = (place: string, size: string): boolean =>
  spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", place]).status === 0;
const unmount = (place: string) => spawnSync("umount", ["--lazy", place]);

function canAppend(path: string, piece: Buffer): boolean {
  try {
    writeFileSync(path, piece, { flag: "a" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOSPC") return false;
    throw error;
  }
}
