/** Law: that the places of values are known changes nothing of what an intake answers, and nothing of what the log has. */
import { Field, Float64, Int64, List, Table, tableToIPC, Utf8, vectorFromArray } from 'apache-arrow'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BodyFormat } from '#core/body-format.ts'
import { openScratch, visits } from '../ingest-fixture.ts'
import { Intake } from '../intake.ts'
import { rowsOfBody } from '../parse-body.ts'

const id = fc.option(fc.oneof(fc.bigInt(0n, 999n), fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)), { freq: 9 })
const at = fc.oneof(
  { weight: 9, arbitrary: fc.constant(1_700_000_000_000) },
  fc.constantFrom(Number.NaN, -1, 0.5, 1e300),
)
const note = fc.option(fc.string({ unit: fc.constantFrom('a', 'é', '𝕏', '"', '\n', '\u0000') }))
const row = fc.record({ id, at, note, list: fc.option(fc.array(note, { maxLength: 2 })) })
type Row = { id: bigint | null; at: number; note: string | null; list: (string | null)[] | null }

function arrowOf(rows: readonly Row[], isNested: boolean): Buffer {
  const column = <Name extends keyof Row>(name: Name) => rows.map((each) => each[name])
  return Buffer.from(
    tableToIPC(
      new Table({
        at: vectorFromArray(column('at'), new Float64()),
        note: vectorFromArray(column('note'), new Utf8()),
        id: vectorFromArray(column('id'), new Int64()),
        ...(isNested && { list: vectorFromArray(column('list'), new List(new Field('item', new Utf8(), true))) }),
      }),
      'stream',
    ),
  )
}

test('rows that are made from a table', async () => {
  const [known, scanned] = [await openScratch(), await openScratch()]
  let flat = 0
  const taken = async (scratch: typeof known, body: Buffer, format: BodyFormat, forget: boolean) => {
    const { flat: places, release: _, ...rows } = await rowsOfBody(body, format)
    if (places !== undefined) flat++
    return new Intake({ dataset: visits, log: scratch.log }).offer(
      forget || places === undefined ? rows : { ...rows, flat: places },
    )
  }
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 12 }), fc.boolean(), async (rows, isNested) => {
      const body = arrowOf(rows, isNested)
      expect(await taken(known, body, 'arrow', false)).toEqual(await taken(scanned, body, 'arrow', true))
    }),
    { numRuns: 40 },
  )
  expect(flat).toBeGreaterThan(0)
  const records = await known.records()
  expect(records).toEqual(await scanned.records())
  expect(records.size).toBeGreaterThan(40)
  await Promise.all([known.remove(), scanned.remove()])
})
