/** A platform with a source is killed in the middle of the stream, and started again: each event of the recording is counted once. */
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../until.ts'
import { RunningPlatform, watershed } from './watershed.ts'

const RECORDING = join(import.meta.dirname, '../../../shared/data/meetup-rsvps-2017.ndjson')
const MEETUP = join(import.meta.dirname, '../../datasets/meetup-rsvps/definition.ts')
const COUNT = '/v1/datasets/meetup_rsvps/views/event_summary'

/** as large as the recording's disorder: an answer that was changed 38 days later stands among the new ones */
const OVERLAP_MS = 40 * 86_400_000

/** The old RSVP stream: it begins at `since_mtime`, with a parameter of the kind that it had. Some of its records are out of order by weeks. */
class RsvpStream {
  readonly records: readonly string[]
  readonly begun: (string | null)[] = []
  readonly #server: Server

  constructor() {
    this.records = readFileSync(RECORDING, 'utf8').trim().split('\n')
    this.#server = createServer(async (request, response) => {
      const since = new URL(request.url!, 'http://stream').searchParams.get('since_mtime')
      this.begun.push(since)
      response.writeHead(200, { 'content-type': 'application/json' })
      for (const record of this.records) {
        if (since !== null && (JSON.parse(record) as { mtime: number }).mtime < Number(since)) continue
        if (response.destroyed) return
        response.write(`${record}\n`)
        await sleep(2)
      }
    })
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/2/rsvps`
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

interface Listed {
  readonly sources: readonly { readonly state: string; readonly events: number; readonly resumption: string }[]
}

describe.skipIf(!existsSync(RECORDING))('with the recorded stream (skipped where ../shared/data is absent)', () => {
  let folder: string
  let data: string
  let definition: string
  let url: string
  const stream = new RsvpStream()
  const platforms: RunningPlatform[] = []

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'watershed-sources-'))
    data = join(folder, 'data')
    definition = join(folder, 'rsvps.ts')
    url = await stream.listen()
    const resume = `{ parameter: 'since_mtime', from: '$.mtime', overlap: ${OVERLAP_MS}, unit: 'ms' }`
    const source = `{ name: 'live', kind: 'http-stream', url: 'https://stream.example/2/rsvps', resume: ${resume} }`
    await writeFile(definition, `import meetup from '${MEETUP}'\nexport default { ...meetup, sources: [${source}] }\n`)
  })
  afterAll(async () => {
    for (const platform of platforms) await platform.kill()
    stream.close()
    await rm(folder, { recursive: true, force: true })
  })

  const start = async (): Promise<RunningPlatform> => {
    const words = ['--dataset', definition, '--set', `sourceUrls=meetup_rsvps/live=${url}`]
    const platform = await RunningPlatform.start(data, words)
    platforms.push(platform)
    return platform
  }
  const source = async (platform: RunningPlatform): Promise<Listed['sources'][number]> => {
    const { body } = await platform.get('/v1/sources')
    return (JSON.parse(body) as Listed).sources[0]!
  }
  const command = (...words: string[]) => watershed([...words, '--dataset', definition, '--json'], data)

  test('kill -9 in the middle, twice: each record is counted once', async () => {
    for (const enough of [150, 450]) {
      const platform = await start()
      await until('it is in the middle', async () => (await source(platform)).events >= enough)
      await platform.kill()
    }
    const platform = await start()
    await until('all is read', async () => (await source(platform)).events >= stream.records.length)
    const answer = await until('all is counted', async () => {
      const answer = await platform.answer(`${COUNT}?limit=10000`)
      return (
        answer.meta.behind === 0 && answer.meta.position.reduce((a, b) => a + b, 0) >= stream.records.length && answer
      )
    })
    expect(stream.begun[0]).toBe(null)
    expect(stream.begun.slice(1).every((since) => Number(since) > 0)).toBe(true)
    expect(answer.meta.position.reduce((a, b) => a + b, 0)).toBe(stream.records.length)
    expect(answer.meta.deadLetters).toBe(0)
    const members = new Map<string, Set<number>>()
    for (const record of stream.records) {
      const { event, member } = JSON.parse(record) as { event: { event_id: string }; member: { member_id: number } }
      members.set(event.event_id, (members.get(event.event_id) ?? new Set()).add(member.member_id))
    }
    const counted = Object.fromEntries(answer.data.map((row) => [row.event_id, row.members]))
    expect(counted).toEqual(Object.fromEntries([...members].map(([event, own]) => [event, own.size])))
  })

  test('a person pauses it by a command; it stays paused over a restart, until it is resumed', async () => {
    const platform = platforms.at(-1)!
    const paused = await command('sources', 'pause', 'live')
    expect(JSON.parse(paused.stdout)).toMatchObject([
      { source: 'live', state: 'paused', events: stream.records.length },
    ])
    await until('it is paused', async () => (await source(platform)).state === 'paused')
    await platform.kill()
    const begun = stream.begun.length
    const again = await start()
    await until('it is paused', async () => (await source(again)).state === 'paused')
    expect(stream.begun).toHaveLength(begun)
    const doctor = await command('doctor')
    expect(doctor.stdout).toMatch(/source 'live' is paused; 800 events.*watershed sources resume meetup_rsvps\/live/)
    expect((await command('sources', 'resume', 'meetup_rsvps/live')).code).toBe(0)
    await until('it runs', async () => (await source(again)).state === 'running')
    expect((await again.get('/readyz')).body).toMatch(/"source live of meetup_rsvps","ready":true,"state":"running"/)
    expect((await again.get('/metrics')).body).toMatch(/watershed_source_up\{dataset="meetup_rsvps",source="live"\} 1/)
  })

  test('a source that is unknown is named, with those that are', async () => {
    const { code, stderr } = await command('sources', 'reset', 'meetup_rsvps/lvie')
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/source 'meetup_rsvps\/lvie' is unknown \(did you mean 'meetup_rsvps\/live'\?\)/)
  })
})
