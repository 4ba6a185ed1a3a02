/** Durable append through the log against a bare node:sqlite bulk insert of the same bytes with the same durability, in turns. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { RsvpGenerator } from '#datasets/meetup-rsvps/rsvp-generator.ts'
import { SqliteLog } from '#storage/log/sqlite/sqlite-log.ts'

const EVENTS = 100_000
const BATCH = 1_000
const ROUNDS = 5

/** @returns median ratio of rates, and events per second of both */
export async function appendRate(): Promise<Record<string, number>> {
  const generator = new RsvpGenerator({ seed: 1, startMs: 0 })
  const batches = Array.from({ length: EVENTS / BATCH }, () => Array.from({ length: BATCH }, () => generator.next()))
  const buffers = batches.map((lines) => Buffer.from(`${lines.join('\n')}\n`))
  const [ours, bare, ratios]: [number[], number[], number[]] = [[], [], []]
  for (let round = 0; round < ROUNDS; round++) {
    const folder = mkdtempSync(join(tmpdir(), 'watershed-bench-'))
    const log = await SqliteLog.open({ file: join(folder, 'log.sqlite'), dataset: 'd', partitions: 1 })
    let began = performance.now()
    for (const lines of buffers) await log.append([{ partition: 0, lines, count: BATCH }])
    ours.push(EVENTS / ((performance.now() - began) / 1_000))
    await log.close()
    const db = new DatabaseSync(join(folder, 'bare.sqlite'))
    db.exec(
      'PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE events (id INTEGER PRIMARY KEY, line TEXT)',
    )
    const insert = db.prepare('INSERT INTO events (line) VALUES (?)')
    began = performance.now()
    for (const lines of batches) {
      db.exec('BEGIN')
      for (const line of lines) insert.run(line)
      db.exec('COMMIT')
    }
    bare.push(EVENTS / ((performance.now() - began) / 1_000))
    db.close()
    rmSync(folder, { recursive: true, force: true })
    ratios.push(ours[round]! / bare[round]!)
  }
  const median = (list: number[]): number => list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)]!
  return {
    events: EVENTS,
    appendEventsPerSecond: median(ours),
    bareEventsPerSecond: median(bare),
    rateAgainstBare: median(ratios),
  }
}
