/**
 * The laws of every measure, through the real engine on generated rows: merge is associative and commutative and has a
 * zero; present(merge(partial(a), partial(b))) = present(partial(a ∪ b)), to the last digit also for doubles that cancel; the
 * recount, which shares nothing with them, agrees, for doubles within their bound;
 * merge(a, b) - b = a where a measure says that it is invertible.
 */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { CompiledView, SqlColumn } from '#core/compiled.ts'
import { NO_HORIZON, type PaneHorizon, throughHorizonSql } from '#core/pane-horizon.ts'
import { stateJsonSql, statesFromJsonSql } from '#core/state-json.ts'
import { keyNames } from '#core/view-time.ts'
import { CASES, casesOf, connection, dataset, numbers, presented, save, table, together } from './laws-fixture.ts'

/** a view without dimensions cannot keep cases apart: one at a time */
const VIEWS = [
  { name: 'all', cases: CASES, numRuns: 3 },
  { name: 'total', cases: 1, numRuns: 25 },
  { name: 'tagged', cases: CASES, numRuns: 3 },
  { name: 'spread', cases: CASES, numRuns: 1 },
  { name: 'ends', cases: CASES, numRuns: 3 },
]
/** What may be left of panes: of events from 1969 to 2017, some before, in and behind a merged pane. */
function horizonsOf({ time }: CompiledView): PaneHorizon[] {
  if (time.kind === 'all-time') return [NO_HORIZON]
  const merged = { beforeMs: 3_600_000, grain: 'hour' } as const
  return [NO_HORIZON, [merged], [{ beforeMs: 0, grain: 'day' }, merged], [{ beforeMs: 0, grain: null }, merged]]
}

/** Reports a failure before the test times out, even if shrinking has not finished. */
const REPORTED_IN_TIME = { interruptAfterTimeLimit: 120_000, markInterruptAsFailure: true } as const

describe.each(VIEWS)('view $name', ({ name, cases, numRuns }) => {
  test('merging partials of any cut presents the same as one partial, in any order, with a zero', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 12), casesOf(cases, 12), casesOf(cases, 6), async (a, b, c) => {
        await table('a', a, 0)
        await table('b', b, 1)
        await table('c', c, 2)
        const [pa, pb, pc] = [
          await save('pa', view.partialSql('a')),
          await save('pb', view.partialSql('b')),
          await save('pc', view.partialSql('c')),
        ]
        await save('one', view.partialSql(together('a', 'b', 'c')))
        const whole = await presented(view, 'FROM one')
        expect(whole.length).toBeGreaterThan(cases === 1 ? -1 : cases / 2)
        const backwards = `(SELECT * FROM ${together('a', 'b', 'c')} ORDER BY _partition DESC, _offset DESC)`
        expect(await presented(view, view.partialSql(backwards))).toEqual(whole)
        expect(await presented(view, view.mergeSql(together(pa, pb, pc)))).toEqual(whole)
        const ca = await save('ca', view.mergeSql(together(pc, pa)))
        expect(await presented(view, view.mergeSql(together(ca, pb)))).toEqual(whole)
        const bc = await save('bc', view.mergeSql(together(pb, pc)))
        expect(await presented(view, view.mergeSql(together(pa, bc)))).toEqual(whole)
        const nothing = await save('nothing', view.partialSql('(SELECT * FROM a WHERE false)'))
        expect(await presented(view, view.mergeSql(together('one', nothing)))).toEqual(whole)
        const texts = `(SELECT ${stateJsonSql(view)}::VARCHAR AS "row" FROM ${together(pa, pb, pc)})`
        expect(await presented(view, view.mergeSql(`(${statesFromJsonSql(view, texts)})`))).toEqual(whole)
        // over fewer keys: one event may meet itself again
        const by = cases === 1 ? [] : [{ name: 'run', sql: 'run' }]
        const keys = by.map((group) => group.name)
        expect(await presented(view, view.mergeSql(together(pb, pc, pa), by), keys)).toEqual(
          await presented(view, view.mergeSql('one', by), keys),
        )
      }),
      { numRuns, ...REPORTED_IN_TIME },
    )
  })

  test('the independent recount agrees, also of panes that were merged or removed', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 20), fc.constantFrom(...horizonsOf(view)), async (rows, horizon) => {
        await table('a', rows, 0)
        const bounded = view.measures.filter(({ exactness }) => exactness.kind === 'float' && exactness.of !== 'value')
        const exact = {
          ...view,
          measures: view.measures.filter((measure) => !bounded.includes(measure) && measure.name !== 'median'),
        }
        const states = `(${view.partialSql('a')})`
        const left = horizon.length === 0 ? states : `(${view.mergeSql(throughHorizonSql(horizon, states))})`
        const merged = await save('merged', view.presentSql(left, keyNames(view)))
        const recounted = await save('recounted', view.recountSql('a', horizon))
        expect(await numbers(exact, `FROM ${merged}`)).toEqual(await numbers(exact, `FROM ${recounted}`))
        const same = keyNames(view).map((key) => `m."${key}" IS NOT DISTINCT FROM r."${key}"`)
        for (const { name } of bounded) {
          const [m, r, within] = [`m."${name}"`, `r."${name}"`, `r."${name}__within"`]
          const equal = `${m} IS NOT DISTINCT FROM ${r} OR coalesce(abs(${m} - ${r}) <= ${within} OR ${within} = 'inf'::DOUBLE, false)`
          const both = `FROM ${merged} AS m JOIN ${recounted} AS r ON ${same.join(' AND ')}`
          expect(await connection.rows(`SELECT ${m}, ${r}, ${within} ${both} WHERE NOT (${equal})`)).toEqual([])
        }
      }),
      { numRuns, ...REPORTED_IN_TIME },
    )
  })

  test('partials of touched keys are those of the whole', async () => {
    const view = dataset.views.get(name)!
    await fc.assert(
      fc.asyncProperty(casesOf(cases, 20), fc.nat(20), async (rows, from) => {
        await table('a', rows, 0)
        const touched = `(${view.keysSql(`(SELECT * FROM a WHERE _offset % 20 >= ${from})`)})`
        const some = await presented(view, view.partialOfKeysSql('a', touched))
        const whole = new Set(await presented(view, view.partialSql('a')))
        expect(some.filter((text) => !whole.has(text))).toEqual([])
        expect(some.length).toBe(
          keyNames(view).length === 0 ? whole.size : (await connection.columns(`SELECT 1 FROM ${touched}`))[0]!.length,
        )
      }),
      { numRuns, ...REPORTED_IN_TIME },
    )
  })
})

/** SQL of a state column of `merged` without that of `taken`, and of the one that `kept` has; NULL counts as 0. */
function takenOut({ name }: SqlColumn): { rest: string; kept: string } {
  return { rest: `coalesce(merged.${name}, 0) - coalesce(taken.${name}, 0)`, kept: `coalesce(kept.${name}, 0)` }
}

test('what a merge added to an invertible state can be taken out again', async () => {
  const view = dataset.views.get('all')!
  const invertible = view.measures.filter((measure) => measure.invertible !== 'no')
  expect(invertible.map(({ name }) => name)).toEqual(
    ['n', 'n_pos', 'sum_small', 'sum_big', 'sum_price', 'mean', 'share'], // sums of doubles are not
  )
  const whole = { ...view, measures: invertible.filter((measure) => measure.invertible === 'yes') }
  const wholeNames = whole.measures.map(({ name }) => name)
  const keys = keyNames(view)
  const sameAs = (side: string): string =>
    keys.map((key) => `merged.${key} IS NOT DISTINCT FROM ${side}.${key}`).join(' AND ')
  const states = invertible.flatMap(({ state }) => state).map((column) => ({ ...column, ...takenOut(column) }))
  const rest = states.map((state) => `${state.rest} AS ${state.name}`)
  const differs = states.map((state) => `${state.rest} IS DISTINCT FROM ${state.kept}`)
  await fc.assert(
    fc.asyncProperty(casesOf(CASES, 12), casesOf(CASES, 12), async (a, b) => {
      await table('a', a, 0)
      await table('b', b, 1)
      const kept = await save('pa', view.partialSql('a'))
      const taken = await save('pb', view.partialSql('b'))
      const merged = await save('pm', view.mergeSql(together(kept, taken)))
      const joined = `${merged} AS merged LEFT JOIN ${taken} AS taken ON ${sameAs('taken')} LEFT JOIN ${kept} AS kept ON ${sameAs('kept')}`
      expect(await connection.rows(`SELECT merged.* FROM ${joined} WHERE ${differs.join(' OR ')}`)).toEqual([])
      const back = `SELECT ${[...keys.map((key) => `merged.${key}`), ...rest].join(', ')} FROM ${joined} WHERE kept.pane IS NOT NULL`
      expect(await numbers(whole, view.presentSql(`(${back})`, keys, wholeNames))).toEqual(
        await numbers(whole, view.presentSql(kept, keys, wholeNames)),
      )
    }),
    { numRuns: 3 },
  )
})
