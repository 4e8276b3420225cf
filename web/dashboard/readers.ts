/** How many streams are open, in all and by address: each holds a connection for hours. */
import type { IncomingMessage } from "node:http";
import { isThisMachine } from "../server/own-machine.ts";

const MOST_IN_ALL = 256;
const MOST_OF_ONE_ADDRESS = 32;

export class Readers {
  readonly #byAddress = new Map<string, number>();
  #all = 0;

  /** @returns how to give the place back; undefined where there is none */
  enter({ socket }: IncomingMessage): (() => void) | undefined {
    const address = socket.remoteAddress ?? "";
    const ofAddress = this.#byAddress.get(address) ?? 0;
    // Who comes from this machine is everybody, where another web server stands before this one.
    const isShared = isThisMachine(address);
    if (this.#all >= MOST_IN_ALL || (!isShared && ofAddress >= MOST_OF_ONE_ADDRESS))
      return undefined;
    this.#all += 1;
    this.#byAddress.set(address, ofAddress + 1);
    let isHere = true;
    return () => {
      if (!isHere) return;
      isHere = false;
      this.#all -= 1;
      const left = (this.#byAddress.get(address) ?? 1) - 1;
      if (left <= 0) this.#byAddress.delete(address);
      else this.#byAddress.set(address, left);
    };
  }
}
