/**
 * The shipped live streams as a user starts them, except that their sources read a server on this machine. It sends made-up records of the
 * documented shape; the real streams were not read by this test.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { until } from '#tests/until.ts'

type Row = Readonly<Record<string, unknown>>

const NOW_MS = Date.now()
let folder: string
let server: Server
let platform: PlatformProcess | null = null

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watershed-live-'))
  server = createServer()
})
afterEach(async () => {
  await platform?.stop()
  platform = null
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true, force: true })
})

async function listening(): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Starts the dataset by its name, with the source at this address; returns how it is asked. */
async function started(dataset: string, source: string, url: string): Promise<(question: string) => Promise<Row[]>> {
  const sourceUrls = `sourceUrls=${dataset}/${source}=${url}`
  platform = new PlatformProcess({
    arguments: ['--dataset', dataset, '--port', '0', '--set', sourceUrls],
    environment: { WATERSHED_DATA: folder },
  })
  const address = await platform.address
  return async (question) => {
    const reply = await fetch(`${address}/v1/datasets/${dataset}/views/${question}`)
    const text = await reply.text()
    expect(reply.status, text).toBe(200)
    return (JSON.parse(text) as { data: Row[] }).data
  }
}

test('wikimedia_changes: server-sent events of recent changes', async () => {
  const changes = Array.from({ length: 60 }, (_, at) => ({
    $schema: '/mediawiki/recentchange/1.0.0',
    meta: {
      id: `0000-${at}`,
      dt: new Date(NOW_MS - at * 1_000).toISOString(),
      domain: at === 59 ? 'canary' : 'en.wikipedia.org',
      stream: 'mediawiki.recentchange',
    },
    id: at,
    type: at % 4 === 0 ? 'new' : 'edit',
    namespace: 0,
    title: `Page ${at % 3}`,
    user: `Editor ${at % 7}`,
    bot: at % 5 === 0,
    minor: false,
    length: at % 4 === 0 ? { new: 100 + at } : { old: 50, new: 100 + at },
    wiki: at % 2 === 0 ? 'enwiki' : 'dewiki',
  }))
  server.on('request', (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write(':ok\n\n')
    for (const [at, change] of changes.entries())
      response.write(
        `event: message\nid: [{"topic":"t","partition":0,"offset":${at}}]\ndata: ${JSON.stringify(change)}\n\n`,
      )
  })
  const ask = await started('wikimedia_changes', 'recentchange', `http://${await listening()}/`)
  const real = changes.filter(({ meta }) => meta.domain !== 'canary')
  await until('all changes are counted', async () => {
    const [all] = await ask('wikis?dimensions=')
    return all?.changes === real.length
  })
  const wanted = [...Map.groupBy(real, ({ wiki }) => wiki)].map(([wiki, own]) => ({
    wiki,
    changes: own.length,
    by_bots: own.filter(({ bot }) => bot).length,
    editors: new Set(own.map(({ user }) => user)).size,
    bytes_added: own.reduce((sum, { length }) => sum + length.new - (length.old ?? 0), 0),
  }))
  const byWiki = (a: Row, b: Row): number => (String(a.wiki) < String(b.wiki) ? -1 : 1)
  expect(await ask('wikis?dimensions=wiki&order=wiki')).toEqual(wanted.toSorted(byWiki))
  const people = real.filter(({ bot }) => !bot)
  const pages = Map.groupBy(people, ({ wiki, title }) => `${wiki} ${title}`)
  const trending = await ask('trending_pages?at=latest&limit=100')
  expect(trending.map(({ wiki, title, edits }) => [`${wiki} ${title}`, edits]).toSorted()).toEqual(
    [...pages].map(([page, own]) => [page, own.length]).toSorted(),
  )
})

test('bluesky_posts: messages of the Jetstream socket', async () => {
  const texts = ['Hello #World', 'Olá #mundo #World', 'no tag', '#Grüße aus #Köln #köln']
  const posts = Array.from({ length: 80 }, (_, at) => ({
    did: `did:plc:${at % 9}`,
    time_us: (NOW_MS - (80 - at) * 1_000) * 1_000 + at,
    kind: 'commit',
    commit: {
      rev: `3l${at}`,
      operation: at % 10 === 9 ? 'delete' : 'create',
      collection: 'app.bsky.feed.post',
      rkey: `3k${at}`,
      ...(at % 10 === 9
        ? {}
        : {
            record: {
              $type: 'app.bsky.feed.post',
              createdAt: new Date(NOW_MS).toISOString(),
              langs: at % 4 === 0 ? ['en'] : ['pt', 'en'],
              text: texts[at % texts.length]!,
              ...(at % 3 === 0 ? { reply: { parent: { uri: 'at://did:plc:1/app.bsky.feed.post/1' } } } : {}),
            },
            cid: 'bafy',
          }),
    },
  }))
  const others = [
    { did: 'did:plc:1', time_us: NOW_MS * 1_000, kind: 'identity', identity: { did: 'did:plc:1', seq: 1 } },
  ]
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    for (const message of [...others, ...posts]) socket.send(JSON.stringify(message))
  })
  const ask = await started('bluesky_posts', 'jetstream', `ws://${await listening()}/subscribe`)
  const created = posts.filter(({ commit }) => commit.record !== undefined)
  await until('all posts are counted', async () => {
    const [all] = await ask('posts?dimensions=')
    return all?.posts === created.length
  })
  const replies = created.filter(({ commit }) => commit.record!.reply !== undefined).length
  expect(await ask('posts?measures=posts&order=reply')).toEqual([
    { reply: false, posts: created.length - replies },
    { reply: true, posts: replies },
  ])
  const named = created.flatMap(({ commit }) => commit.record!.langs)
  expect(await ask('languages?measures=posts&order=language')).toEqual(
    ['en', 'pt'].map((language) => ({ language, posts: named.filter((one) => one === language).length })),
  )
  const tags = created.flatMap(({ commit }) => [
    ...new Set(commit.record!.text.toLowerCase().match(/#[\p{L}\p{N}_]+/gu)),
  ])
  const counted = [...Map.groupBy(tags, (tag) => tag)].map(([hashtag, own]) => [hashtag, own.length])
  const trending = await ask('trending_hashtags?at=latest')
  expect(trending.map(({ hashtag, posts }) => [hashtag, posts]).toSorted()).toEqual(counted.toSorted())
  sockets.close()
})
