/**
 * The polling source of cloud_mentions as a user starts it, except that it reads a server on this machine: made-up posts in the shape of
 * recent search of the Twitter API v2, in pages, within rate-limit windows. The real API was not read by this test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, RunningPlatform, watershed } from '#tests/faults/watershed.ts'
import { until } from '#tests/until.ts'

const TOKEN = 'bearer-of-the-test'
const PAGE = 10
const ASKS_PER_WINDOW = 3
const TEXTS = ['AWS Marketplace is great', 'Azure and GCP Marketplace', 'Google Cloud Marketplace', 'a marketplace']

interface Post {
  readonly id: string
  readonly text: string
  readonly author_id: string
  readonly created_at: string
}

const NOW_MS = Date.now()
const postsUpTo = (count: number): Post[] =>
  Array.from({ length: count }, (_, at) => ({
    id: String(1_900_000_000_000_000_000n + BigInt(at)),
    text: TEXTS[at % TEXTS.length]!,
    author_id: String(100 + (at % 7)),
    created_at: new Date(NOW_MS - (200 - at) * 1_000).toISOString(),
  }))

/** Newest first, `since_id` exclusive; more requests than a window allows are refused. */
class RecentSearch {
  posts: readonly Post[] = []
  readonly asked: URLSearchParams[] = []
  refused = 0
  readonly #server: Server
  #windowEndMs = 0
  #left = ASKS_PER_WINDOW

  constructor() {
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  #answer({ url, headers }: IncomingMessage, response: ServerResponse): void {
    if (headers.authorization !== `Bearer ${TOKEN}`) return void response.writeHead(401).end('{"title":"Unauthorized"}')
    const { searchParams } = new URL(url!, 'http://api')
    this.asked.push(searchParams)
    if (Date.now() >= this.#windowEndMs) {
      this.#windowEndMs = (Math.floor(Date.now() / 1_000) + 1) * 1_000
      this.#left = ASKS_PER_WINDOW
    }
    const window = { 'x-rate-limit-limit': ASKS_PER_WINDOW, 'x-rate-limit-reset': this.#windowEndMs / 1_000 }
    if (this.#left === 0) {
      this.refused++
      return void response
        .writeHead(429, { ...window, 'x-rate-limit-remaining': 0 })
        .end('{"title":"Too Many Requests"}')
    }
    this.#left--
    const since = BigInt(searchParams.get('since_id') ?? 0)
    const found = this.posts.filter(({ id }) => BigInt(id) > since).toReversed()
    const begin = Number(searchParams.get('next_token')?.slice(1) ?? 0)
    const page = found.slice(begin, begin + PAGE)
    const next = begin + PAGE < found.length ? { next_token: `t${begin + PAGE}` } : {}
    const ends = page.length === 0 ? {} : { newest_id: page[0]!.id, oldest_id: page.at(-1)!.id }
    const body = { ...(page.length === 0 ? {} : { data: page }), meta: { ...ends, result_count: page.length, ...next } }
    const type = { 'content-type': 'application/json; charset=utf-8' }
    response.writeHead(200, { ...type, ...window, 'x-rate-limit-remaining': this.#left }).end(JSON.stringify(body))
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/2/tweets/search/recent?query=marketplace`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

const search = new RecentSearch()
const platforms: RunningPlatform[] = []
let data: string
let url: string
beforeAll(async () => {
  data = mkdtempSync(join(tmpdir(), 'watershed-search-'))
  url = await search.listen()
})
afterAll(async () => {
  for (const platform of platforms) await platform.kill()
  search.close()
  rmSync(data, { recursive: true, force: true })
})

async function start(): Promise<RunningPlatform> {
  const words = ['--dataset', 'cloud_mentions', '--set', `sourceUrls=cloud_mentions/recent_search=${url}`]
  const platform = await RunningPlatform.start(data, words, { TWITTER_BEARER_TOKEN: TOKEN })
  platforms.push(platform)
  return platform
}

async function counted(platform: RunningPlatform, posts: readonly Post[]): Promise<void> {
  const ask = (question: string): Promise<Answer> => platform.answer(`/v1/datasets/cloud_mentions/views/${question}`)
  await until('all posts are counted', async () => {
    const { data: rows } = await ask('posts?dimensions=&measures=posts')
    return Number(rows[0]?.posts ?? 0) >= posts.length
  })
  const { data: rows } = await ask('clouds?measures=posts,authors,scored&order=cloud')
  const named = (...words: string[]) => posts.filter(({ text }) => words.some((word) => text.includes(word)))
  const wanted = { aws: named('AWS'), azure: named('Azure'), gcp: named('GCP', 'Google Cloud') }
  expect(rows).toEqual(
    Object.entries(wanted).map(([cloud, own]) => ({
      cloud,
      posts: own.length,
      authors: new Set(own.map(({ author_id }) => author_id)).size,
      scored: 0,
    })),
  )
  const { data: all } = await ask('posts?dimensions=&measures=posts')
  expect(all).toEqual([{ posts: posts.length }])
}

test('it waits for a person, then reads page after page within the windows, and goes on after kill -9 where it was', async () => {
  search.posts = postsUpTo(83)
  const first = await start()
  const sources = ['--dataset', 'cloud_mentions']
  expect(search.asked).toEqual([])
  const resumed = await watershed(['sources', 'resume', 'cloud_mentions/recent_search', ...sources], data)
  expect(resumed.code, resumed.stderr).toBe(0)
  await until('a window is used up', () => search.asked.length >= ASKS_PER_WINDOW + 1)
  await first.kill()
  const second = await start()
  await counted(second, search.posts)
  await second.kill()
  const begun = search.asked.length
  search.posts = postsUpTo(96)
  await counted(await start(), search.posts)
  const later = search.asked.slice(begun)
  expect(later.map((asked) => asked.get('since_id'))).toEqual(later.map(() => postsUpTo(83).at(-1)!.id))
  expect(search.asked[0]!.get('since_id')).toBe(null)
  expect(search.refused).toBeLessThanOrEqual(2)
}, 120_000)
