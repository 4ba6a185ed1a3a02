/** What a body takes of the bytes that may be in flight, from its first byte on. */
export interface BodyRoom {
  /** Sets how many bytes it takes. @throws an error whose problem is 'busy' or 'too-large'; it takes as many as before then */
  take(bytes: number): void
  /** It takes none any more. */
  free(): void
}
