/**
 * Whether the farm has to rest because the output disk is nearly full. Big Brother asks with each look at the
 * disk. Once it rests it goes on only when there is a tenth more than the reserve, so that it does not go
 * on and off with every build.
 */
import type { DiskRoom } from "../../protocol/model/host.ts";
import { sizeText } from "../../web/pages/words.ts";

const WAKE_FACTOR = 1.1;

/**
 * Why no builds may be given out, or null.
 *
 * @param reserveBytes 0: there is no reserve
 * @param isResting whether it rests now
 */
export function restReason(
  room: DiskRoom,
  reserveBytes: number,
  isResting: boolean,
): string | null {
  if (reserveBytes === 0) return null;
  const wakeBytes = Math.ceil(reserveBytes * WAKE_FACTOR);
  if (room.freeBytes >= (isResting ? wakeBytes : reserveBytes)) return null;
  return (
    `the output disk has ${sizeText(room.freeBytes)} free and the reserve is ${sizeText(reserveBytes)}: ` +
    `no builds are given out until it has ${sizeText(wakeBytes)}`
  );
}
