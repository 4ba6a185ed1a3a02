/** Files of the lake that were torn, edited, taken away or put there by others: every command names the file and what to do, and nothing gets worse. */
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { manifestFiles } from '#storage/lake/local/manifest-files-fixture.ts'
import { manifestPath } from '#storage/lake/manifest-names.ts'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, type Note, notes, notesDefinition } from './notes.ts'
import { type Answer, type Ran, RunningPlatform, watershed } from './watershed.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const STORAGE = 74

let folder: string
let definition: string
let whole: string
const kept: Note[] = []

/** A data folder with closed segments that a generation has counted, and one that none has. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-damage-'))
  definition = join(folder, 'notes.ts')
  whole = join(folder, 'whole')
  await writeFile(definition, notesDefinition('watershed'))
  const platform = await RunningPlatform.start(whole, ['--dataset', definition], NO_BATCH)
  for (const from of [0, 300]) {
    await platform.post(DATASET, linesOf(notes(from, from + 300)))
    kept.push(...notes(from, from + 300))
    await until('all segments are closed', async () => {
      const { meta } = await platform.answer(BY_TOPIC)
      return meta.rows.open === 0 && meta.rows.batch + meta.rows.closed === kept.length ? meta : null
    })
    if (from === 0) expect((await command(['batch', 'run', '--full'], whole)).code).toBe(0)
  }
  expect(await platform.stop()).toBe(0)
  expect((await command(['verify'], whole)).code).toBe(0)
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const NO_BATCH = { WATERSHED_BATCH_INCREMENTAL_CRON: '0 0 1 1 *' }
const command = (words: readonly string[], data: string) => watershed([...words, '--dataset', definition], data)
const lakeOf = (data: string) => join(data, 'lake', DATASET)

/** The first file below the lake's folder whose path holds the text; of a generation's view, the newest that its manifest names. */
async function fileWith(data: string, text: string): Promise<string> {
  const [, id, view] = /^(g\d+)\/(\w+)\.parquet$/.exec(text) ?? []
  if (id !== undefined) {
    const manifest = JSON.parse(await readFile(join(lakeOf(data), 'generations', id, 'manifest.json'), 'utf8'))
    return join(lakeOf(data), manifest.views[view!].files.at(-1).path)
  }
  const paths = await readdir(lakeOf(data), { recursive: true })
  const found = paths.sort().find((path) => path.includes(text))
  if (found === undefined) throw new Error(`no file with '${text}' in ${paths}`)
  return join(lakeOf(data), found)
}

async function flipOneBit(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes[Math.floor(bytes.length / 3)]! ^= 1
  await writeFile(path, bytes)
}

interface Damage {
  readonly name: string
  /** part of the path of the file that it is done to */
  readonly file: string
  readonly harm: (path: string) => Promise<void>
  /** commands that refuse, naming the file; all others must work as ever */
  readonly refused: readonly ('query' | 'verify' | 'incremental' | 'full' | 'doctor' | 'deep')[]
  readonly says: RegExp
}

const COMMANDS: Readonly<Record<Damage['refused'][number], readonly string[]>> = {
  query: ['query', DATASET, 'by_topic', '--json'],
  verify: ['verify'],
  doctor: ['doctor'],
  deep: ['doctor', '--deep'],
  incremental: ['batch', 'run'],
  full: ['batch', 'run', '--full'],
}
const ALL = Object.keys(COMMANDS) as (keyof typeof COMMANDS)[]
/** commands that change nothing, and so can run side by side */
const READING = ['query', 'verify', 'doctor', 'deep'] as const
/** Answers do not need the manifest of a segment that the generation counts. */
const MANIFESTS_READ = ALL.filter((kind) => kind !== 'query')
const FIRST_MANIFEST = manifestPath('p0000-0000000000000000.json')
const torn = (path: string): Promise<void> => truncate(path, 300)

const DAMAGES: readonly Damage[] = [
  {
    name: 'torn raw events',
    file: 'p0000/0000000000000000-events',
    harm: torn,
    refused: ['verify', 'full', 'deep'],
    says: /has 300 bytes, (but )?its manifest says \d+.*restore/,
  },
  {
    name: 'raw events with one bit changed',
    file: 'p0000/0000000000000000-events',
    harm: flipOneBit,
    refused: ['verify', 'full', 'deep'],
    says: /does not have the checksum in its manifest.*restore/,
  },
  {
    name: 'raw events that are gone',
    file: 'p0001/0000000000000000-events',
    harm: rm,
    refused: ['verify', 'full', 'deep'],
    says: /(does not exist|is missing).*restore/,
  },
  {
    name: 'a view of the generation with one bit changed',
    file: 'g000002/by_topic.parquet',
    harm: flipOneBit,
    refused: ['query', 'verify', 'incremental', 'deep'],
    says: /does not have the checksum in its manifest.*(restore|batch run --full)/,
  },
  {
    name: 'partials of a closed segment that another file was copied over',
    file: '150-partial-by_topic',
    harm: (path) => writeFile(path, 'PAR1 by somebody else PAR1'),
    refused: ['query', 'verify', 'incremental', 'deep'],
    says: /has 26 bytes, (but )?its manifest says \d+.*restore/,
  },
  {
    name: 'a torn manifest',
    file: FIRST_MANIFEST,
    harm: torn,
    refused: MANIFESTS_READ,
    says: /damaged or foreign: it is not complete JSON.*Restore the file from a copy; or run `watershed doctor --repair`/,
  },
  {
    name: 'an edited manifest',
    file: FIRST_MANIFEST,
    harm: async (path) => writeFile(path, (await readFile(path, 'utf8')).replace(/"rows": \d+/, '"rows": 7')),
    refused: MANIFESTS_READ,
    says: /'checksum' does not match the content: the file was modified/,
  },
  {
    name: 'a torn CURRENT',
    file: 'CURRENT',
    harm: (path) => writeFile(path, 'g0'),
    refused: ['query', 'verify', 'incremental', 'doctor', 'deep'],
    says: /it must contain a generation id such as g000001.*doctor --repair.*batch run --full/,
  },
  {
    name: 'a torn manifest of the current generation',
    file: 'g000002/manifest.json',
    harm: torn,
    refused: ['query', 'verify', 'incremental', 'doctor', 'deep'],
    says: /damaged or foreign: it is not complete JSON.*doctor --repair.*batch run --full/,
  },
]

test.each(DAMAGES)('$name', async ({ file, harm, refused, says, name }) => {
  const data = join(folder, name.replaceAll(' ', '-'))
  await cp(whole, data, { recursive: true })
  const path = await fileWith(data, file)
  await harm(path)
  const damaged = await readFile(path).catch(() => null)
  const reading = READING.map(async (kind) => [kind, await command(COMMANDS[kind], data)] as const)
  const ran = new Map<string, Ran>(await Promise.all(reading))
  for (const kind of ALL) {
    const { code, stdout, stderr } = ran.get(kind) ?? (await command(COMMANDS[kind], data))
    const looks = kind === 'doctor' || kind === 'deep'
    if (refused.includes(kind)) {
      expect(looks ? stdout : stderr, kind).toMatch(says)
      expect(looks ? stdout : stderr, kind).toContain(path)
      expect(code, kind).toBe(looks ? 1 : STORAGE)
    } else {
      expect(code, `${kind}: ${stderr}`).toBe(0)
      if (kind === 'query') expect(JSON.parse(stdout).data).toEqual(byTopic(kept))
    }
    // No command may change the file, nor what the lake holds beside it: a full run may be the repair.
    if (kind !== 'full') expect(await readFile(path).catch(() => null)).toEqual(damaged)
  }
  const repaired = !refused.includes('full')
  if (!repaired) await cp(join(whole, path.slice(data.length)), path)
  const { code, stdout } = await command(['verify'], data)
  expect(code, stdout).toBe(0)
})

test('a generation can be made current again where CURRENT is torn', async () => {
  const data = join(folder, 'rollback')
  await cp(whole, data, { recursive: true })
  await writeFile(join(lakeOf(data), 'CURRENT'), '')
  const refused = await command(COMMANDS.query, data)
  expect(refused.stderr).toMatch(/CURRENT' is damaged.*`watershed generations rollback <id>` rewrites it/)
  expect((await command(['generations', 'rollback', 'g000002'], data)).code).toBe(0)
  expect(JSON.parse((await command(COMMANDS.query, data)).stdout).data).toEqual(byTopic(kept))
})

test('files of others beside those of the lake are left alone and change nothing', async () => {
  const data = join(folder, 'strangers')
  await cp(whole, data, { recursive: true })
  const strangers = ['manifests/readme.txt', 'segments/p0000/0000000000000000-events-000000000000.parquet', 'x.parquet']
  for (const path of strangers) await writeFile(join(lakeOf(data), path), 'not ours')
  for (const kind of ALL) expect((await command(COMMANDS[kind], data)).code, kind).toBe(0)
  for (const path of strangers) expect(await readFile(join(lakeOf(data), path), 'utf8')).toBe('not ours')
})

test('a platform on a lake that lost manifests takes events, lands nothing, says why, and goes on when they are back', async () => {
  const data = join(folder, 'lost')
  await cp(whole, data, { recursive: true })
  const [manifests, away] = [join(lakeOf(data), 'manifests'), join(folder, 'away')]
  await rename(manifests, away)
  const doctor = await command(['doctor'], data)
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toMatch(
    /the lake ends at offset 0: manifests are missing.*restore the lake's folder 'manifests'/,
  )
  const query = await command(COMMANDS.query, data)
  expect(query.code).toBe(STORAGE)
  expect(query.stderr).toMatch(
    /g000002 counts up to offset 150, but the lake ends at offset 0: manifests are missing; see `watershed doctor`/,
  )
  const platform = await RunningPlatform.start(data, ['--dataset', definition])
  try {
    const { body } = await until('it is not ready, and says why', async () => {
      const ready = await platform.get('/readyz')
      return ready.status === 503 ? ready : null
    })
    expect(body).toMatch(/refused.*generation g000002 counts up to offset 150, but the lake ends at offset 0/)
    expect((await platform.post(DATASET, linesOf(notes(600, 700)))).status).toBe(202)
    expect((await platform.get(BY_TOPIC)).status).toBe(503)
    expect(await readdir(manifests).catch(() => [])).toEqual([])
    await rm(manifests, { recursive: true, force: true })
    await rename(away, manifests)
    // Refused until the stream role has read the manifests again.
    const counted = async (): Promise<Answer | null> => {
      const found = await platform.answer(BY_TOPIC)
      return found.meta.behind === 0 ? found : null
    }
    const answer = await until('all is counted', counted, { faultsPass: true })
    expect(answer.data).toEqual(byTopic([...kept, ...notes(600, 700)]))
    await until('it is ready', async () => (await platform.get('/readyz')).status === 200)
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  expect((await command(['verify'], data)).code).toBe(0)
})

test('a platform whose current generation is damaged takes and folds events, says what heals, and goes on after it', async () => {
  const data = join(folder, 'current')
  await cp(whole, data, { recursive: true })
  const path = await fileWith(data, 'g000002/manifest.json')
  await torn(path)
  const platform = await RunningPlatform.start(data, ['--dataset', definition])
  try {
    expect((await platform.post(DATASET, linesOf(notes(600, 700)))).status).toBe(202)
    const refused = await platform.get(BY_TOPIC)
    expect([refused.status, refused.body]).toEqual([503, expect.stringMatching(/doctor --repair.*batch run --full/)])
    await until('the events are in closed segments', async () =>
      manifestFiles(lakeOf(data)).some((path) => path.endsWith('0300.json')),
    )
    const { body } = await until('it is not ready, and says why', async () => {
      const ready = await platform.get('/readyz')
      return ready.status === 503 && /batch run --full/.test(ready.body) ? ready : null
    })
    expect(body).toMatch(/intake of notes","ready":true/)
    const repaired = await command(['doctor', '--repair'], data)
    expect(repaired.stderr).toMatch(/repaired: g000001 is current: the newest generation that is intact/)
    const counted = async (): Promise<Answer | null> => {
      const found = await platform.answer(BY_TOPIC)
      return found.meta.rows.batch === 700 ? found : null
    }
    const answer = await until('a scheduled run has counted everything', counted, { faultsPass: true })
    expect(answer.data).toEqual(byTopic([...kept, ...notes(600, 700)]))
    await until('it is ready', async () => (await platform.get('/readyz')).status === 200)
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  expect((await command(['verify'], data)).code).toBe(0)
})

test('a platform with a damaged manifest that no generation counts takes events, says what heals, and goes on after it', async () => {
  const data = join(folder, 'uncounted')
  await cp(whole, data, { recursive: true })
  const path = await fileWith(data, manifestPath('p0000-0000000000000150.json'))
  await torn(path)
  const platform = await RunningPlatform.start(data, ['--dataset', definition], NO_BATCH)
  try {
    expect((await platform.post(DATASET, linesOf(notes(600, 700)))).status).toBe(202)
    const refused = await platform.get(BY_TOPIC)
    expect(refused.status).toBe(503)
    expect(refused.body).toMatch(/p0000-0000000000000150\.json' is damaged.*watershed doctor --repair/)
    const { body } = await until('it is not ready, and says why', async () => {
      const ready = await platform.get('/readyz')
      return ready.status === 503 && /doctor --repair/.test(ready.body) ? ready : null
    })
    expect(body).toMatch(/intake of notes","ready":true/)
    const repaired = await command(['doctor', '--repair'], data)
    expect(repaired.stderr).toMatch(/partition 0: no generation counts the segment from offset 150/)
    const counted = async (): Promise<Answer | null> => {
      const found = await platform.answer(BY_TOPIC)
      return found.meta.rows.batch + found.meta.rows.closed === 700 ? found : null
    }
    const answer = await until('every event is counted', counted, { faultsPass: true })
    expect(answer.data).toEqual(byTopic([...kept, ...notes(600, 700)]))
    await until('it is ready', async () => (await platform.get('/readyz')).status === 200)
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  expect((await command(['verify'], data)).code).toBe(0)
})
