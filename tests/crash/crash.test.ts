import { expect, test } from 'vitest'
import { STEPS } from '#core/steps.ts'
import { Random } from '#datasets/random.ts'
import { planDeaths } from './crash-plan.ts'
import { runRounds } from './run-rounds.ts'

/** 16 rounds: every named step once, and a few random moments; `npm run crash -- --rounds 200` has more of them. */
const ROUNDS = 16
const CHECK_EVERY = 4

test('the plan kills at every step and at random moments', () => {
  const deaths = planDeaths(ROUNDS, new Random(1))
  const steps = deaths.flatMap((death) => (death.kind === 'step' ? [death.step] : []))
  expect(steps.toSorted()).toEqual(STEPS.toSorted())
  expect(deaths.length - steps.length).toBe(ROUNDS - STEPS.length)
})

test('kill -9 at every step and at random moments loses nothing and doubles nothing', async () => {
  const seed = Number(process.env.CRASH_SEED ?? Date.now() % 2 ** 31)
  await runRounds({ rounds: ROUNDS, seed, checkEvery: CHECK_EVERY })
}, 600_000)
