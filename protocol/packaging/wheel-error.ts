/** Why a file is no wheel that the farm publishes. The only error that `inspectWheel` throws. */

export type WheelErrorCode =
  /** The file cannot be opened or read: the farm's trouble rather than the wheel's. */
  | "unreadable"
  /** The caller's signal. */
  | "aborted"
  | "bad-filename"
  /** No zip, cut short, or with a directory that contradicts itself. */
  | "bad-zip"
  | "too-many-entries"
  | "too-large"
  | "bad-entry-name"
  | "duplicate-entry"
  /** Encrypted, an unknown compression, a link or a device. */
  | "unsupported-entry"
  /** What an entry holds is not what it declares: length, checksum, or no data that can be unpacked. */
  | "bad-entry-data"
  | "bad-dist-info"
  | "bad-metadata"
  | "bad-wheel-file"
  | "bad-record"
  | "name-mismatch"
  | "version-mismatch"
  | "tag-mismatch"
  /** RECORD and the entries disagree. */
  | "record-mismatch";

export class WheelError extends Error {
  override readonly name = "WheelError";
  readonly code: WheelErrorCode;

  constructor(code: WheelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
