/**
 * The dictionary on Redis. A version's rows are staged under a separate key in bounded requests, and one script makes them the
 * newest version: a reader sees a version completely or not at all. Versions are named by a hash of their content, which is
 * verified on reading, so data of an emptied or damaged Redis is never mistaken for a dictionary.
 *
 *   <prefix>dictionary:{<name>}:versions            zset: version → number, the highest is the newest
 *   <prefix>dictionary:{<name>}:content:<version>   list: {"rows":n}, then one ["key","attributes"] per row, sorted by key
 *   <prefix>dictionary:{<name>}:staged:<uuid>       the same while it is written; expires
 */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { connectRedis, type RedisConnectionOptions } from '#storage/redis/redis-connection.ts'
import { RedisFault, redisFault } from '#storage/redis/redis-fault.ts'
import type { DictionaryEntry, DictionaryStore } from '../dictionary.ts'
import {
  DICTIONARY_VERSIONS_MAX,
  type DictionaryRow,
  entryOf,
  sortedRows,
  VersionGoneError,
  versionOf,
} from '../dictionary-content.ts'

export const REDIS_KEY_PREFIX = 'watershed:'

/** limits of one request: rows, and characters (except for a single row) */
const ROWS_PER_REQUEST_MAX = 1_000
const CHARACTERS_PER_REQUEST_MAX = 1_000_000
/** expiry of staged rows of a dead publisher */
const STAGED_MS_MAX = 600_000
/** Redis can be emptied while rows are staged */
const STAGE_TRIES_MAX = 3
const PUBLISH_SCRIPT = readFileSync(new URL('./publish-version.lua', import.meta.url), 'utf8')

export interface RedisDictionaryOptions extends RedisConnectionOptions {
  /** prefix of all keys; default REDIS_KEY_PREFIX */
  readonly keyPrefix?: string
}

interface Keys {
  readonly versions: string
  readonly contents: string
  staged(): string
}

/** While Redis is unavailable, all requests fail with a RedisFault within seconds; they succeed again when it is available. */
export class RedisDictionary implements DictionaryStore {
  readonly #client: Redis
  readonly #options: RedisDictionaryOptions

  /** Does not wait for Redis, which may start later. @throws RedisFault 'refused' if the URL is invalid */
  static async open(options: RedisDictionaryOptions): Promise<RedisDictionary> {
    return new RedisDictionary(connectRedis(options, { connectionName: 'watershed-dictionary' }), options)
  }

  private constructor(client: Redis, options: RedisDictionaryOptions) {
    this.#client = client
    this.#options = options
  }

  /** @throws RangeError if a key occurs twice with different attributes, or there are too many entries; RedisFault */
  async publish(dictionary: string, entries: Iterable<DictionaryEntry>): Promise<string> {
    const rows = sortedRows(dictionary, entries)
    const version = versionOf(rows)
    await this.#asking(`publishing dictionary '${dictionary}'`, () => this.#publish(dictionary, version, rows))
    return version
  }

  async version(dictionary: string): Promise<string | null> {
    const { versions } = this.#keys(dictionary)
    const newest = await this.#asking(`reading the version of dictionary '${dictionary}'`, () =>
      this.#client.zrange(versions, '-1', '-1'),
    )
    return newest[0] ?? null
  }

  async entries(dictionary: string, version: string): Promise<readonly DictionaryEntry[]> {
    const rows = await this.#asking(`reading dictionary '${dictionary}'`, () => this.#rows(dictionary, version))
    return rows.map(entryOf)
  }

  async close(): Promise<void> {
    this.#client.disconnect()
  }

  async #publish(dictionary: string, version: string, rows: readonly DictionaryRow[]): Promise<void> {
    const keys = this.#keys(dictionary)
    for (let tries = 1; tries <= STAGE_TRIES_MAX; tries++) {
      const whole = await this.#isWhole(keys.contents + version, version, rows.length + 1)
      if (whole && (await this.version(dictionary)) === version) return
      const staged = keys.staged()
      if (!whole) await this.#stage(staged, rows)
      if (await this.#makeNewest(keys, staged, version, rows.length + 1)) return
    }
    throw new RedisFault(
      'failing',
      `dictionary '${dictionary}': Redis lost the staged rows ${STAGE_TRIES_MAX} times, as if it were emptied repeatedly; check that its maxmemory-policy is noeviction`,
    )
  }

  async #stage(key: string, rows: readonly DictionaryRow[]): Promise<void> {
    for (const texts of requestsOf(rows)) {
      const request = this.#client.multi().rpush(key, ...texts)
      const answers = await request.pexpire(key, STAGED_MS_MAX).exec()
      for (const [error] of answers ?? []) if (error) throw error
    }
  }

  async #makeNewest(keys: Keys, staged: string, version: string, elements: number): Promise<boolean> {
    const { versions, contents } = keys
    const scriptKeys = [versions, staged, contents + version]
    const values = [version, String(elements), String(DICTIONARY_VERSIONS_MAX), contents]
    return (await this.#client.eval(PUBLISH_SCRIPT, scriptKeys.length, ...scriptKeys, ...values)) === 1
  }

  async #rows(dictionary: string, version: string): Promise<DictionaryRow[]> {
    const { versions, contents } = this.#keys(dictionary)
    const rows = await this.#listed(contents + version)
    if ((await this.#client.zscore(versions, version)) === null) throw new VersionGoneError(dictionary, version)
    if (versionOf(rows) === version) return rows
    throw new RedisFault(
      'failing',
      `dictionary '${dictionary}': the ${rows.length} rows of version ${version} in Redis differ from the published ones: another program changed them; publish the dictionary again`,
    )
  }

  async #listed(content: string): Promise<DictionaryRow[]> {
    const rows: DictionaryRow[] = []
    for (let from = 1; ; from += ROWS_PER_REQUEST_MAX) {
      const texts = await this.#client.lrange(content, from, from + ROWS_PER_REQUEST_MAX - 1)
      for (const text of texts) rows.push(JSON.parse(text) as DictionaryRow)
      if (texts.length < ROWS_PER_REQUEST_MAX) return rows
    }
  }

  /** Rows that another program changed can be equal in number. */
  async #isWhole(content: string, version: string, elements: number): Promise<boolean> {
    if ((await this.#client.llen(content)) !== elements) return false
    try {
      return versionOf(await this.#listed(content)) === version
    } catch (error) {
      if (error instanceof SyntaxError) return false
      throw error
    }
  }

  #keys(dictionary: string): Keys {
    const { keyPrefix = REDIS_KEY_PREFIX } = this.#options
    const own = `${keyPrefix}dictionary:{${dictionary}}:`
    return { versions: `${own}versions`, contents: `${own}content:`, staged: () => `${own}staged:${randomUUID()}` }
  }

  async #asking<Answer>(doing: string, ask: () => Promise<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      throw error instanceof VersionGoneError ? error : redisFault(this.#options.url, doing, error)
    }
  }
}

/** The header and the rows as texts, in chunks that fit into one request each. */
function* requestsOf(rows: readonly DictionaryRow[]): Generator<readonly string[]> {
  yield [JSON.stringify({ rows: rows.length })]
  let texts: string[] = []
  let characters = 0
  for (const row of rows) {
    const text = JSON.stringify(row)
    if (
      texts.length === ROWS_PER_REQUEST_MAX ||
      (texts.length > 0 && characters + text.length > CHARACTERS_PER_REQUEST_MAX)
    ) {
      yield texts
      texts = []
      characters = 0
    }
    texts.push(text)
    characters += text.length
  }
  if (texts.length > 0) yield texts
}
