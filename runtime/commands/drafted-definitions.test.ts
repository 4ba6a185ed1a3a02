/** Law: whatever the events, their draft loads, and no derived column fails on them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { draftColumns } from '#ingest/inference/column-draft.ts'
import { draftDataset } from '#ingest/inference/dataset-draft.ts'
import { definitionText } from '#ingest/inference/definition-text.ts'
import { Survey } from '#ingest/inference/survey.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { loadDatasets } from '../drivers/definitions.ts'
import { decodeSample, rejectedBy } from './check-derived.ts'

/** a test has no package of the name that a definition imports */
const PACKAGE = fileURLToPath(new URL('../../core/definition.ts', import.meta.url))

let folder: string
let engine: DuckDbEngine
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watershed-drafts-'))
  engine = await DuckDbEngine.open({ folders: [], threads: 1 })
})
afterAll(async () => {
  engine.close()
  await rm(folder, { recursive: true })
})

const ODD_NAMES = ['', 'a"b', '\\', '\n', '\t', '\u2028', '[*]', 'x[*]', '$', 'a.b', "it's", '7', '__proto__', 'İ', 'ı']
const name = fc.oneof(
  fc.constantFrom('a', 'A', 'b', 'time', 'at', 'order', 'é', 'É', 'a_text', 'text', 'constructor', ...ODD_NAMES),
  fc.string({ maxLength: 5, unit: 'binary' }),
)
const NUMBERS = ['7', '007', '1,234', '1.234', '1,234,567', '1.234,5', '1e-07', '1234567890123456.78', '1767225600.5']
const scalar = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    1,
    1.5,
    1e-7,
    1e22,
    1_767_225_600.5,
    'x',
    '2026-01-01',
    '01/02/2026',
    ...NUMBERS,
  ),
  fc.constantFrom('12345678901234567890', '12345678901234567890.12345678901234567'),
  fc.string({ maxLength: 4, unit: 'binary' }),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalar,
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(name, tie('value'), { maxKeys: 4 }),
  ),
}))
const events = fc.array(fc.dictionary(name, value, { maxKeys: 12 }), { minLength: 1, maxLength: 4 })

test('any events', async () => {
  let count = 0
  await fc.assert(
    fc.asyncProperty(events, fc.constantFrom(null, ',', ';'), async (members, delimiter) => {
      const sample = members.map((own, at) => ({ ...own, id: at, happened_at: `2026-01-01T00:00:0${at}Z` }))
      const survey = new Survey()
      for (const event of sample) survey.add(event)
      const source = { delimiter, decimalComma: [], guessed: new Map() }
      const { columns, doubts } = draftColumns(survey, new Set(['at', 'order']), source)
      const draft = draftDataset('x', columns, sample.length)
      const file = join(folder, `${count++}.ts`)
      const text = definitionText({ ...draft, doubts: [...draft.doubts, ...doubts] }, columns, 'x')
      await writeFile(file, text.replace("from 'watershed'", `from '${PACKAGE}'`))
      const [dataset] = [...(await loadDatasets([file], engine)).values()]
      const sampled = { events: sample, texts: sample.map((event) => JSON.stringify(event)) }
      const decoded = await decodeSample(dataset!, sampled)
      expect(rejectedBy(dataset!, sampled, decoded)).toEqual([])
      expect(decoded?.counts.filter(({ failed }) => failed > 0) ?? []).toEqual([])
    }),
    { numRuns: 60 },
  )
})
