import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SecretMask, secretsOf } from "../../../actors/slave/secret-mask.ts";

const masked = (text: string, secrets: readonly string[] = []): string =>
  new SecretMask(secrets).text(text);

describe("a secret mask hides", () => {
  it.each([
    [
      "Looking in indexes: https://joe:s3cret@host/simple",
      "Looking in indexes: https://***@host/simple",
    ],
    ["git clone https://ghtoken@github.com/a/b.git", "git clone https://***@github.com/a/b.git"],
    ["at http://a:p@ss@host:8080/x?y", "at http://***@host:8080/x?y"],
    [
      "GET https://h/f.whl?a=1&access_token=abc.def&b=2",
      "GET https://h/f.whl?a=1&access_token=***&b=2",
    ],
    [
      "https://s3/x?X-Amz-Signature=9f8e7d&X-Amz-Date=1",
      "https://s3/x?X-Amz-Signature=***&X-Amz-Date=1",
    ],
    ["Authorization: Basic am9lOnMzY3JldA==", "Authorization: Basic ***"],
    ["> authorization: Bearer eyJ.abc-def_ghi", "> authorization: Bearer ***"],
    [
      "send: b'GET / HTTP/1.1\\r\\nAuthorization: Basic am9l\\r\\n'",
      "send: b'GET / HTTP/1.1\\r\\nAuthorization: Basic ***\\r\\n'",
    ],
    ["{'Authorization': 'token abc', 'a': 'b'}", "{'Authorization': 'token ***', 'a': 'b'}"],
    ['{"Proxy-Authorization": "Negotiate abc"}', '{"Proxy-Authorization": "Negotiate ***"}'],
    ["PRIVATE-TOKEN: abcdef", "PRIVATE-TOKEN: ***"],
    ['declare -x API_TOKEN="abc def"', 'declare -x API_TOKEN="***"'],
    ["environ({'DB_PASSWORD': 'hunter22', 'X': '1'})", "environ({'DB_PASSWORD': '***', 'X': '1'})"],
    ["AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI", "AWS_SECRET_ACCESS_KEY=***"],
    ["using ghp_0123456789abcdefghij0123456789abcdef", "using ***"],
    ["[... 17 bytes cut here ...]", "[***"],
  ])("in %j", (text, expected) => {
    expect(masked(text)).toBe(expected);
    expect(masked(`before\n${text}\nafter`)).toBe(`before\n${expected}\nafter`);
  });

  it("nothing in what only looks alike", () => {
    const text = [
      "cc -DTOKEN=unsigned -DMAX_TOKENS=100 -c parser.c",
      "https://files.example.org/a@b/c.whl",
      "mail joe@example.org; tokens = 5; bearer of news",
      "see [... 17 bytes cut here ...]",
      "Collecting secretstorage>=3.2 (from keyring)",
    ].join("\n");
    expect(masked(text)).toBe(text);
  });

  it("what the slave knows to be secret, wherever it stands", () => {
    const secrets = secretsOf(
      {
        UPLOAD_TOKEN: "tok-12345",
        SIGNING_KEY: "first line of it\nsecond line",
        https_proxy: "http://joe:pa%24%24word@proxy:3128",
        PATH: "/usr/bin",
        HOME: "/home/token",
        TOKEN_COUNT: "5",
      },
      ["https://index-token@index/simple"],
    );
    expect(
      masked(
        "a tok-12345, second line, pa%24%24word, pa$$word, index-token, /usr/bin 5 joe",
        secrets,
      ),
    ).toBe("a ***, ***, ***, ***, ***, /usr/bin 5 joe");
  });
});

/** Words that secrets are made of, broken ones too, and long stretches without an end. */
const fragment = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom(
      "https://",
      "joe",
      ":",
      "s3cret",
      "@",
      "host/",
      "?",
      "&token=",
      "abc",
      " ",
      "\n",
      "\r\n",
      "\r",
      "Authorization: ",
      "Bearer ",
      "API_",
      "TOKEN=",
      "'",
      "tok-12345",
      "tok-",
      "12345",
      "[... 5 bytes cut here ...]",
      "é",
    ),
  },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 40_000 }).map((n) => "x".repeat(n)) },
  { weight: 1, arbitrary: fc.string({ maxLength: 20 }) },
);

it("hides the same wherever the output is broken into pieces", () => {
  fc.assert(
    fc.property(
      fc.array(fragment, { maxLength: 60 }),
      fc.array(fc.integer({ min: 1, max: 30_000 }), { maxLength: 40 }),
      fc.integer({ min: 1, max: 50 }),
      (fragments, sizes, smallBytes) => {
        const whole = Buffer.from(fragments.join(""));
        const mask = new SecretMask(["tok-12345"]);
        const parts: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          parts.push(mask.push(Buffer.from(whole.subarray(at, at + size))));
          at += size;
        }
        // The rest of it in small ones, so that borders fall within secrets.
        const end = Math.min(whole.length, at + 2_000);
        for (; at < end; at += smallBytes)
          parts.push(mask.push(Buffer.from(whole.subarray(at, Math.min(end, at + smallBytes)))));
        parts.push(mask.push(Buffer.from(whole.subarray(Math.max(at, end)))));
        parts.push(mask.end());
        // A part that begins at `at` beyond `end` was given already.
        const given = Buffer.concat([
          whole.subarray(0, Math.min(end, whole.length)),
          whole.subarray(Math.max(at, end)),
        ]);
        expect(Buffer.concat(parts).toString()).toBe(masked(given.toString(), ["tok-12345"]));
      },
    ),
    { numRuns: 300 },
  );
}, 30_000);

it("hides a secret across any one border, in a line of any length", () => {
  const secret = "https://joe:s3cret-and-long@host/";
  for (const before of [0, 10, 65_000, 69_700, 69_736, 70_000, 140_000]) {
    const text = `${"y".repeat(before)} ${secret} tail\n`;
    for (let border = before; border <= before + secret.length + 1; border += 1) {
      const mask = new SecretMask();
      const out = Buffer.concat([
        mask.push(Buffer.from(text.slice(0, border))),
        mask.push(Buffer.from(text.slice(border))),
        mask.end(),
      ]).toString();
      expect(out.slice(before)).toBe(" https://***@host/ tail\n");
    }
  }
});
