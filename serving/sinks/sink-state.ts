/**
 * What a sink has delivered, and what it is delivering, in one durable file. A delivery is written down before it is made for the first
 * time: whatever happens, it is repeated word by word until it is taken, and only then does the next one begin.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** An answer that the receiver has, or is to get. */
export interface SinkAnswer {
  readonly id: string
  readonly rowsJson: string
  readonly metaJson: string
}

export interface SinkState {
  /** the query that it is of: another one begins anew */
  readonly query: string
  readonly delivered: SinkAnswer | null
  readonly pending: SinkAnswer | null
  /** taken by the receiver, since the state began */
  readonly deliveries: number
  /** epoch ms; null: none yet */
  readonly lastDeliveryMs: number | null
}

export class SinkStateFile {
  readonly #path: string

  constructor(path: string) {
    this.#path = path
  }

  /** Begins anew where there is none, or one of another query. @throws Error if the file cannot be read */
  async read(query: string): Promise<SinkState> {
    const none: SinkState = { query, delivered: null, pending: null, deliveries: 0, lastDeliveryMs: null }
    const text = await readFile(this.#path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null
      throw error
    })
    if (text === null) return none
    try {
      const state = JSON.parse(text) as SinkState
      return state.query === query ? state : none
    } catch (error) {
      throw new Error(`${this.#path} is damaged; delete it, and the receiver gets the whole answer again`, {
        cause: error,
      })
    }
  }

  /** Durable when it resolves. */
  async write(state: SinkState): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true })
    const written = `${this.#path}.inprogress`
    const file = await open(written, 'w')
    try {
      await file.writeFile(JSON.stringify(state))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(written, this.#path)
    const folder = await open(dirname(this.#path))
    await folder.sync().finally(() => folder.close())
  }
}
