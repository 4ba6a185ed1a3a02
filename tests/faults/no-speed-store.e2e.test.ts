/** A serving process whose speed store is unavailable when it starts: it starts, and counts everything. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { freePorts } from '../servers/free-ports.ts'
import { byTopic, DATASET, linesOf, notes, notesDefinition } from './notes.ts'
import { RunningPlatform, watershed } from './watershed.ts'

test('serve starts and answers in full while no server listens at the address of its speed store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'watershed-no-speed-store-'))
  const [data, definition] = [join(folder, 'data'), join(folder, 'notes.ts')]
  await writeFile(definition, notesDefinition('watershed'))
  const ingest = async (from: number, to: number): Promise<void> => {
    const file = join(folder, `${from}.ndjson`)
    await writeFile(file, linesOf(notes(from, to)).join('\n'))
    expect((await watershed(['ingest', DATASET, file, '--dataset', definition], data)).code).toBe(0)
  }
  await ingest(0, 40)
  expect((await watershed(['batch', 'run', '--dataset', definition], data)).code).toBe(0)
  await ingest(40, 60)
  const [port] = await freePorts(1)
  const elsewhere = {
    WATERSHED_SPEED_STORE: 'elasticsearch',
    WATERSHED_ELASTICSEARCH_NODE: `http://127.0.0.1:${port}`,
  }
  const platform = await RunningPlatform.serve(data, ['--dataset', definition], elsewhere)
  try {
    const path = `/v1/datasets/${DATASET}/views/by_topic`
    const answer = await platform.answer(`${path}?require=live`)
    expect(answer).toMatchObject({ data: byTopic(notes(0, 60)), meta: { behind: 0, liveMissing: null } })
    expect((await platform.get('/readyz')).status).toBe(200)
    expect(platform.said).toMatch(/no connection|ECONNREFUSED|Elasticsearch at/)
  } finally {
    expect(await platform.stop()).toBe(0)
    await rm(folder, { recursive: true })
  }
})
