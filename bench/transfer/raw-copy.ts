/**
 * A raw zeromq.js copy of one file: PUSH to PULL in frames of 1 MiB, which the receiver hashes and writes, and at
 * the end syncs: what any transfer has to do. No requests, no resuming, no checks, no names.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { Pull, Push } from "zeromq";
import type { KeyPair } from "../../protocol/transport/index.ts";

const FRAME_BYTES = 1024 * 1024;
/** Frames on each side, so that memory stays bounded as it does in a transfer. */
const HIGH_WATER_MARK = 8;

export async function bindPull(secret: KeyPair | undefined): Promise<Pull> {
  const pull = new Pull({
    linger: 0,
    receiveHighWaterMark: HIGH_WATER_MARK,
    ...(secret && {
      curveServer: true,
      curvePublicKey: secret.publicKey,
      curveSecretKey: secret.secretKey,
    }),
  });
  await pull.bind("tcp://127.0.0.1:0");
  return pull;
}

export async function receiveFile(pull: Pull, path: string, sizeBytes: number): Promise<string> {
  const hash = createHash("sha256");
  const file = await open(path, "w");
  try {
    for (let offset = 0; offset < sizeBytes; ) {
      const [frame] = (await pull.receive()) as [Buffer];
      const written = file.write(frame, 0, frame.length, offset);
      hash.update(frame);
      await written;
      offset += frame.length;
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return hash.digest("hex");
}

export function connectPush(
  address: string,
  own: KeyPair | undefined,
  serverPublicKey: string | undefined,
): Push {
  const push = new Push({
    linger: 0,
    sendHighWaterMark: HIGH_WATER_MARK,
    ...(own &&
      serverPublicKey !== undefined && {
        curvePublicKey: own.publicKey,
        curveSecretKey: own.secretKey,
        curveServerKey: serverPublicKey,
      }),
  });
  push.connect(address);
  return push;
}

export async function sendFile(push: Push, path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    for (;;) {
      const frame = Buffer.allocUnsafeSlow(FRAME_BYTES);
      const { bytesRead } = await file.read(frame, 0, FRAME_BYTES);
      if (bytesRead === 0) return;
      await push.send(frame.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}
