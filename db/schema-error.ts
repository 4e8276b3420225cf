/** The database is not as it must be. The message is one line that says what to do. Thrown by migrate.ts, rights.ts and leader.ts. */
export class SchemaError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SchemaError";
  }
}
