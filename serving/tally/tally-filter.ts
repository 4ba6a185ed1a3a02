/** The filters of a query as a test of a tally's keys: each comparison is made once per value of its dimension. */
import type { Condition } from '#core/condition.ts'
import type { Filter } from '#core/query.ts'
import { allOf, comparisonTest } from './tally-condition.ts'
import type { TallyKeys, TallyValue } from './tally-keys.ts'
import type { TallyShape } from './tally-shape.ts'

/** null: the engine has to decide */
export function dimensionTest(
  filters: readonly Condition<Filter>[],
  { dimensions }: TallyShape,
  keys: TallyKeys,
): ((key: number) => boolean) | null {
  return allOf<Filter, number>(filters, (filter) => {
    const index = dimensions.findIndex(({ name }) => name === filter.dimension)
    const values = keys.values(index)
    const test = containsTest(filter, keys.isPlain(index)) ?? comparisonTest(dimensions[index]!, filter)
    if (test === null) return null
    const holds = new Uint8Array(values.length)
    for (let place = 0; place < values.length; place++) if (test(values[place]!)) holds[place] = 1
    return (key) => holds[keys.place(index, key)] === 1
  })
}

const ASCII = /^[\0-\x7f]*$/

/** Cases and Unicode normal forms are the engine's, but not those of ASCII. @returns null: it is another operator, or the engine's */
function containsTest(
  { operator, values: [wanted] }: Filter,
  arePlain: boolean,
): ((value: TallyValue) => boolean) | null {
  if (operator !== 'contains' || !arePlain || !ASCII.test(wanted!)) return null
  const part = wanted!.toLowerCase()
  return (value) => value !== null && (value as string).toLowerCase().includes(part)
}
