/**
 * The end of a slave that a person has killed (`piw slaves kill`): thrown by its tree, and by bin turned into an exit code of its own,
 * which tells a service manager to leave it be. What the master refuses for another reason may fit after an upgrade.
 */
export class ToldToEndError extends Error {
  override readonly name = "ToldToEndError";
}
