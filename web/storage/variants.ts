/**
 * Which public files have compressed copies beside them: `KEY.gz` and `KEY.br`, written with the file and
 * taken away with it. A copy has the modification time of its file to the nanosecond; one that has another
 * belongs to a former file and is not to be served. Pure.
 */

export interface Variant {
  readonly suffix: ".gz" | ".br";
  /** As HTTP calls it. */
  readonly encoding: "gzip" | "br";
  /** Of a smaller file there is no such copy: it would save nothing worth a second file. */
  readonly minBytes: number;
}

/** Best first. A packet of the network holds what is smaller than 1,400 bytes. */
export const VARIANTS: readonly Variant[] = [
  { suffix: ".br", encoding: "br", minBytes: 20_000 },
  { suffix: ".gz", encoding: "gzip", minBytes: 1_400 },
];

/**
 * The root of the index is joined from parts that are compressed by themselves, which gzip allows and brotli
 * does not.
 */
const joined = /^simple\/index\.[^/]*$/;

const compressible = /(?:\.(?:html|json|css|js|xml|svg|txt)|\+json)$/;

/** Whether a file of this name is compressed, where it is large enough. A wheel or its metadata never is. */
export const isCompressible = (key: string): boolean => compressible.test(key);

/** The copies that a file of this name and size has beside it. */
export function variantsOf(key: string, sizeBytes: number): readonly Variant[] {
  if (!isCompressible(key)) return [];
  return VARIANTS.filter(
    ({ minBytes, encoding }) => sizeBytes >= minBytes && (encoding === "gzip" || !joined.test(key)),
  );
}

/** The file that a copy of this name belongs to; undefined where it is no copy's name. */
export function variantOwner(key: string): string | undefined {
  const owner = key.replace(/\.(?:gz|br)$/, "");
  return owner !== key && isCompressible(owner) && !owner.startsWith("logs/") ? owner : undefined;
}
