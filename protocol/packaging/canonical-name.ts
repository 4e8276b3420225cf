/**
 * Project names: which are valid (PEP 508, core metadata) and which are the same (PEP 503). Called by
 * whoever compares, stores or links names. Spellings other than the canonical one are for display only.
 */

/** Longest project name and longest version that the farm takes; PyPI has none that is longer. */
export const MAX_NAME_LENGTH = 200;

const validName = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/;

/** ASCII letters, digits, `-_.`, beginning and ending with a letter or digit, at most `MAX_NAME_LENGTH`. */
export const isValidName = (name: string): boolean =>
  name.length <= MAX_NAME_LENGTH && validName.test(name);

/**
 * The one spelling under which a name is stored and compared: lower case, runs of `-_.` to one `-`.
 * Only ASCII letters are lowered, so that a name with look-alikes (U+212A, the Kelvin sign, whose lower
 * case is `k`) never becomes that of another project. Takes any text; ask `isValidName` first.
 */
export const canonicalName = (name: string): string =>
  name.replace(/[A-Z]+/g, (upper) => upper.toLowerCase()).replace(/[-_.]+/g, "-");
