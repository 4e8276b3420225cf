/**
 * Array columns and parameters of PostgreSQL's own types, for the driver. session.ts registers them by
 * hand because the driver's way is a query at each connect whose failure nobody catches: a backend
 * that dies in that moment would end the process.
 *
 * Source: PostgreSQL manual, "Array Input and Output Syntax".
 */

/** Object ids of element and array type, which never change (pg_type.dat). */
export const ARRAY_TYPES: readonly (readonly [element: number, array: number])[] = [
  [16, 1000], // bool
  [17, 1001], // bytea
  [19, 1003], // name
  [20, 1016], // int8
  [21, 1005], // int2
  [23, 1007], // int4
  [25, 1009], // text
  [26, 1028], // oid
  [114, 199], // json
  [700, 1021], // float4
  [701, 1022], // float8
  [1043, 1015], // varchar
  [1082, 1182], // date
  [1114, 1115], // timestamp
  [1184, 1185], // timestamptz
  [1186, 1187], // interval
  [1700, 1231], // numeric
  [2950, 2951], // uuid
  [3802, 3807], // jsonb
];

type Parse = (text: string) => unknown;
type Serialize = (value: unknown) => unknown;

/**
 * Reads `{1,NULL,"a\"b",{…}}`. `element` reads one value; undefined leaves it text.
 * @throws SyntaxError for text that PostgreSQL does not write.
 */
export function parseArray(text: string, element: Parse | undefined): unknown[] {
  // Lower bounds other than 1 come as `[0:2]={…}`; JavaScript has no place for them.
  let at = text.startsWith("[") ? text.indexOf("=") + 1 : 0;

  const parseList = (): unknown[] => {
    if (text[at] !== "{") throw new SyntaxError("an array does not begin with {");
    at += 1;
    const items: unknown[] = [];
    if (text[at] === "}") {
      at += 1;
      return items;
    }
    for (;;) {
      items.push(text[at] === "{" ? parseList() : parseItem());
      const next = text[at];
      at += 1;
      if (next === "}") return items;
      if (next !== ",") throw new SyntaxError("an array is cut off");
    }
  };

  const parseItem = (): unknown => {
    const match = /"((?:[^"\\]|\\.)*)"|([^",{}]+)/sy;
    match.lastIndex = at;
    const found = match.exec(text);
    if (found === null) throw new SyntaxError("an array has an element that cannot be read");
    at = match.lastIndex;
    const [, quoted, plain] = found;
    if (quoted === undefined && plain === "NULL") return null;
    const value = quoted === undefined ? (plain ?? "") : quoted.replace(/\\(.)/gs, "$1");
    return element === undefined ? value : element(value);
  };

  const items = parseList();
  if (at !== text.length) throw new SyntaxError("an array has text behind it");
  return items;
}

/**
 * Writes an array; every element but a number is quoted, null is NULL.
 * @throws TypeError for undefined, which is a forgotten value and not NULL.
 */
export function serializeArray(values: readonly unknown[], element: Serialize | undefined): string {
  const items = values.map((value) => {
    if (Array.isArray(value)) return serializeArray(value, element);
    if (value === undefined) throw new TypeError("an array parameter has an undefined element");
    if (value === null) return "NULL";
    const written = element === undefined ? value : element(value);
    if (typeof written === "number") return String(written);
    const text = String(written);
    const isPlain = !text.includes('"') && !text.includes("\\");
    return isPlain ? `"${text}"` : `"${text.replace(/["\\]/g, "\\$&")}"`;
  });
  return `{${items.join(",")}}`;
}
