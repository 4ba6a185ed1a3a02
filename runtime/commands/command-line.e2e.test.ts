/** The real command line, as a user types it, on one data folder. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { until } from '#tests/until.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const DEADLINE = { timeout: 30_000, interval: 100 }
const REAL_EVENTS = fileURLToPath(new URL('../../../shared/data/meetup-rsvps-2017.ndjson', import.meta.url))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-command-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function watershed(words: readonly string[], data = 'data'): Ran {
  const result = spawnSync(process.execPath, [MAIN, ...words], {
    env: { ...process.env, WATERSHED_DATA: join(folder, data) },
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  return { code: result.status, stdout: result.stdout, stderr: result.stderr }
}

interface Started {
  readonly url: string
  stop(): Promise<number | null>
}

async function start(words: readonly string[], data = 'data'): Promise<Started> {
  const child = spawn(process.execPath, [MAIN, 'start', '--port', '0', ...words], {
    env: { ...process.env, WATERSHED_DATA: join(folder, data), WATERSHED_FLUSH_EVERY_MS: '50' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const stop = async (): Promise<number | null> => {
    child.kill('SIGINT')
    const [code] = (await once(child, 'exit')) as [number | null]
    return code
  }
  return { url, stop }
}

interface Answer {
  readonly data: readonly Record<string, unknown>[]
  readonly meta: {
    readonly position: readonly number[]
    readonly generation: { id: string } | null
    readonly rows: { readonly open: number }
  }
}

/** Asks until so many offsets are counted. */
function answerOf(url: string, path: string, offsets: number): Promise<Answer> {
  return until(`${path} counts ${offsets} offsets`, async () => {
    const answer = (await (await fetch(`${url}${path}`)).json()) as Answer
    return answer.meta.position.reduce((sum, position) => sum + position, 0) >= offsets && answer
  })
}

describe('from a file to an answer', () => {
  test('generate can end at the present', () => {
    const before = Date.now()
    const { stdout } = watershed(['generate', '--count', '100', '--rate', '100', '--start', 'now'])
    const times = [...stdout.matchAll(/"mtime":(\d+)/g)].map(([, time]) => Number(time))
    // A few events in a hundred are late by a while, or malformed.
    const recent = times.filter((time) => time > before - 5_000 && time < Date.now() + 5_000)
    expect(recent.length).toBeGreaterThan(80)
  })

  test('generate ends without a word when nobody reads on', () => {
    const command = `"${process.execPath}" "${MAIN}" generate --count 100000 | head -c 1`
    const { stdout, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' })
    expect([stdout, stderr]).toEqual(['{', ''])
  })

  test.each([
    [
      ['query', 'meetup_rsvps', 'responses_by_country'],
      /data folder '.*nowhere' does not exist; choose another with --data/,
    ],
    [['verify'], /data folder '.*' does not exist/],
    [['doctor'], /data folder '.*' does not exist/],
    [['ingest', 'meetup_rsvps', '/nowhere.ndjson'], /'\/nowhere.ndjson' cannot be read: .*; nothing was ingested/],
  ])('%j does not create a missing data folder', (words, message) => {
    const { code, stderr } = watershed(words, 'nowhere')
    expect([code, existsSync(join(folder, 'nowhere'))]).toEqual([74, false])
    expect(stderr).toMatch(message)
  })

  test('generate gives the same bytes for the same seed', () => {
    const words = ['generate', '--seed', '3', '--count', '1500']
    const { code, stdout } = watershed(words)
    expect(code).toBe(0)
    expect(stdout.split('\n')).toHaveLength(1501)
    expect(watershed(words).stdout).toBe(stdout)
  })

  test('ingest names the rejected lines and ends with 2; --keep-unusable keeps them', async () => {
    const file = join(folder, 'events.ndjson')
    expect(watershed(['generate', '--count', '500', '--output', file]).code).toBe(0)
    const { code, stdout, stderr } = watershed(['ingest', 'meetup_rsvps', file, '--json'])
    const result = JSON.parse(stdout) as {
      accepted: number
      rejected: number
      rejects: { line: number; reason: string }[]
    }
    expect(code).toBe(2)
    expect(stderr).toBe('')
    expect(result.accepted + result.rejected).toBe(500)
    expect(result.rejects[0]!.line).toBeGreaterThan(0)
    const kept = watershed(['ingest', 'meetup_rsvps', file, '--keep-unusable', '--json'])
    expect(kept.code).toBe(0)
    expect(JSON.parse(kept.stdout)).toMatchObject({ accepted: 500, rejected: 0, unusable: result.rejected })
    const said = watershed(['ingest', 'meetup_rsvps', file, '--data', join(folder, 'said')])
    const { line, reason } = result.rejects[0]!
    expect(said.stderr).toContain(`line ${line}: rejected: ${reason}`)
    expect(said.stdout).toBe('')
    const unusable = watershed(['ingest', 'meetup_rsvps', file, '--data', join(folder, 'said'), '--keep-unusable'])
    expect(unusable.stderr).toContain(`${result.rejected} of them do not pass validation`)
  })

  test('verify tells what no answer counts yet; batch run and doctor go on without a service', () => {
    const file = join(folder, 'uncounted.ndjson')
    expect(watershed(['generate', '--count', '50', '--output', file]).code).toBe(0)
    expect(watershed(['ingest', 'meetup_rsvps', file, '--keep-unusable'], 'uncounted').code).toBe(0)
    const verified = watershed(['verify'], 'uncounted')
    expect(verified.code).toBe(0)
    expect(verified.stderr).toContain('meetup_rsvps: the log has 50 more offsets, which were not compared')
    const away = ['--set', 'dictionary=redis', '--set', 'redis.url=redis://127.0.0.1:1']
    const run = watershed(['batch', 'run', ...away], 'uncounted')
    expect(run.stderr).toContain('the run continues without them')
    expect([run.code, run.stdout]).toEqual([0, expect.stringContaining('g000001')])
    const noSchedule = watershed(['doctor', '--set', 'schedule=bullmq', ...away.slice(2)], 'uncounted')
    expect([noSchedule.code, noSchedule.stdout]).toEqual([
      1,
      expect.stringMatching(/schedule +attention +cannot be read +Redis at 127.0.0.1:1: connecting: .*ECONNREFUSED/),
    ])
    const noLog = ['--set', 'log=kafka', '--set', 'kafka.brokers=127.0.0.1:1', '--set', 'kafka.outageMsMax=1000']
    const looked = watershed(['doctor', ...noLog], 'uncounted')
    expect([looked.code, looked.stdout]).toEqual([
      1,
      expect.stringMatching(/services +attention +cannot be opened +Kafka/),
    ])
  })

  test('start counts them, answers, and stops cleanly; what it made stays for the other commands', async () => {
    const logged = JSON.parse(watershed(['doctor', '--json']).stdout) as {
      findings: { part: string; numbers: { events: number } }[]
    }[]
    const { events } = logged[0]!.findings.find((finding) => finding.part === 'log')!.numbers
    const { url, stop } = await start(['--no-demo'])
    const answer = await answerOf(url, '/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=', events)
    // Another process publishes, and this one tells of it.
    await vi.waitFor(() => expect(watershed(['batch', 'run', '--full']).code).toBe(0), DEADLINE)
    const listed = JSON.parse(watershed(['generations', 'list', '--json']).stdout) as { id: string; current: boolean }[]
    const { id } = listed.find(({ current }) => current)!
    await vi.waitFor(async () => expect(await (await fetch(`${url}/readyz`)).text()).toContain(id), DEADLINE)
    const view = `${url}/v1/datasets/meetup_rsvps/views/responses_by_country`
    const bytesOf = async (path: string): Promise<string> =>
      Buffer.from(await (await fetch(`${view}${path}`)).arrayBuffer()).toString()
    const [csv, ndjson] = [await bytesOf('.csv?limit=3&bom=true'), await bytesOf('.ndjson?limit=all&grain=minute')]
    expect(await stop()).toBe(0)
    const asked = ['query', 'meetup_rsvps', 'responses_by_country']
    expect(csv.split('\n').length).toBeGreaterThan(2)
    expect(watershed([...asked, '--limit', '3', '--format', 'csv', '--bom']).stdout).toBe(csv)
    expect(watershed([...asked, '--grain', 'minute', '--all', '--format', 'ndjson']).stdout).toBe(ndjson)
    const file = join(folder, 'all.ndjson')
    const written = watershed([...asked, '--grain', 'minute', '--limit', 'all', '-o', file])
    expect([written.code, written.stdout, readFileSync(file, 'utf8')]).toEqual([0, '', ndjson])
    for (const wrong of [['--all'], ['-o', 'all.txt'], ['--json', '--format', 'csv'], ['--all', '--limit', '3']]) {
      const { code, stdout } = watershed([...asked, ...wrong])
      expect([code, stdout], wrong.join(' ')).toEqual([64, ''])
    }
    const whole = JSON.parse(watershed([...asked, '--json']).stdout) as Answer
    const rows: unknown[] = []
    const limit = Math.ceil(whole.data.length / 2)
    for (let cursor: string | null = 'start'; cursor !== null; ) {
      const page = watershed([...asked, '--limit', String(limit), '--cursor', cursor, '--json'])
      const { data, meta } = JSON.parse(page.stdout) as Answer & { readonly meta: { readonly next: string | null } }
      rows.push(...data)
      cursor = meta.next
      if (cursor === null) continue
      expect(page.stderr).toContain(`next page: --cursor ${cursor}`)
      const other = watershed([...asked, '--limit', String(limit + 1), '--cursor', cursor])
      expect([other.code, other.stderr]).toEqual([64, expect.stringContaining('cursor: belongs to another query')])
    }
    expect(rows).toEqual(whole.data)
    const query = ['query', 'meetup_rsvps', 'responses_by_country', '--dimensions', '', '--json']
    for (const wait of [[], ['--wait'], ['--at-least', '0:1']])
      expect((JSON.parse(watershed([...query, ...wait]).stdout) as Answer).data).toEqual(answer.data)
    const early = watershed([...query, '--at-least', '0:999999', '--set', 'waitMsMax=1'])
    expect([early.code, early.stdout]).toEqual([124, ''])
    expect(early.stderr).toMatch(
      /after waitMsMax = 1 ms the answer counts events up to 0:\d+, but not yet up to 0:999999/,
    )
    for (const impossible of ['', '9:1'])
      expect(watershed([...query, '--at-least', impossible]).code, impossible).toBe(64)
    expect(await readdir(join(folder, 'data', 'scratch'))).toEqual([])
  })

  test('verify is equal, and finds a single wrong number', () => {
    expect(watershed(['verify']).code).toBe(0)
    const store = new DatabaseSync(join(folder, 'data', 'speed', 'meetup_rsvps.sqlite'))
    const { rowid, row } = store
      .prepare(`SELECT rowid, "row" FROM partials WHERE "row" LIKE '%yes__n%' LIMIT 1`)
      .get() as {
      rowid: number
      row: string
    }
    const wrong = row.replace(/"yes__n":(\d+)/, (_, count: string) => `"yes__n":${Number(count) + 1}`)
    // A wrong fold: its row has no checksum that is not its own.
    store.prepare('UPDATE partials SET "row" = ?, crc = NULL WHERE rowid = ?').run(wrong, rowid)
    const { code, stdout } = watershed(['verify', '--json'])
    expect(code).toBe(1)
    const [report] = JSON.parse(stdout) as { equal: boolean; views: { different: number }[] }[]
    expect(report!.equal).toBe(false)
    expect(report!.views.map((view) => view.different).filter((different) => different > 0)).toEqual([1])
    store.prepare('UPDATE partials SET "row" = ? WHERE rowid = ?').run(row, rowid)
    const slices = [1, 2].map(() => watershed(['verify', '--slices', '2']))
    expect(slices.map((slice) => slice.code)).toEqual([0, 0])
    expect(slices[0]!.stderr).toMatch(/meetup_rsvps, slice 1 of 2 \(no panes: .*\): equal/)
    expect(slices[1]!.stderr).toMatch(/meetup_rsvps, slice 2 of 2 \(all panes\): equal/)
    expect(watershed(['verify', '--slices', '0']).code).toBe(64)
    store.close()
    expect(watershed(['verify']).code).toBe(0)
  })

  test('batch run makes a generation that generations lists; rolling back behind the first is refused', () => {
    expect(watershed(['batch', 'run', '--full']).code).toBe(0)
    const listed = JSON.parse(watershed(['generations', 'list', '--json']).stdout) as { current: boolean }[]
    expect(listed.at(-1)!.current).toBe(true)
    const unknown = watershed(['generations', 'rollback', 'g999999'])
    expect(unknown.code).toBe(64)
    expect(unknown.stderr).toContain("no generation 'g999999' to roll back to; kept generations: g000001")
    expect(watershed(['verify']).code).toBe(0)
  })

  test('an old generation of a newer version is told beside the list', async () => {
    const list = () => watershed(['generations', 'list', '--json'])
    const idsOf = (text: string): string[] => (JSON.parse(text) as { id: string }[]).map(({ id }) => id)
    const [oldest, ...newer] = idsOf(list().stdout)
    const manifest = join(folder, 'data', 'lake', 'meetup_rsvps', 'generations', oldest!, 'manifest.json')
    const good = await readFile(manifest)
    await writeFile(manifest, '{"format": 9}')
    const { code, stdout, stderr } = list()
    await writeFile(manifest, good)
    expect([code, idsOf(stdout)]).toEqual([0, newer])
    expect(newer.length).toBeGreaterThan(0)
    expect(stderr).toMatch(new RegExp(`^${oldest} is not listed: .*written by a newer version of Watershed`, 'm'))
  })
})

test('a dictionary of the user is published, listed, used by answers, and restored', async () => {
  const file = join(folder, 'countries.csv')
  await writeFile(file, 'key,name\nus,Yankeeland\n')
  const published = watershed(['dictionaries', 'publish', 'countries', file, '--json'], 'words')
  expect(JSON.parse(published.stdout)).toMatchObject({ dictionary: 'countries', entries: 1, changed: true })
  const events = join(folder, 'words.ndjson')
  expect(watershed(['generate', '--count', '200', '--output', events]).code).toBe(0)
  expect(watershed(['ingest', 'meetup_rsvps', events, '--keep-unusable'], 'words').code).toBe(0)
  expect(watershed(['batch', 'run'], 'words').code).toBe(0)
  const { url, stop } = await start(['--no-demo', '--set', 'segmentAgeMsMax=50'], 'words')
  const path = '/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=country&filter=country:eq:us'
  const { data } = await answerOf(url, path, 200)
  await expect.poll(async () => (await answerOf(url, path, 200)).meta.rows.open, { timeout: 30_000 }).toBe(0)
  expect(await stop()).toBe(0)
  expect(data[0]).toMatchObject({ country: 'us', country_name: 'Yankeeland' })
  expect(watershed(['batch', 'run'], 'words').code).toBe(0)
  const generations = JSON.parse(watershed(['generations', 'list', '--json'], 'words').stdout) as {
    dictionaries: { countries: { unknownKeys: number; unknownByLookup: Record<string, number> } }
  }[]
  const { unknownKeys, unknownByLookup } = generations.at(-1)!.dictionaries.countries
  expect(unknownKeys).toBeGreaterThan(0)
  expect(unknownByLookup['responses_by_country.country_name']).toBe(unknownKeys)
  const [examined] = JSON.parse(watershed(['doctor', '--json'], 'words').stdout) as {
    findings: { part: string; state: string; message: string }[]
  }[]
  expect(examined!.findings).toContainEqual(
    expect.objectContaining({
      part: 'dictionaries',
      message: expect.stringContaining(`countries lacks ${unknownKeys}`),
    }),
  )
  const listed = (): unknown => JSON.parse(watershed(['dictionaries', 'list', '--json'], 'words').stdout)
  expect(listed()).toMatchObject([
    { dictionary: 'countries', source: 'file', file: 'countries.csv', entries: 1 },
    { dictionary: 'group_details', source: null },
    { dictionary: 'topic_categories', source: 'shipped' },
  ])
  expect(watershed(['dictionaries', 'restore', 'countries'], 'words').code).toBe(0)
  expect(listed()).toMatchObject([{ dictionary: 'countries', source: 'shipped' }, {}, {}])
  expect(watershed(['dictionaries', 'publish', 'contries', file], 'words').code).toBe(64)
  await writeFile(file, 'key,name\nus,"Yankee')
  const wrong = watershed(['dictionaries', 'publish', 'countries', file], 'words')
  expect(wrong.code).toBe(65)
  expect(wrong.stderr).toContain('countries.csv, line 2')
})

test('what is wrong on the command line or in the configuration has its own exit codes', async () => {
  expect(watershed(['verfy']).code).toBe(64)
  expect(watershed(['query', 'meetup_rsvps', 'trending_topic']).code).toBe(64)
  expect(watershed(['ingest', 'meetup_rsvps', '/nowhere.ndjson']).code).toBe(74)
  expect(watershed(['start', '--host', '0.0.0.0']).code).toBe(78)
  const file = join(folder, 'wrong.ts')
  await writeFile(
    file,
    `import { count, defineDataset } from 'watershed'
     export default defineDataset({ name: 'wrong', time: 'at', key: 'id',
       columns: { id: { type: 'BIGINT', path: '$.id', required: true }, at: { type: 'TIMESTAMP', path: '$.at', unit: 'ms', required: true } },
       views: { all_time: { dimensions: { kind: 'knid' }, measures: { n: count() } } } })`,
  )
  const { code, stderr } = watershed(['verify', '--dataset', file])
  expect(code).toBe(65)
  expect(stderr).toContain("view 'all_time', dimension 'kind'")
})

test.skipIf(!existsSync(REAL_EVENTS))('800 real RSVPs give the numbers of a recount by hand', async () => {
  const lines = readFileSync(REAL_EVENTS, 'utf8').trim().split('\n')
  const byCountry = new Map<string, { responses: number; yes: number; attendees: number }>()
  for (const line of lines) {
    const { response, guests, group } = JSON.parse(line) as {
      response: string
      guests: number
      group: { group_country: string }
    }
    const counted = byCountry.get(group.group_country) ?? { responses: 0, yes: 0, attendees: 0 }
    counted.responses++
    if (response === 'yes') {
      counted.yes++
      counted.attendees += 1 + guests
    }
    byCountry.set(group.group_country, counted)
  }
  expect(watershed(['ingest', 'meetup_rsvps', REAL_EVENTS], 'real').code).toBe(0)
  const { url, stop } = await start(['--no-demo'], 'real')
  const path =
    '/v1/datasets/meetup_rsvps/views/responses_by_country?dimensions=country&measures=responses,yes,attendees'
  const answer = await answerOf(url, path, lines.length)
  expect(await stop()).toBe(0)
  const answered = new Map(
    answer.data.map(({ country, responses, yes, attendees }) => [country, { responses, yes, attendees }]),
  )
  expect(answered).toEqual(byCountry)
})
