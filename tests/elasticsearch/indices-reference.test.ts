/** docs/reference/indices.md against the code. */
import { readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { compileDataset } from '#core/compile-dataset.ts'
import rsvps from '#datasets/meetup-rsvps/definition.ts'
import { eventsIndex, indexOf } from '#serving/presented-indices/presented-index.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import type { PresentedIndex } from '#storage/presented-store/presented-store.ts'

const TEXT = readFileSync(fileURLToPath(new URL('../../docs/reference/indices.md', import.meta.url)), 'utf8')

/** As a row of the page's last table: the fields by type, both in the order of the code. */
function documented({ name, daily, fields }: PresentedIndex): string {
  const byType = [...Map.groupBy(fields, ({ type }) => type)]
  const texts = byType.map(([type, own]) => `${type}: ${own.map((field) => `\`${field.name}\``).join(', ')}`)
  return `| \`${name}\`${daily ? ', by day' : ''} | ${texts.join('; ')} |`
}

test('docs/reference/indices.md lists exactly the indices of the shipped dataset, with their fields and types', async () => {
  const engine = await DuckDbEngine.open({ folders: [tmpdir()], threads: 1 })
  const dataset = await compileDataset(rsvps, await engine.connect())
  engine.close()
  const indices = [...[...dataset.views.values()].map((view) => indexOf(dataset, view)), eventsIndex({ dataset })]
  expect(TEXT.split('\n').filter((row) => row.startsWith('| `meetup_rsvps-'))).toEqual(indices.map(documented))
})
