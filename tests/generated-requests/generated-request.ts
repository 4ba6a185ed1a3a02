/** A request as it is sent. */
export interface GeneratedRequest {
  readonly method: string
  /** with the query string */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: Buffer
}
