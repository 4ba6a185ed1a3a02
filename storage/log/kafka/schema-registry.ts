/** Reads schemas from a registry with Confluent's HTTP API, each once: the schema of an id never changes. */

import { httpAddress, shownAddress } from '#storage/http/http-address.ts'

export interface SchemaRegistrySettings {
  /** http(s)://host:port */
  readonly url: string
  readonly username?: string
  readonly password?: string
  /** Default 10,000 */
  readonly requestMsMax?: number
}

export interface RegisteredSchema {
  readonly type: 'AVRO' | 'JSON' | 'PROTOBUF'
  readonly text: string
  /** referenced schemas, dependencies first */
  readonly references: readonly string[]
}

interface SchemaAnswer {
  readonly schema: string
  /** AVRO if absent */
  readonly schemaType?: string
  readonly references?: readonly { readonly name: string; readonly subject: string; readonly version: number }[]
}

const REQUEST_MS_MAX = 10_000
const DEPTH_MAX = 16
const TYPES = ['AVRO', 'JSON', 'PROTOBUF'] as const

/** The registry is unavailable. No data is lost: the operation is retried. */
export class SchemaRegistryError extends Error {
  constructor(url: string, doing: string, why: string, options?: ErrorOptions) {
    super(
      `schema registry ${shownAddress(url)}: ${doing} failed (${why}); check that it runs and that the credentials are correct`,
      options,
    )
    this.name = 'SchemaRegistryError'
  }
}

export class SchemaRegistry {
  readonly #settings: SchemaRegistrySettings

  constructor(settings: SchemaRegistrySettings) {
    this.#settings = { ...settings, url: settings.url.replace(/\/+$/, '') }
  }

  /** Null if the registry has no schema with this id. @throws SchemaRegistryError */
  async schema(id: number): Promise<RegisteredSchema | null> {
    const answer = await this.#get(`/schemas/ids/${id}`)
    if (answer === null) return null
    const type = TYPES.find((known) => known === (answer.schemaType ?? 'AVRO'))
    if (type === undefined)
      throw new SchemaRegistryError(this.#settings.url, `reading schema ${id}`, `it is of type '${answer.schemaType}'`)
    const references = await this.#references(answer, 0)
    return { type, text: answer.schema, references: [...new Set(references)] }
  }

  async #references(answer: SchemaAnswer, depth: number): Promise<string[]> {
    if (depth > DEPTH_MAX)
      throw new SchemaRegistryError(
        this.#settings.url,
        'following references',
        `they are nested deeper than ${DEPTH_MAX}`,
      )
    const texts: string[] = []
    for (const { subject, version } of answer.references ?? []) {
      const referred = await this.#get(`/subjects/${encodeURIComponent(subject)}/versions/${version}`)
      if (referred === null)
        throw new SchemaRegistryError(
          this.#settings.url,
          `reading version ${version} of '${subject}'`,
          'it does not exist',
        )
      texts.push(...(await this.#references(referred, depth + 1)), referred.schema)
    }
    return texts
  }

  async #get(path: string): Promise<SchemaAnswer | null> {
    const { url, username, password = '', requestMsMax = REQUEST_MS_MAX } = this.#settings
    const address = httpAddress(url)
    const login =
      username === undefined ? address.headers : { authorization: `Basic ${btoa(`${username}:${password}`)}` }
    try {
      const response = await fetch(`${address.url}${path}`, {
        headers: { accept: 'application/vnd.schemaregistry.v1+json, application/json', ...login },
        signal: AbortSignal.timeout(requestMsMax),
      })
      if (response.status === 404) return null
      if (!response.ok) throw new Error(`status ${response.status}`)
      return (await response.json()) as SchemaAnswer
    } catch (error) {
      throw new SchemaRegistryError(url, `GET ${path}`, (error as Error).message, { cause: error })
    }
  }
}
