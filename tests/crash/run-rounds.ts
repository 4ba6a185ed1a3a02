/** Rounds of kill -9 on the real platform: npm run crash -- --rounds 200 [--seed n] [--keep] */
import { parseArgs } from 'node:util'
import type { StepName } from '#core/steps.ts'
import { Random } from '#datasets/random.ts'
import { type Death, describeDeath, planDeaths } from './crash-plan.ts'
import { CrashSite } from './crash-site.ts'
import { EventClient } from './event-client.ts'

/** A fresh data folder after so many rounds: reading a log from its start must not take longer and longer. */
const ROUNDS_PER_SITE = 25

export interface RoundsOptions {
  readonly rounds: number
  readonly seed: number
  /** at which it is killed; default: all */
  readonly steps?: readonly StepName[]
  /** checks after so many deaths, and at the end: what is lost or doubled stays so, and a start costs the most. Default: 1 */
  readonly checkEvery?: number
  /** keeps the data folder of a failed round */
  readonly keep?: boolean
  readonly onRound?: (message: string) => void
}

/** Runs the rounds. @throws at the first thing that is wrong; the message has the seed, the round and how it died */
export async function runRounds(options: RoundsOptions): Promise<void> {
  const random = new Random(options.seed)
  const deaths = planDeaths(options.rounds, random, options.steps)
  const { checkEvery = 1 } = options
  for (let from = 0; from < deaths.length; from += ROUNDS_PER_SITE) {
    const site = await CrashSite.make()
    const client = new EventClient(options.seed + from)
    const own = deaths.slice(from, from + ROUNDS_PER_SITE)
    let unchecked: Death[] = []
    for (const [index, death] of own.entries()) {
      const round = from + index + 1
      unchecked.push(death)
      try {
        await site.crash(death, client)
        if ((index + 1) % checkEvery !== 0 && index + 1 < own.length) continue
        const events = await site.check(client, random.chance(0.5) ? 'stop' : 'kill')
        options.onRound?.(
          `round ${round} of ${deaths.length}: killed ${unchecked.map(describeDeath).join(', ')}; ${events} events, ${client.acknowledged.length} acknowledged: all there once, verify equal`,
        )
        unchecked = []
      } catch (error) {
        const kept = options.keep ? ` (data kept in ${site.folder})` : ''
        if (!options.keep) await site.remove()
        throw new Error(
          `seed ${options.seed}, round ${round}, killed ${unchecked.map(describeDeath).join(', ')}${kept}: ${(error as Error).message}`,
          { cause: error },
        )
      }
    }
    await site.remove()
  }
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '200' },
      seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
      keep: { type: 'boolean', default: false },
    },
  })
  const seed = Number(values.seed)
  console.error(`seed ${seed}`)
  await runRounds({
    rounds: Number(values.rounds),
    seed,
    keep: values.keep,
    onRound: (message) => console.error(message),
  })
  console.error(`${values.rounds} rounds: nothing lost, nothing double`)
}
