/**
 * Z85, ZeroMQ's text form of binary keys (RFC 32 of rfc.zeromq.org): 32 bytes become 40 printable
 * characters. Used for keys only, so lengths other than a key's are refused.
 */
const ALPHABET =
  "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
const VALUES = new Map([...ALPHABET].map((character, value) => [character, value]));
const KEY_BYTES = 32;
const KEY_CHARACTERS = 40;

/** @throws RangeError unless given 32 bytes. */
export function encodeZ85Key(key: Uint8Array): string {
  if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
  let text = "";
  for (let offset = 0; offset < KEY_BYTES; offset += 4) {
    const group = view.getUint32(offset);
    for (let divisor = 85 ** 4; divisor >= 1; divisor /= 85) {
      text += ALPHABET.charAt(Math.floor(group / divisor) % 85);
    }
  }
  return text;
}

/** The 32 bytes of a key, or undefined where the text is not one. */
export function decodeZ85Key(text: string): Buffer | undefined {
  if (text.length !== KEY_CHARACTERS) return undefined;
  const key = Buffer.alloc(KEY_BYTES);
  for (let group = 0; group < KEY_CHARACTERS / 5; group += 1) {
    let value = 0;
    for (let place = 0; place < 5; place += 1) {
      const digit = VALUES.get(text.charAt(group * 5 + place));
      if (digit === undefined) return undefined;
      value = value * 85 + digit;
    }
    if (value > 0xffff_ffff) return undefined;
    key.writeUInt32BE(value, group * 4);
  }
  return key;
}
