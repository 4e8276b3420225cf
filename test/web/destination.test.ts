/** Where the URL of a request leads, whoever wrote it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isPublicKey } from "../../web/public-key.ts";
import { destinationOf } from "../../web/server/destination.ts";

test.each([
  ["/", { kind: "file", key: "index.html" }],
  ["/?q=1", { kind: "file", key: "index.html" }],
  ["/simple/", { kind: "simple", html: "simple/index.html", json: "simple/index.v1+json" }],
  [
    "/simple/tidepool/?format=x",
    { kind: "simple", html: "simple/tidepool/index.html", json: "simple/tidepool/index.v1+json" },
  ],
  ["/simple/index.html", { kind: "file", key: "simple/index.html" }],
  ["/simple/index.v1+json", { kind: "file", key: "simple/index.v1+json" }],
  ["/simple/a/a-1%2Bx-py3-none-any.whl", { kind: "file", key: "simple/a/a-1+x-py3-none-any.whl" }],
  ["/simple/a/a-1+x-py3-none-any.whl", { kind: "file", key: "simple/a/a-1+x-py3-none-any.whl" }],
  ["/project/tidepool/", { kind: "file", key: "project/tidepool/index.html" }],
  ["/project/tidepool/json/", { kind: "file", key: "project/tidepool/json/index.json" }],
  // RFC 9112, 3.2.2
  ["http://some.example/faq.html?a=b", { kind: "file", key: "faq.html" }],
  ["/logs/0000/0000/0001.txt.gz", { kind: "log", key: "logs/0000/0000/0001.txt.gz" }],
  ["/packages.html", { kind: "file", key: "packages.html" }],
])("%s is %j", (target, destination) => {
  expect(destinationOf(target)).toEqual(destination);
});

test.each([
  ["/simple", "/simple/"],
  ["/simple?format=x", "/simple/?format=x"],
  ["/simple/tidepool", "/simple/tidepool/"],
  ["/project/tidepool/json", "/project/tidepool/json/"],
  ["/simple/Tide.Pool", "/simple/tide-pool/"],
  ["/simple/Tide__Pool/?format=x?y", "/simple/tide-pool/?format=x?y"],
  ["/simple/Tide_Pool/Tide_Pool-1.0.tar.gz", "/simple/tide-pool/Tide_Pool-1.0.tar.gz"],
  ["/simple/T/T-1%2B2.whl", "/simple/t/T-1%2B2.whl"],
  ["/project/TidePool", "/project/tidepool/"],
  ["/project/Tide.Pool/json/", "/project/tide-pool/json/"],
])("%s is redirected to %s", (target, location) => {
  expect(destinationOf(target)).toEqual({ kind: "redirect", location });
});

test.each([
  "",
  "*",
  "simple/",
  "ftp://elsewhere.example/simple/",
  "http://elsewhere.example",
  "/index.html.gz",
  "/simple/tidepool/index.v1+json.gz",
  "//",
  "//elsewhere.example/simple",
  "//simple/",
  "/simple//",
  "/simple//tidepool/",
  "/../etc/passwd",
  "/..",
  "/simple/../../etc/passwd",
  "/%2e%2e/etc/passwd",
  "/simple/%2e%2e/%2e%2e/etc/passwd",
  "/..%2f..%2fetc%2fpasswd",
  "/simple/a%2fb/",
  "/simple/a%5c..%5cb/",
  "/.store/",
  "/.store/blobs/aa/x",
  "/%2estore/blobs/",
  "/simple/.store/",
  "/simple/-/",
  "/simple/a\0b/",
  "/simple/a%00b/",
  "/simple/a%0d%0aSet-Cookie:x/",
  "/simple/%C3%BC/",
  "/simple/%FF/",
  "/%zz",
  "/%",
  "/simple/a%2",
  `/simple/${"x".repeat(201)}/`,
  `/${"x/".repeat(2_000)}`,
  `/${"x".repeat(10_000)}`,
])("%j leads nowhere", (target) => {
  expect(destinationOf(target)).toEqual({ kind: "nothing" });
});

test("whatever is asked, only public keys and local redirects come out", () => {
  const piece = fc.oneof(
    fc.constantFrom("/", "//", "..", ".", "%2e", "%2F", "%5c", "%00", "simple", "project", "logs"),
    fc.constantFrom("?", "#", ".store", "A_b", "index.html", "x.gz", "+", "@", ":", "\\"),
    fc.string({ maxLength: 3 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const destination = destinationOf(`/${pieces.join("")}`);
      switch (destination.kind) {
        case "nothing":
          return true;
        case "redirect":
          return /^\/[A-Za-z0-9_]/.test(destination.location);
        case "simple":
          return isPublicKey(destination.html) && isPublicKey(destination.json);
        case "log":
        case "file":
          return isPublicKey(destination.key);
      }
    }),
    { numRuns: 500 },
  );
});
