/** A full and a read-only disk under the real platform and under every command: clear errors, nothing lost, and it goes on by itself. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type SmallDisk, smallDisk } from '#storage/log/small-disk.ts'
import { until } from '../until.ts'
import { byTopic, DATASET, linesOf, type Note, notes, notesDefinition } from './notes.ts'
import { type Answer, RunningPlatform, watershed } from './watershed.ts'

const BY_TOPIC = `/v1/datasets/${DATASET}/views/by_topic`
const COMMANDS: readonly (readonly string[])[] = [
  ['query', DATASET, 'by_topic'],
  ['verify'],
  ['batch', 'run', '--full'],
  ['generations', 'list'],
  ['doctor'],
  ['start', '--port', '0'],
]

let folder: string
let definition: string
let file: string
let disk: SmallDisk | null
let data: string
const kept: Note[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-disk-'))
  definition = join(folder, 'notes.ts')
  file = join(folder, 'notes.ndjson')
  await writeFile(definition, notesDefinition('watershed'))
  await writeFile(file, linesOf(notes(90_000, 90_200)).join('\n'))
  disk = smallDisk('24m')
  data = join(disk?.folder ?? folder, 'data')
})
afterAll(async () => {
  disk?.remove()
  await rm(folder, { recursive: true, force: true })
})

const command = (words: readonly string[]) => watershed([...words, '--dataset', definition], data)
const counted = (platform: RunningPlatform): Promise<Answer> =>
  until(`${kept.length} notes are counted`, async () => {
    const answer = await platform.answer(BY_TOPIC)
    return answer.meta.behind === 0 ? answer : null
  })

test('a running platform on a disk that fills up refuses events, answers, and goes on when there is space', async ({
  skip,
}) => {
  if (disk === null) return skip('no tmpfs can be mounted here')
  const slowly = { WATERSHED_SEGMENT_AGE_MS_MAX: '2000' }
  const platform = await RunningPlatform.start(data, ['--dataset', definition], slowly)
  try {
    expect((await platform.post(DATASET, linesOf(notes(0, 500)))).status).toBe(202)
    kept.push(...notes(0, 500))
    expect((await counted(platform)).data).toEqual(byTopic(kept))
    // Its segment is open when the disk is full, and cannot be closed.
    expect((await platform.post(DATASET, linesOf(notes(500, 600)))).status).toBe(202)
    kept.push(...notes(500, 600))
    disk.fill()
    for (let some = 0; some < 5; some++) {
      const refused = await platform.post(DATASET, linesOf(notes(1_000, 2_000)))
      expect(refused.status).toBe(503)
      expect(JSON.parse(refused.body)).toMatchObject({ type: 'urn:watershed:problem:storage-fault', retryable: true })
      expect(refused.body).toMatch(/notes\.sqlite: appending: .*Free space/)
    }
    await until('it says that it is not ready, and why', async () => {
      const { status, body } = await platform.get('/readyz')
      return status === 503 && /disk is full/.test(body) ? body : null
    })
    const meanwhile = await platform.answer(`/v1/datasets/${DATASET}/views/all`)
    expect(meanwhile.data).toEqual([{ notes: meanwhile.meta.position.reduce((sum, offset) => sum + offset, 0) }])
    const batch = await command(['batch', 'run', '--full'])
    expect(batch.code).toBe(74)
    expect(batch.stderr).toMatch(/disk is full/)
    expect((await command(['ingest', DATASET, file])).code).toBe(74)
    disk.free()
    await until('it takes events again', async () => {
      const { status } = await platform.post(DATASET, linesOf(notes(600, 800)))
      return status === 202 ? status : null
    })
    kept.push(...notes(600, 800))
    await until('it is ready again', async () => (await platform.get('/readyz')).status === 200)
    expect((await counted(platform)).data).toEqual(byTopic(kept))
  } finally {
    expect(await platform.stop()).toBe(0)
  }
  expect((await command(['verify'])).code).toBe(0)
  expect((await command(['doctor', '--deep'])).code).toBe(0)
})

test('every command says that the disk is full, with the file, and harms nothing', async ({ skip }) => {
  if (disk === null) return skip('no tmpfs can be mounted here')
  disk.fill()
  for (const words of [['ingest', DATASET, file], ...COMMANDS]) {
    const { code, stderr } = await command(words)
    expect(stderr, words.join(' ')).toMatch(new RegExp(`${data}.*(disk is full|no space left).*[Ff]ree space`, 'i'))
    expect(code, words.join(' ')).toBe(74)
  }
  disk.free()
  expect((await command(['verify'])).code).toBe(0)
  expect((await command(['ingest', DATASET, file])).code).toBe(0)
  kept.push(...notes(90_000, 90_200))
})

test('every command says that the data folder is read-only, and goes on when it is not any more', async ({ skip }) => {
  if (disk === null) return skip('no tmpfs can be mounted here')
  disk.makeReadOnly()
  for (const words of [['ingest', DATASET, file], ...COMMANDS]) {
    const { code, stderr } = await command(words)
    expect(stderr, words.join(' ')).toMatch(
      new RegExp(`data folder '${data}' cannot be written: .*read-only.*make it writable`),
    )
    expect(code, words.join(' ')).toBe(74)
  }
  disk.makeWritable()
  const platform = await RunningPlatform.start(data, ['--dataset', definition])
  expect((await counted(platform)).data).toEqual(byTopic(kept))
  expect(await platform.stop()).toBe(0)
  expect((await command(['verify'])).code).toBe(0)
})
