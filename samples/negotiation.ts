/**
 * Which form of a Simple API page a request gets (PEP 691, "Version + Format Selection"). Called by the
 * router only.
 */

export type SimpleFormat = "json" | "html";

export const simpleContentType = {
  json: "application/vnd.pypi.simple.v1+json",
  html: "text/html; charset=utf-8",
} as const;

const formats: Readonly<Record<string, SimpleFormat>> = {
  "application/vnd.pypi.simple.v1+json": "json",
  "application/vnd.pypi.simple.latest+json": "json",
  "application/vnd.pypi.simple.v1+html": "html",
  "application/vnd.pypi.simple.latest+html": "html",
  "text/html": "html",
  "text/*": "html",
  "*/*": "html",
};

/** The offered format that the client likes best; HTML without a header; undefined where none will do (406). */
export function chooseFormat(
  accept: string | undefined,
  offered: readonly SimpleFormat[],
): SimpleFormat | undefined {
  if (accept === undefined || accept.trim() === "") return "html";
  let best: { format: SimpleFormat; quality: number } | undefined;
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const format = formats[type];
    const given = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
    const quality = given === undefined ? 1 : Number(given);
    if (format === undefined || !offered.includes(format) || !(quality > 0)) continue;
    if (best === undefined || quality > best.quality) best = { format, quality };
  }
  return best?.format;
}
