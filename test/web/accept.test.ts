/** Which rendering of a simple page is for whom. */
import { expect, test } from "vitest";
import { negotiateSimple } from "../../web/index/accept.ts";

const JSON_V1 = "application/vnd.pypi.simple.v1+json";
const HTML_V1 = "application/vnd.pypi.simple.v1+html";
const HTML = "text/html";

test.each([
  [undefined, HTML],
  ["", HTML],
  ["*/*", HTML],
  ["text/html", HTML],
  ["text/*", HTML],
  ["TEXT/HTML", HTML],
  ["text/html; charset=utf-8", HTML],
  [JSON_V1, JSON_V1],
  [HTML_V1, HTML_V1],
  ["application/vnd.pypi.simple.latest+json", JSON_V1],
  ["application/vnd.pypi.simple.latest+html", HTML_V1],
  ["application/*", JSON_V1],
  // pip, uv, a browser
  [`${JSON_V1}, ${HTML_V1}; q=0.1, text/html; q=0.01`, JSON_V1],
  [`${JSON_V1}, ${HTML_V1};q=0.2, text/html;q=0.01`, JSON_V1],
  ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", HTML],
  [`${HTML_V1};q=0.5, ${JSON_V1};q=0.4`, HTML_V1],
  [`${JSON_V1};q=0, */*`, HTML],
  [`${JSON_V1}, text/html`, JSON_V1],
  [`${HTML_V1}, text/html`, HTML_V1],
  // The most exact range decides for its type, also when a wider one is worth more.
  ["text/html;q=0.1, text/*;q=0.9, application/vnd.pypi.simple.v1+json;q=0.5", JSON_V1],
  ["nonsense, text/html", HTML],
  ["nonsense", HTML],
  ["text/html;q=nine, application/vnd.pypi.simple.v1+json;q=0.2", JSON_V1],
  // Nothing there for them: 406
  ["application/vnd.pypi.simple.v2+json", undefined],
  ["application/json", undefined],
  ["image/*", undefined],
  ["text/html;q=0", undefined],
  ["*/*;q=0", undefined],
  [`${JSON_V1};q=0.000`, undefined],
])("Accept: %s is answered with %s", (accept, expected) => {
  expect(negotiateSimple(accept, undefined)).toBe(expected);
});

test.each([
  [JSON_V1, JSON_V1],
  ["application/vnd.pypi.simple.v1 json", JSON_V1],
  ["application/vnd.pypi.simple.latest+html", HTML_V1],
  ["text/html", HTML],
  ["application/json", undefined],
  ["*/*", undefined],
  ["", undefined],
])("?format=%s is answered with %s, whatever is accepted", (format, expected) => {
  expect(negotiateSimple("text/html, application/vnd.pypi.simple.v1+html", format)).toBe(expected);
});
