/** For tests: the roles as processes of their own over the same parts give equal answers, and nothing is lost or doubled when one is killed. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { PlatformProcess } from '#tests/crash/platform-process.ts'
import { type ReceivedEvent, StreamClient } from '#tests/event-stream-client.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const SETTINGS = {
  data: 'data',
  datasets: ['meetup_rsvps'],
  port: 0,
  partitions: 2,
  flushEveryMs: 50,
  pollEveryMs: 10,
  segmentAgeMsMax: 400,
  segmentRecordsMax: 700,
  readerGraceMs: 500,
  batchIncrementalCron: '* * * * * *',
  batchFullCron: '*/5 * * * * *',
  serveThreads: 1,
}
const ROWS_PER_REQUEST = 100
const DEADLINE_MS = 60_000
const RSVPS = '/v1/datasets/meetup_rsvps'

type Role = 'serve' | 'intake' | 'stream' | 'batch'

interface Answer {
  readonly data: readonly Record<string, unknown>[]
  readonly meta: {
    readonly position: readonly number[]
    readonly behind: number
    readonly deadLetters: number
    readonly rows: { readonly batch: number; readonly closed: number; readonly open: number }
  }
}

interface Readiness {
  readonly status: string
  readonly parts: readonly { readonly name: string; readonly ready: boolean; readonly state: string }[]
}

/** What the processes stand on. */
export interface RolesGround {
  /** settings beside the shared ones */
  readonly settings: Readonly<Record<string, unknown>>
  stop(): Promise<void>
}

export function rolesApartContract(name: string, prepare: () => Promise<RolesGround>): void {
  describe(`roles apart on ${name}`, () => {
    let folder: string
    let ground: RolesGround
    let configuration: string
    const running = new Set<PlatformProcess>()
    const generator = new RsvpGenerator({ seed: 11, startMs: Date.now() - 3_600_000, eventsPerSecond: 20 })
    let acknowledged = 0

    beforeAll(async () => {
      ground = await prepare()
      folder = mkdtempSync(join(tmpdir(), 'watershed-apart-'))
      configuration = join(folder, 'watershed.json')
      writeFileSync(configuration, JSON.stringify({ ...SETTINGS, ...ground.settings }))
    })
    afterAll(async () => {
      for (const process of running) await process.kill()
      rmSync(folder, { recursive: true, force: true })
      await ground.stop()
    })

    function run(command: Role, ...more: string[]): PlatformProcess {
      const process = new PlatformProcess({ command, arguments: ['--config', configuration, ...more] })
      running.add(process)
      void process.exited.then(() => running.delete(process))
      return process
    }

    /** Posts a request's worth of RSVPs; some are unusable and are rejected at the door. */
    async function post(process: PlatformProcess): Promise<void> {
      const body = Array.from({ length: ROWS_PER_REQUEST }, () => generator.next()).join('\n')
      const headers = { 'content-type': 'application/x-ndjson' }
      const reply = await fetch(`${await process.address}${RSVPS}/events`, { method: 'POST', body, headers })
      expect(reply.status).toBe(202)
      acknowledged += ((await reply.json()) as { accepted: number }).accepted
    }

    function watershed(...words: string[]): { readonly code: number | null; readonly stdout: string } {
      const { status, stdout } = spawnSync(process.execPath, [MAIN, ...words, '--config', configuration, '--json'], {
        encoding: 'utf8',
      })
      return { code: status, stdout }
    }

    describe('serve twice, stream and batch', () => {
      let one: PlatformProcess
      let two: PlatformProcess
      let stream: PlatformProcess
      let batch: PlatformProcess

      test('take events in while a stream, a batch and a serve process are killed', async () => {
        one = run('serve')
        two = run('serve')
        stream = run('stream')
        batch = run('batch')
        await Promise.all([one, two, stream, batch].map((process) => process.address))
        const kills: Readonly<Record<number, () => Promise<void>>> = {
          6: async () => {
            await stream.kill()
            stream = run('stream')
          },
          12: async () => {
            await batch.kill()
            batch = run('batch')
          },
          18: async () => {
            await two.kill()
            two = run('serve')
          },
          24: async () => {
            await stream.kill()
            stream = run('stream')
          },
        }
        for (let request = 0; request < 30; request++) {
          await kills[request]?.()
          await post(request % 2 === 0 ? one : two)
          // The one that starts again has to get somewhere before the next one is killed.
          if (request % 6 === 5)
            await until(
              () => ask<Answer>(one, `${RSVPS}/views/group_summary`),
              (answer) => counted(answer) > acknowledged / 2,
            )
        }
        expect(acknowledged).toBeGreaterThan(2_500)
      })

      test('count every acknowledged event once, and give equal answers', async () => {
        const all = await until(
          () => ask<Answer>(one, `${RSVPS}/views/responses_by_country?dimensions=`),
          (answer) => counted(answer) >= acknowledged,
        )
        const { batch: before, closed, open } = all.meta.rows
        expect(counted(all)).toBe(acknowledged)
        expect(before + closed + open + all.meta.deadLetters).toBe(acknowledged)
        expect(all.meta.behind).toBe(0)
        // Each view is brought up to date in its own time.
        const atLeast = all.meta.position.map((offset, partition) => `${partition}:${offset}`).join(',')
        for (const query of [
          'responses_by_country?grain=hour',
          'responses_by_city?dimensions=city&order=-responses,city',
          'group_summary?order=group_id&limit=50',
          'event_summary?order=event_id&limit=50',
          'trending_topics?at=latest',
        ]) {
          const [first, second] = [
            await ask<Answer>(one, `${RSVPS}/views/${query}&atLeast=${atLeast}`),
            await ask<Answer>(two, `${RSVPS}/views/${query}&atLeast=${atLeast}`),
          ]
          expect(first.data.length, query).toBeGreaterThan(0)
          expect(second.meta.position, query).toEqual(first.meta.position)
          expect(withoutLookups(second), query).toEqual(withoutLookups(first))
        }
      })

      test('follow live what the other one takes in', async () => {
        const path = `${RSVPS}/views/responses_by_country/live?dimensions=&measures=responses`
        const clients = await Promise.all(
          [one, two].map(async (each) => StreamClient.open(`${await each.address}${path}`)),
        )
        try {
          await post(one)
          await post(two)
          for (const client of clients) {
            const sum = ({ meta }: ReceivedEvent): number => meta?.position.reduce((all, at) => all + at, 0) ?? 0
            const { rows } = await client.next('all events', (event) => sum(event) >= acknowledged)
            const usable = await ask<Answer>(one, `${RSVPS}/views/responses_by_country?dimensions=&measures=responses`)
            expect(rows).toEqual(usable.data)
            expect(client.events.map(sum)).toEqual(client.events.map(sum).toSorted((a, b) => a - b))
          }
        } finally {
          for (const client of clients) client.close()
        }
      })

      test('tell how each is', async () => {
        const parts = async (process: PlatformProcess): Promise<string[]> =>
          (await ask<Readiness>(process, '/readyz')).parts.map(({ name, ready }) => `${name}: ${ready}`)
        expect(await parts(one)).toEqual([
          'intake role: true',
          'intake of meetup_rsvps: true',
          'answers of meetup_rsvps: true',
        ])
        // Answers do not wait for the stream role that began last.
        await until(
          () => parts(stream),
          (all) => all.every((part) => part.endsWith('true')),
        )
        expect(await parts(stream)).toEqual([
          'stream role: true',
          'stream of meetup_rsvps, partition 0: true',
          'stream of meetup_rsvps, partition 1: true',
        ])
        expect(await parts(batch)).toEqual(['batch role: true', 'batch of meetup_rsvps: true'])
        const index = await ask<{ routes: string[] }>(stream, '/')
        expect(index.routes.sort()).toEqual(['GET /livez', 'GET /metrics', 'GET /openapi.json', 'GET /readyz'])
      })

      test('report the last verification, those that answer and those that build generations', async () => {
        const sample = /^watershed_verify_timestamp_seconds\{dataset="meetup_rsvps",partition=""\} \d/m
        const metrics = async (process: PlatformProcess): Promise<string> =>
          (await fetch(`${await process.address}/metrics`)).text()
        expect(await metrics(one)).toMatch(sample)
        expect(await metrics(batch)).toMatch(sample)
        expect(await metrics(stream)).not.toMatch(sample)
      })

      test('a job that one process is asked for is run by the batch process, and followed from another one', async () => {
        const body = JSON.stringify({ kind: 'batch', mode: 'full' })
        const headers = { 'content-type': 'application/json' }
        const current = async (): Promise<number> => {
          const { current: id } = await ask<{ current: string }>(two, `${RSVPS}/generations`)
          return Number(id.slice(1))
        }
        const before = await current()
        const started = await fetch(`${await one.address}${RSVPS}/jobs`, { method: 'POST', body, headers })
        const { id } = (await started.json()) as { id: string }
        const progress = await fetch(`${await two.address}${RSVPS}/jobs/${id}/progress`)
        const end = JSON.parse(/event: end\ndata: (.*)\n/.exec(await progress.text())![1]!)
        expect(end).toMatchObject({ id, state: 'done', outcome: expect.stringMatching(/^generation g\d+ is current$/) })
        // The schedule publishes as well, every second.
        const published = Number(/\d+/.exec(end.outcome)![0])
        expect(published).toBeGreaterThan(before)
        expect(published).toBeLessThanOrEqual(await current())
      })

      test('a second stream process beside the first does no harm', async () => {
        const second = run('stream')
        await second.address
        for (let request = 0; request < 6; request++) await post(one)
        await until(
          () => ask<Answer>(two, `${RSVPS}/views/responses_by_country?dimensions=`),
          (answer) => counted(answer) >= acknowledged,
        )
        await stopped(second)
      })

      test('verify is equal while they run, and they stop cleanly', async () => {
        const { code, stdout } = watershed('verify')
        expect(JSON.parse(stdout)).toMatchObject([{ dataset: 'meetup_rsvps', equal: true }])
        expect(code).toBe(0)
        await Promise.all([one, two, stream, batch].map(stopped))
      })
    })

    test('intake takes events in and answers nothing; serve --no-intake the reverse', async () => {
      const intake = run('intake')
      await post(intake)
      expect((await fetch(`${await intake.address}/v1/datasets`)).status).toBe(404)
      const serve = run('serve', '--no-intake')
      const reply = await fetch(`${await serve.address}${RSVPS}/events`, { method: 'POST', body: '[]' })
      // Raw events are read there.
      expect(reply.status).toBe(405)
      // No stream role is at work: the log's tail is counted all the same.
      const answer = await ask<Answer>(serve, `${RSVPS}/views/responses_by_country?dimensions=`)
      expect(answer.meta.behind).toBe(0)
      expect(counted(answer)).toBe(acknowledged)
      await stopped(intake)
      await stopped(serve)
    })
  })
}

async function ask<T>(process: PlatformProcess, path: string): Promise<T> {
  return (await (await fetch(`${await process.address}${path}`)).json()) as T
}

/** Stops a process as Ctrl-C does; it ends by itself, and well. */
async function stopped(process: PlatformProcess): Promise<void> {
  const late = new AbortController()
  const exit = await Promise.race([process.stop(), sleep(DEADLINE_MS, null, { signal: late.signal }).catch(() => null)])
  late.abort()
  if (exit?.code !== 0) throw new Error(`it ended with ${exit?.signal ?? exit?.code ?? 'nothing'}:\n${process.said}`)
}

/** Looks until it is so. */
async function until<T>(look: () => Promise<T>, isSo: (seen: T) => boolean): Promise<T> {
  const deadline = performance.now() + DEADLINE_MS
  for (;;) {
    const seen = await look()
    if (isSo(seen)) return seen
    if (performance.now() > deadline) throw new Error(`not so within ${DEADLINE_MS} ms: ${JSON.stringify(seen)}`)
    await sleep(20)
  }
}

const counted = ({ meta }: Answer): number => meta.position.reduce((sum, position) => sum + position, 0)

/** Between two generations the dictionary's version may differ. */
function withoutLookups({ data }: Answer): unknown {
  return data.map((row) =>
    Object.fromEntries(Object.entries(row).filter(([name]) => !/^country_(name|iso|num)|categor/.test(name))),
  )
}
