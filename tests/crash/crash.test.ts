import { expect, test } from 'vitest'
import { STEPS } from '#core/steps.ts'
import { Random } from '#datasets/random.ts'
import { ofToday } from '../by-day.ts'
import { planDeaths } from './crash-plan.ts'
import { runRounds } from './run-rounds.ts'

/** Every one of today's steps once, and a few random moments; `npm run crash -- --rounds 200` has more of all of them. */
const TODAY = ofToday('steps at which the platform is killed', STEPS)
const ROUNDS = TODAY.length + 3
const CHECK_EVERY = 4

test('the plan kills at every step and at random moments', () => {
  for (const rounds of [STEPS.length, STEPS.length + 3, STEPS.length + Math.ceil(STEPS.length / 2)]) {
    const deaths = planDeaths(rounds, new Random(rounds))
    const steps = deaths.flatMap((death) => (death.kind === 'step' ? [death.step] : []))
    expect(steps.toSorted()).toEqual(STEPS.toSorted())
    expect(deaths).toHaveLength(rounds)
  }
  const many = planDeaths(200, new Random(1))
  expect(many).toHaveLength(200)
  for (const step of STEPS)
    expect(many.filter((death) => death.kind === 'step' && death.step === step).length).toBeGreaterThan(8)
})

test('kill -9 at every step and at random moments loses nothing and doubles nothing', async () => {
  const seed = Number(process.env.CRASH_SEED ?? Date.now() % 2 ** 31)
  await runRounds({ rounds: ROUNDS, steps: TODAY, seed, checkEvery: CHECK_EVERY })
}, 600_000)
