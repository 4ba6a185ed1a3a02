/** Which death comes in which round: every named step, and random moments, in an order that the seed decides. */
import { STEPS, type StepName } from '#core/steps.ts'
import type { Random } from '#datasets/random.ts'

export type Death =
  /** kills itself the nth time it comes to the step */
  | { readonly kind: 'step'; readonly step: StepName; readonly nth: number }
  /** is killed so long after its start, while it starts or works */
  | { readonly kind: 'moment'; readonly afterMs: number }

/** How often a step comes in a second or two of the tests' configuration; the crash is at a random one of these. */
const NTH_MAX: Readonly<Record<StepName, number>> = {
  'append:before-commit': 30,
  'append:committed': 30,
  'flush:before': 12,
  'flush:written': 12,
  'segment:parquet-written': 6,
  'segment:files-linked': 6,
  'segment:before-manifest': 6,
  'segment:manifest-linked': 6,
  'batch:files-written': 3,
  'generation:published': 3,
  'generation:before-current': 3,
  'generation:current-swapped': 3,
  'compact:committed': 1,
}

const MOMENT_MS_MAX = 4_000

/**
 * Deaths for so many rounds: in each run through the steps every step once, and at most half as many random moments. The last run has no
 * more moments than rounds are left beside its steps, so that as many rounds as there are steps kill at each of them.
 */
export function planDeaths(rounds: number, random: Random, names: readonly StepName[] = STEPS): Death[] {
  const deaths: Death[] = []
  while (deaths.length < rounds) {
    const steps = names.map((step): Death => ({ kind: 'step', step, nth: 1 + random.below(NTH_MAX[step]) }))
    const left = Math.max(0, rounds - deaths.length - names.length)
    const moments = Array.from({ length: Math.min(Math.ceil(names.length / 2), left) }, (): Death => {
      return { kind: 'moment', afterMs: random.below(MOMENT_MS_MAX) }
    })
    deaths.push(...shuffled([...steps, ...moments], random))
  }
  return deaths.slice(0, rounds)
}

function shuffled<T>(items: T[], random: Random): T[] {
  for (let last = items.length - 1; last > 0; last--) {
    const other = random.below(last + 1)
    const kept = items[last]!
    items[last] = items[other]!
    items[other] = kept
  }
  return items
}

export function describeDeath(death: Death): string {
  return death.kind === 'step' ? `at ${death.step}:${death.nth}` : `after ${death.afterMs} ms`
}
