/**
 * Which rendering of a simple page a client gets (PEP 691, "Version + Format Selection"; RFC 9110,
 * 12.5.1). Pure: the server asks it, and the examples for other web servers are tested against it.
 */

/** The concrete media types, in the order of preference when a client names them equally. */
export const simpleMediaTypes = [
  "application/vnd.pypi.simple.v1+json",
  "application/vnd.pypi.simple.v1+html",
  "text/html",
] as const;
export type SimpleMediaType = (typeof simpleMediaTypes)[number];

/** A client that takes anything is a person or a curl: HTML, as PEP 691 advises. */
const wildcardOrder: readonly SimpleMediaType[] = [
  "text/html",
  "application/vnd.pypi.simple.v1+json",
  "application/vnd.pypi.simple.v1+html",
];

const latest: Readonly<Record<string, SimpleMediaType>> = {
  "application/vnd.pypi.simple.latest+json": "application/vnd.pypi.simple.v1+json",
  "application/vnd.pypi.simple.latest+html": "application/vnd.pypi.simple.v1+html",
};

/** RFC 9110, 12.4.2: at most three digits after the point. */
const qualityPattern = /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/;

interface MediaRange {
  readonly name: string;
  readonly quality: number;
}

/**
 * @param format the `format` of the query, which wins over `accept`
 * @returns undefined when the client takes nothing that there is: 406
 */
export function negotiateSimple(
  accept: string | undefined,
  format: string | undefined,
): SimpleMediaType | undefined {
  // In a query "+" reads as a space: both spellings of a media type are meant.
  if (format !== undefined) return findConcrete(format.trim().replaceAll(" ", "+").toLowerCase());
  const ranges = parseAccept(accept ?? "");
  if (ranges.length === 0) return "text/html";
  const choices = simpleMediaTypes
    .map((type) => ({ type, ...preferenceFor(type, ranges) }))
    .filter((choice) => choice.quality > 0);
  choices.sort((a, b) => b.quality - a.quality || b.exactness - a.exactness || rank(a) - rank(b));
  return choices[0]?.type;
}

const rank = (choice: { type: SimpleMediaType; exactness: number }): number =>
  (choice.exactness === 2 ? simpleMediaTypes : wildcardOrder).indexOf(choice.type);

const findConcrete = (name: string): SimpleMediaType | undefined =>
  latest[name] ?? simpleMediaTypes.find((type) => type === name);

/** The most exact range that names a type decides its quality, also when another's is higher. */
function preferenceFor(type: SimpleMediaType, ranges: readonly MediaRange[]) {
  let best = { quality: 0, exactness: -1 };
  for (const { name, quality } of ranges) {
    const exactness = exactnessOf(name, type);
    const isBetter =
      exactness > best.exactness || (exactness === best.exactness && quality > best.quality);
    if (exactness >= 0 && isBetter) best = { quality, exactness };
  }
  return best;
}

/** 2: the type itself; 1: its main type; 0: anything; -1: not this type. */
function exactnessOf(range: string, type: SimpleMediaType): number {
  if (findConcrete(range) === type) return 2;
  if (range === `${type.slice(0, type.indexOf("/"))}/*`) return 1;
  return range === "*/*" ? 0 : -1;
}

/** Parameters other than `q` do not choose here; an element that is no media range is passed over. */
function parseAccept(accept: string): MediaRange[] {
  return accept.split(",").flatMap((element): MediaRange[] => {
    const [name = "", ...parameters] = element.split(";").map((part) => part.trim().toLowerCase());
    if (!name.includes("/")) return [];
    const weight = parameters.find((parameter) => /^q\s*=/.test(parameter));
    if (weight === undefined) return [{ name, quality: 1 }];
    const quality = weight.replace(/^q\s*=\s*/, "");
    return qualityPattern.test(quality) ? [{ name, quality: Number(quality) }] : [];
  });
}
