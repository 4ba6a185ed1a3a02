/** A limit of live readers or live queries is reached. */
export class TooManyReadersError extends Error {
  constructor(limit: 'liveReadersMax' | 'liveReadersPerClientMax' | 'liveQueriesMax', value: number) {
    super(`${limit} = ${value} is reached; retry later, or query without following the answer`)
    this.name = 'TooManyReadersError'
  }
}
