/** The backup of docs/operations.md, made of a running platform while events arrive, restored and counted. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from './faults/notes.ts'
import { type Answer, RunningPlatform, watershed } from './faults/watershed.ts'
import { until } from './until.ts'

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))

let folder: string
let platform: RunningPlatform | null = null
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-backup-'))
})
afterEach(async () => {
  await platform?.stop()
  await rm(folder, { recursive: true, force: true })
})

async function backup(data: string, copy: string): Promise<void> {
  const page = await readFile(join(REPOSITORY, 'docs/operations.md'), 'utf8')
  const script = join(folder, 'backup.sh')
  await writeFile(script, /^```sh\n(#!\/bin\/sh\n[\s\S]*?)^```/m.exec(page)![1]!)
  await promisify(execFile)('sh', [script, data, copy], { cwd: REPOSITORY })
}

test('a copy of a running platform has every event acknowledged before it, and goes on', async () => {
  const [data, copy, definition] = [join(folder, 'data'), join(folder, 'copy'), join(folder, 'notes.ts')]
  await writeFile(definition, notesDefinition('watershed'))
  const words = ['--dataset', definition]
  // The copy must not meet the removal of a generation.
  const running = await RunningPlatform.start(data, words, { WATERSHED_KEEP_GENERATIONS: '1000' })
  platform = running
  let sent = 0
  let isCopied = false
  const send = async (): Promise<void> => {
    const reply = await running.post(DATASET, linesOf(notes(sent, sent + 50)))
    expect(reply.status, reply.body).toBe(202)
    sent += 50
  }
  for (let request = 0; request < 10; request++) await send()
  const counted = async (): Promise<boolean> =>
    (await running.answer(`/v1/datasets/${DATASET}/views/all`)).meta.rows.batch > 0
  expect(await until('a generation with events', counted)).toBe(true)
  const before = sent
  const sending = (async () => {
    while (!isCopied) await send()
  })()
  await backup(data, copy)
  isCopied = true
  await sending
  expect(await running.stop()).toBe(0)

  const query = ['query', DATASET, 'by_topic', '--json', ...words]
  const restored = JSON.parse((await watershed(query, copy)).stdout) as Answer
  const rows = restored.meta.rows.batch + restored.meta.rows.closed + restored.meta.rows.open
  expect(rows).toBeGreaterThanOrEqual(before)
  expect(rows).toBeLessThanOrEqual(sent)
  expect(restored.data).toEqual(byTopic(notes(0, rows)))
  const doctor = await watershed(['doctor', '--deep', ...words], copy)
  expect(doctor.code, doctor.stdout).toBe(0)

  const more = join(folder, 'more.ndjson')
  await writeFile(more, linesOf(notes(rows, rows + 30)).join('\n'))
  expect((await watershed(['ingest', DATASET, more, ...words], copy)).code).toBe(0)
  const verified = await watershed(['verify', ...words], copy)
  expect(verified.code, verified.stdout + verified.stderr).toBe(0)
  expect((JSON.parse((await watershed(query, copy)).stdout) as Answer).data).toEqual(byTopic(notes(0, rows + 30)))
})
