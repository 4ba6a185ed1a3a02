/**
 * The protocol of docs/architecture.md under thousands of random schedules: two owners of one partition and one of another, a batch worker
 * and readers are killed between any two steps. Every read must hold, per key, exactly the records before its position; in the schedules
 * with disasters, it may be refused. A failure prints its seed: SIMULATION_SEED=<seed> repeats it alone.
 */
import { expect, test } from 'vitest'
import { PARTITIONS, type Seen, type SimulationOptions } from './ground.ts'
import type { TailFault } from './live-reader.ts'
import { World } from './world.ts'

const SCHEDULES = 1_500
const SCHEDULES_WITH_DISASTERS = 300
const SCHEDULES_IN_BUCKET = 60
const TURNS = 320
const TURNS_WITH_DISASTERS = 1_600
const TURNS_IN_BUCKET = 2_000

async function simulate(seed: number, options: SimulationOptions = {}): Promise<World> {
  const world = new World(seed, options)
  await world.run(options.bucket ? TURNS_IN_BUCKET : options.disasters ? TURNS_WITH_DISASTERS : TURNS)
  return world
}

interface Total extends Seen {
  stolenLocks: number
  sharedFiles: number
  outOfTurn: number
  generations: number
  segments: number
}

async function simulateAll(schedules: number, options: SimulationOptions = {}): Promise<Total> {
  const only = process.env.SIMULATION_SEED
  const seeds = only === undefined ? Array.from({ length: schedules }, (_, seed) => seed + 1) : [Number(only)]
  const worlds: Total[] = []
  for (const seed of seeds) {
    try {
      const world = await simulate(seed, options)
      const chains = await world.ground.lake().chains(PARTITIONS)
      const segments = chains.reduce((sum, chain) => sum + chain.segments.length, 0)
      const { stolen: stolenLocks, shared: sharedFiles, outOfTurn } = world.ground.bucket
      worlds.push({
        ...world.ground.seen,
        stolenLocks,
        sharedFiles,
        outOfTurn,
        generations: world.ground.begun,
        segments,
      })
    } catch (error) {
      throw new Error(`SIMULATION_SEED=${seed}: ${(error as Error).message}`, { cause: error })
    }
  }
  const names = Object.keys(worlds[0]!) as (keyof Total)[]
  const total = Object.fromEntries(names.map((name) => [name, worlds.reduce((sum, world) => sum + world[name], 0)]))
  console.log(`${seeds.length} schedules, all exact: ${JSON.stringify(total)}`)
  return total as unknown as Total
}

/** The schedules must have got somewhere, or the reads prove nothing. */
function expectMoreThan(total: Total, least: Partial<Total>): void {
  if (process.env.SIMULATION_SEED !== undefined) return
  for (const [name, count] of Object.entries(least)) expect(total[name as keyof Total], name).toBeGreaterThan(count)
}

test('every read is exact, whatever the order and whoever dies', async () => {
  const total = await simulateAll(SCHEDULES)
  const generations = SCHEDULES / 4
  expectMoreThan(total, { reads: SCHEDULES, liveReads: SCHEDULES, segments: SCHEDULES, generations })
  expectMoreThan(total, { removals: SCHEDULES / 20, readsOfLess: SCHEDULES / 50, leftReads: SCHEDULES / 4 })
})

test('every read is exact with the lake in an object store, where listings are late and locks are lost', async () => {
  const total = await simulateAll(SCHEDULES_IN_BUCKET, { bucket: 'fenced' })
  const each = SCHEDULES_IN_BUCKET
  expectMoreThan(total, { reads: each, liveReads: each, segments: each, generations: each, stolenLocks: each / 2 })
  expectMoreThan(total, { readsOfLess: each / 2, sharedFiles: each / 2 })
  expect(total.outOfTurn, 'CURRENT is written by nobody whose lock was taken over').toBe(0)
})

test('the same simulation finds the fault when writes are not conditional', async () => {
  let outOfTurn = 0
  for (let seed = 1; seed <= 30; seed++)
    await simulate(seed, { bucket: 'unfenced' }).then(
      ({ ground }) => {
        outOfTurn += ground.bucket.outOfTurn
      },
      () => {},
    )
  expect(outOfTurn).toBeGreaterThan(5)
})

test('every read is exact or refused, also when the log is trimmed, cut and grows again, writes fail and clocks differ', async () => {
  const total = await simulateAll(SCHEDULES_WITH_DISASTERS, { disasters: true })
  const each = SCHEDULES_WITH_DISASTERS
  const some = SCHEDULES_WITH_DISASTERS / 20
  expectMoreThan(total, { reads: each, liveReads: each, segments: each, generations: each, cuts: each, trims: each })
  expectMoreThan(total, { refusals: each, repairs: some, compactions: some, summarized: each / 3, readsOfLess: each })
})

test('the same simulation finds the fault when the log is compared by its length alone', async () => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 100; seed++)
    await simulate(seed, { disasters: true, byLengthAlone: true }).catch((error: Error) => wrong.push(error.message))
  expect(wrong.filter((message) => /counted .*, wanted /.test(message)).length).toBeGreaterThan(5)
})

test('the same simulation finds the fault when the segment start is left out of a partial’s identity', async () => {
  const wrong: number[] = []
  for (let seed = 1; seed <= 200; seed++) await simulate(seed, { breakIdentity: true }).catch(() => wrong.push(seed))
  expect(wrong.length).toBeGreaterThan(10)
})

test.each<TailFault>([
  'a record is skipped',
  'a batch is applied twice',
  'rows of a closed segment are kept',
  'rows behind a closed segment are dropped with it',
  'a kept answer is given at another position',
])('the same simulation finds the fault when %s', async (tailFault) => {
  const wrong: string[] = []
  for (let seed = 1; seed <= 100; seed++)
    await simulate(seed, { tailFault }).catch((error: Error) => wrong.push(error.message))
  expect(wrong.filter((message) => message.includes('resident')).length).toBeGreaterThan(10)
})
