/**
 * DSSE: the bytes that are signed for a payload of a type (pre-authentication encoding, version 1). Signing and
 * verifying both take them from here.
 */

/** The type of an in-toto statement, as PEP 740 wants it. */
export const STATEMENT_TYPE = "application/vnd.in-toto+json";

/** `DSSEv1 LENGTH TYPE LENGTH BODY`, lengths in bytes: no other pair of type and body has the same encoding. */
export function preAuthenticationEncoding(type: string, body: Uint8Array): Buffer {
  const head = `DSSEv1 ${Buffer.byteLength(type)} ${type} ${body.byteLength} `;
  return Buffer.concat([Buffer.from(head, "utf8"), body]);
}
