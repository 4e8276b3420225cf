/**
 * Who may watch and control the master over tcp: the keys of `--monitor-keys`, each with its right, and the master's own
 * key, with which its other tasks come. Made by the tree for control and status link; Control asks what a caller may.
 */
import {
  type AuthorizedKey,
  type KeyPair,
  readAuthorizedKeys,
  type ServerKeys,
} from "../../protocol/transport/index.ts";
import type { Logger } from "../../supervisor/index.ts";

/** Who asks, as far as it was proved. */
export interface Caller {
  /** For people: `local`, `master`, `key NAME`. */
  readonly via: string;
  /** `control` is also to watch. `none`: its key was taken from it a moment ago. */
  readonly right: "control" | "watch" | "none";
}

export interface MonitorDoor {
  readonly keys: ServerKeys;
  callerOf(publicKey: string): Caller;
}

/** On a link without keys: whoever reaches the socket may do everything. */
export const localCaller = (): Caller => ({ via: "local", right: "control" });

/** @throws EndpointConfigError where the folder cannot be read */
export function openMonitorDoor(own: KeyPair, dir: string, logger: Logger): MonitorDoor {
  const authorized = readAuthorizedKeys(dir, {
    addedBy: "piw monitor-key add",
    failed: (error) => {
      logger.error(
        { err: error, dir },
        "the keys of monitors cannot be read: connected ones stay, no other is let in until they can be",
      );
    },
  });
  const isOwn = (key: string): boolean => key === own.publicKey;
  return {
    keys: {
      secret: own,
      isAuthorised: (key) => isOwn(key) || authorized.isAuthorised(key),
      mayStay: (key) => isOwn(key) || authorized.mayStay(key),
    },
    callerOf: (key) =>
      isOwn(key) ? { via: "master", right: "control" } : callerWith(authorized.find(key)),
  };
}

/** A right that nobody knows, or none, is the least. */
function callerWith(key: AuthorizedKey | undefined): Caller {
  if (key === undefined) return { via: "a key that was revoked", right: "none" };
  return { via: `key ${key.name}`, right: key.right === "control" ? "control" : "watch" };
}
