/**
 * Attacks the address of its first argument until it is told to stop. Says 'answered' when several kinds of attacks were, and at the end the statuses of
 * each attack, and what the platform of its second argument occupied.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { occupiedMib } from '#bench/serving/process-usage.ts'
import { Attacker } from './attacks.ts'

const SAMPLE_EVERY_MS = 500
/** so many kinds of attacks were answered: the platform has done something about them */
const ANSWERED = 4

export interface Attacked {
  /** how often each status came, by attack */
  readonly statuses: Readonly<Record<string, Readonly<Record<string, number>>>>
  readonly occupiedMibMax: number
}

const [address = '', pid = ''] = process.argv.slice(2)
const stop = new AbortController()
process.once('message', () => stop.abort())
const attacker = new Attacker(address, stop.signal)
const sampled = sample()
const found = await attacker.all()
attacker.leave()
const statuses = Object.fromEntries([...found].map(([name, own]) => [name, Object.fromEntries(own)]))
process.send!({ statuses, occupiedMibMax: await sampled } satisfies Attacked)
process.disconnect()

async function sample(): Promise<number> {
  let most = 0
  while (!stop.signal.aborted) {
    most = Math.max(most, occupiedMib(Number(pid)))
    if (attacker.answered.size >= ANSWERED) process.send!('answered')
    await sleep(SAMPLE_EVERY_MS)
  }
  return most
}
