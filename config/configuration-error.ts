/** A mistake in what the user gave (a file, a variable, an argument): the message is one line that says where. */
export class ConfigurationError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ConfigurationError";
  }
}
