/** Dead letters of a real log and lake: browsed by reason, downloaded, corrected and replayed, over HTTP and by the command line. */
import { spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { silent } from '#telemetry/emit.ts'
import { DATASET, linesOf, notes, notesDefinition } from '#tests/faults/notes.ts'
import { loadConfiguration } from '../settings/configuration.ts'
import { Platform } from './platform.ts'

const LANGUAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))
const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const LETTERS = `/v1/datasets/${DATASET}/dead-letters`
const UNUSABLE = ['{"id":', '{"id":"a","at":1700000000000}', '{"id":"b","at":1700000000000}', '{"id":7}']

let folder: string
let flags: readonly string[]
let platform: Platform
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-letters-'))
  const definition = join(folder, 'notes.ts')
  await writeFile(definition, notesDefinition(LANGUAGE))
  await writeFile(join(folder, 'notes.ndjson'), [...linesOf(notes(0, 10)), ...UNUSABLE].join('\n'))
  flags = ['--data', join(folder, 'data'), '--dataset', definition, '--set', 'partitions=1']
  expect(watershed('ingest', DATASET, join(folder, 'notes.ndjson'), '--keep-unusable').code).toBe(0)
  // It closes the segment.
  expect(watershed('batch', 'run').code).toBe(0)
  const settings = { data: join(folder, 'data'), datasets: [definition], port: 0, partitions: 1 }
  const shape = { threads: [], answers: true, intake: true }
  platform = await Platform.start(await loadConfiguration({ flags: settings }), shape, silent)
})
afterAll(async () => {
  await platform.stop()
  await rm(folder, { recursive: true, force: true })
})

function watershed(...words: string[]): {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
} {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...words, ...flags], { encoding: 'utf8' })
  return { code: status, stdout, stderr }
}

const get = async (path: string) => (await fetch(platform.address + path)).json()

interface Letter {
  readonly partition: number
  readonly offset: number
  readonly text: string
  readonly reason: string
}

/** Of the letter with this event. */
async function placeOf(event: string): Promise<string> {
  const { data } = (await get(LETTERS)) as { data: Letter[] }
  const { partition, offset } = data.find(({ text }) => text === event)!
  return `${partition}:${offset}`
}

async function replay(letter: string, event?: unknown): Promise<Record<string, unknown>> {
  const body =
    event === undefined ? {} : { body: JSON.stringify(event), headers: { 'content-type': 'application/json' } }
  const reply = await fetch(`${platform.address}${LETTERS}/${letter}/replay`, { method: 'POST', ...body })
  return { status: reply.status, ...((await reply.json()) as Record<string, unknown>) }
}

async function counted(atLeast: unknown): Promise<number> {
  const answer = (await get(`/v1/datasets/${DATASET}/views/all?atLeast=${atLeast}`)) as { data: { notes: number }[] }
  return answer.data[0]!.notes
}

test('reasons that differ in values are one kind, which selects its letters, page by page', async () => {
  const { total, reasons } = (await get(`${LETTERS}/reasons`)) as { total: number; reasons: { reason: string }[] }
  expect(total).toBe(UNUSABLE.length)
  expect(reasons[0]).toMatchObject({ count: 2, reason: expect.stringContaining('"…"') })
  const health = (await get(`/v1/datasets/${DATASET}/health`)) as { deadLetters: unknown }
  expect(health.deadLetters).toEqual({ total, reasons })
  const kind = `reason=${encodeURIComponent(reasons[0]!.reason)}`
  const first = (await get(`${LETTERS}?limit=1&${kind}`)) as { data: Letter[]; next: string }
  const second = (await get(`${LETTERS}?limit=1&${kind}&cursor=${first.next}`)) as { data: Letter[] }
  expect([...first.data, ...second.data].map(({ text }) => text)).toEqual([UNUSABLE[2], UNUSABLE[1]])
})

test('the bytes of one, and of all, are those that were sent', async () => {
  const letter = await placeOf(UNUSABLE[0]!)
  const bytes = await fetch(`${platform.address}${LETTERS}/${letter}`)
  expect(await bytes.text()).toBe(UNUSABLE[0])
  const all = await (await fetch(`${platform.address}${LETTERS}/download`)).text()
  const events = all
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(JSON.parse(line).base64, 'base64').toString())
  expect(events).toEqual(UNUSABLE)
  expect((await fetch(`${platform.address}${LETTERS}/0:0`)).status).toBe(404)
  expect((await fetch(`${platform.address}${LETTERS}/zero`)).status).toBe(400)
})

test('as it is it stays unusable; corrected it counts, and once, however often it is replayed', async () => {
  const letter = await placeOf(UNUSABLE[3]!)
  const asItIs = await replay(letter)
  expect(asItIs).toMatchObject({ status: 400, detail: expect.stringContaining(`${letter} is still unusable`) })
  const corrected = await replay(letter, { id: 7, at: 1_700_000_000_000, topic: 'tea', words: 3 })
  expect(corrected).toMatchObject({ status: 202, repeated: false, corrected: true })
  expect(await counted(corrected.position)).toBe(11)
  const again = await Promise.all([replay(letter), replay(letter, { id: 8, at: 1 })])
  for (const repeat of again) expect(repeat).toMatchObject({ status: 202, repeated: true, to: corrected.to })
  expect(await counted(corrected.position)).toBe(11)
  const { data } = (await get(LETTERS)) as { data: (Letter & { replayed: unknown })[] }
  const shown = data.filter(({ replayed }) => replayed !== null)
  expect(shown).toMatchObject([{ text: UNUSABLE[3], replayed: { to: corrected.to, corrected: true } }])
  expect(await replay(letter, [1, 2])).toMatchObject({ status: 202, repeated: true })
  expect(await replay('0:999999', {})).toMatchObject({ status: 404 })
})

test('by the command line', async () => {
  const list = watershed('dead-letters', 'list', DATASET, '--limit', '1')
  expect(list.stdout).toContain(UNUSABLE[3])
  expect(list.stderr).toContain('--cursor')
  const none = watershed('dead-letters', 'list', DATASET, '--reason', 'no such reason')
  expect([none.code, none.stderr]).toEqual([
    0,
    expect.stringContaining(`\`watershed dead-letters reasons ${DATASET}\``),
  ])
  expect(watershed('dead-letters', 'reasons', DATASET, '--json').stdout).toContain('"count":2')
  const letter = await placeOf(UNUSABLE[1]!)
  expect(watershed('dead-letters', 'download', DATASET, letter).stdout).toBe(UNUSABLE[1])
  await writeFile(join(folder, 'fixed.json'), '{"id": 20, "at": 1700000000000}\n')
  const corrected = watershed(
    'dead-letters',
    'replay',
    DATASET,
    letter,
    '--event',
    join(folder, 'fixed.json'),
    '--json',
  )
  expect(corrected.code, corrected.stderr).toBe(0)
  const [{ to, repeated }] = JSON.parse(corrected.stdout)
  expect(repeated).toBe(false)
  expect(await counted(`${to.partition}:${to.offset + 1}`)).toBe(12)
  const rest = watershed('dead-letters', 'replay', DATASET, '--reason', 'id ($.id): "b" is not a valid BIGINT')
  expect([rest.code, rest.stderr]).toEqual([2, expect.stringContaining('is still unusable: id ($.id): "b"')])
})
