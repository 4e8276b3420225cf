/** How the farm calls itself to the servers of others: one name for all that it asks of them. */

/** @param contact where its operator is to be reached: an address or a page, in printable ASCII */
export const userAgent = (version: string, contact?: string): string =>
  contact === undefined || contact === ""
    ? `wheelwright/${version}`
    : `wheelwright/${version} (+${contact})`;
