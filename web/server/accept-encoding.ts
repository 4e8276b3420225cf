/**
 * Which codings of a page's bytes a client takes (RFC 9110, 12.5.3), best first. Pure. Without the header nothing is
 * compressed: scripts that read logs expect text.
 */
import type { ContentCoding } from "../storage.ts";

/** The smaller comes first where a client likes both as much. */
const offered: readonly ContentCoding[] = ["br", "gzip"];

const qualityPattern = /^q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** Those that it likes at least as much as the bytes as they are; none: these are to be sent. */
export function codingsTaken(header: string | undefined): readonly ContentCoding[] {
  const qualities = new Map<string, number>();
  for (const element of (header ?? "").toLowerCase().split(",")) {
    const [name = "", ...parameters] = element.split(";").map((part) => part.trim());
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
    const quality = weight === undefined ? "1" : qualityPattern.exec(weight)?.[1];
    // An element that is no coding with a weight is passed over.
    if (name !== "" && quality !== undefined) {
      qualities.set(name === "x-gzip" ? "gzip" : name, Number(quality));
    }
  }
  const qualityOf = (name: string): number => qualities.get(name) ?? qualities.get("*") ?? 0;
  // Who does not speak of the plain bytes takes them, but likes any coding that it names better.
  const plain = qualities.get("identity") ?? 0;
  return offered
    .filter((coding) => qualityOf(coding) > 0 && qualityOf(coding) >= plain)
    .sort((one, other) => qualityOf(other) - qualityOf(one));
}
