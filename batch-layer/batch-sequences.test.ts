/**
 * Any order of landing, runs, crashes, rollbacks, compactions and removals, also of raw events and of panes: what is served is always the
 * recount of everything up to its boundary, seen through the generation's horizon.
 */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import type { DatasetDefinition } from '#core/definition.ts'
import type { StepName } from '#core/steps.ts'
import { definition as answers, BatchFixture, crashAt, PARTITIONS } from './batch-fixture.ts'
import { compactSegments } from './compact.ts'
import { rollback } from './rollback.ts'

type Act =
  | { readonly kind: 'land'; readonly partition: number; readonly rows: number; readonly deadLetters: number }
  | { readonly kind: 'run'; readonly mode: 'full' | 'incremental'; readonly crash: StepName | null }
  | { readonly kind: 'rollback'; readonly back: number }
  | { readonly kind: 'compact'; readonly crash: boolean }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'keep'; readonly panes: Panes }

type Panes = NonNullable<NonNullable<DatasetDefinition['keep']>['panes']>

const DAY = 86_400_000
/** Events are dated over about two days, and arrive over as long as the waits take. */
const POLICIES: readonly Panes[] = [
  {},
  { minute: '1d' },
  { minute: '6h', hour: '1d', day: '2d' },
  { minute: '12h', hour: '2d' },
  { hour: '1d' },
]
const definition: DatasetDefinition = {
  ...answers,
  views: { ...answers.views, by_country: { ...answers.views.by_country!, time: ['minute', 'hour', 'day'] } },
}

const CRASHES: readonly StepName[] = [
  'batch:files-written',
  'generation:published',
  'generation:before-current',
  'generation:current-swapped',
]

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('land' as const),
      partition: fc.integer({ min: 0, max: PARTITIONS - 1 }),
      rows: fc.integer({ min: 0, max: 60 }),
      deadLetters: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('run' as const),
      mode: fc.constantFrom('full', 'incremental', 'incremental'),
      crash: fc.option(fc.constantFrom(...CRASHES), { freq: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rollback' as const), back: fc.integer({ min: 0, max: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('compact' as const), crash: fc.boolean() }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(60_000, 3_600_000, DAY, 2 * DAY) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('keep' as const), panes: fc.constantFrom(...POLICIES) }) },
)

async function perform(batch: BatchFixture, next: Act): Promise<void> {
  const crashed = (error: unknown): void => {
    if (!(error instanceof Error && error.message.startsWith('crash'))) throw error
  }
  if (next.kind === 'land') await batch.land(next.partition, next.rows, next.deadLetters)
  else if (next.kind === 'wait') batch.nowMs += next.ms
  else if (next.kind === 'keep') await batch.redefine({ ...definition, keep: { raw: '5s', panes: next.panes } })
  else if (next.kind === 'run') {
    const step = next.crash ? crashAt(next.crash) : undefined
    const lake = await batch.openLake(step)
    await batch.run({ mode: next.mode, keepGenerations: 3, step, lake, stateFileBytes: 600 }).catch(crashed)
  } else if (next.kind === 'compact') {
    const step = next.crash ? crashAt('compact:committed') : undefined
    const { lake, engine } = batch
    const clock = () => batch.nowMs
    await compactSegments({ lake, engine, partitions: PARTITIONS, rowsTarget: 200, step, clock }).catch(crashed)
  } else {
    const generations = await batch.lake.generations()
    const target = generations.at(-1 - next.back)
    if (target) await rollback({ lake: batch.lake, id: target.id })
  }
  batch.nowMs += 1_000
}

it('whatever happens in whatever order, the generation that is served is the recount', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(act, { minLength: 6, maxLength: 16 }), async (acts) => {
      const batch = await BatchFixture.open({ ...definition, keep: { raw: '5s', panes: POLICIES[2]! } })
      batch.stepMs = 500_000
      try {
        for (const next of acts) {
          await perform(batch, next)
          const served = await batch.lake.current()
          if (served) await batch.expectAllCounted(served)
          const whole = next.kind === 'run' && next.crash === null
          if (whole) expect((await batch.lake.generations()).length).toBeLessThanOrEqual(4)
        }
        for (let round = 0; round < 3; round++) {
          await batch.land(0, 5, 1)
          batch.nowMs += 10_000
          await batch.run({ mode: 'full', keepGenerations: 1, force: true })
        }
        const reader = await batch.openLake()
        expect((await reader.verifyFiles()).problems).toEqual([])
        await batch.expectAllCounted(await batch.run({ mode: 'incremental', force: true, lake: reader }), reader)
        expect((await reader.chains(PARTITIONS, { compacted: true }))[0]!.segments[0]!.kind).toBe('summary')
      } finally {
        await batch.close()
      }
    }),
    { numRuns: 12, endOnFailure: true },
  )
})
