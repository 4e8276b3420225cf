/** What a list of slaves says where not all of them have room in an answer. */
import { expect, test } from "vitest";
import { fitting } from "../../../actors/master/steering.ts";

const MIB = 1024 ** 2;
const row = (id: number, isHere: boolean, bytes: number) => ({
  id,
  isHere,
  text: "x".repeat(bytes),
});

test("a crowd of usual slaves is listed whole, in its order", () => {
  const crowd = Array.from({ length: 10_000 }, (_, id) => row(id, id % 3 === 0, 450));
  expect(fitting(crowd, ({ isHere }) => isHere)).toEqual(crowd);
});

test("those that are gone and said too much take no room from those that are here", () => {
  const gone = Array.from({ length: 12 }, (_, id) => row(id, false, MIB));
  const here = [row(100, true, 450), row(101, true, 450)];
  const listed = fitting([...gone, ...here], ({ isHere }) => isHere);
  expect(listed.slice(-2)).toEqual(here);
  expect(listed.length).toBeLessThan(9);
  expect(listed.length).toBeGreaterThan(5);
});
