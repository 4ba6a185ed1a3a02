/** The body is not a list of events; a single invalid event gives a verdict instead. */
export class BodyError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BodyError'
  }
}
