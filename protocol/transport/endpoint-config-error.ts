/**
 * The configuration of an endpoint or a key file cannot work: thrown before anything runs, to be shown
 * to a person as it is. Its message says what to do. Never thrown for what a peer does.
 */
export class EndpointConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EndpointConfigError";
  }
}
