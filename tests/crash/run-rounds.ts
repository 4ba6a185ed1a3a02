/** Rounds of kill -9 on the real platform: npm run crash -- --rounds 200 [--seed n] [--keep] */
import { parseArgs } from 'node:util'
import { Random } from '#datasets/random.ts'
import { describeDeath, planDeaths } from './crash-plan.ts'
import { CrashSite } from './crash-site.ts'
import { EventClient } from './event-client.ts'

/** A fresh data folder after so many rounds: reading a log from its start must not take longer and longer. */
const ROUNDS_PER_SITE = 25

export interface RoundsOptions {
  readonly rounds: number
  readonly seed: number
  /** keeps the data folder of a failed round */
  readonly keep?: boolean
  readonly onRound?: (message: string) => void
}

/** Runs the rounds. @throws at the first thing that is wrong; the message has the seed, the round and how it died */
export async function runRounds(options: RoundsOptions): Promise<void> {
  const random = new Random(options.seed)
  const deaths = planDeaths(options.rounds, random)
  for (let from = 0; from < deaths.length; from += ROUNDS_PER_SITE) {
    const site = await CrashSite.make()
    const client = new EventClient(options.seed + from)
    for (const [index, death] of deaths.slice(from, from + ROUNDS_PER_SITE).entries()) {
      const round = from + index + 1
      try {
        await site.crash(death, client)
        const events = await site.check(client, random.chance(0.5) ? 'stop' : 'kill')
        options.onRound?.(
          `round ${round} of ${deaths.length}: killed ${describeDeath(death)}; ${events} events, ${client.acknowledged.length} acknowledged: all there once, verify equal`,
        )
      } catch (error) {
        const kept = options.keep ? ` (data kept in ${site.folder})` : ''
        if (!options.keep) await site.remove()
        throw new Error(
          `seed ${options.seed}, round ${round}, killed ${describeDeath(death)}${kept}: ${(error as Error).message}`,
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
