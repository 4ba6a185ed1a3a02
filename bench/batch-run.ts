/**
 * A full recompute of all RSVP views against bare DuckDB over the same Parquet files: once with the same SQL (states that can be
 * merged), once with plain aggregates that give the numbers alone (an exact count of distinct members, not the members). And an
 * incremental run with 1 % new data against the full one. Rounds in turns; medians. Incremental runs go on until the views'
 * files were written whole again once, so that the mean holds what that costs.
 */
import { join } from 'node:path'
import { runBatch } from '#batch-layer/run-batch.ts'
import { quoteText } from '#core/sql-names.ts'
import { SqliteDictionary } from '#storage/dictionary/sqlite/sqlite-dictionary.ts'
import { DuckDbEngine } from '#storage/engine/duckdb-engine.ts'
import { RANGE_FILES_MAX } from '#storage/lake/generation-manifest.ts'
import { median, PARTITIONS, RsvpPlatform } from './rsvp-platform.ts'

const EVENTS = Number(process.env.BENCH_EVENTS ?? 2_000_000)
const ROUNDS = 3

const COUNTS = `count(*) AS responses, count(*) FILTER (response = 'yes') AS yes, count(*) FILTER (response = 'no') AS no,
  sum(guests) AS guests, sum(CASE WHEN response = 'yes' THEN 1 + guests ELSE 0 END) AS attendees`
const VENUE = 'venue_lat IS NULL OR venue_lon IS NULL OR (venue_lat = 0 AND venue_lon = 0)'
const LAT = `CASE WHEN ${VENUE} THEN group_lat ELSE venue_lat END`
const LON = `CASE WHEN ${VENUE} THEN group_lon ELSE venue_lon END`
const pane = (ms: number): string => `_time - _time % ${ms} AS pane`
const newest = (columns: readonly string[]): string =>
  columns.map((column, index) => `arg_max(${column}, _time) AS latest_${index}`).join(', ')

/** The shipped views as an analyst would write them: numbers, no states. */
const BARE = [
  `SELECT ${pane(60_000)}, country, ${COUNTS} FROM events GROUP BY ALL`,
  `SELECT ${pane(3_600_000)}, country, city, ${COUNTS} FROM events GROUP BY ALL`,
  `SELECT ${pane(3_600_000)}, round(${LAT}, 1) AS lat, round(${LON}, 1) AS lon, ${COUNTS} FROM events GROUP BY ALL`,
  `SELECT ${pane(10_000)}, topic, country, count(*) AS mentions FROM (SELECT _time, country, unnest(topics) AS topic FROM events) GROUP BY ALL`,
  `SELECT group_id, count(DISTINCT member_id) AS members, count(DISTINCT event_id) AS events, ${COUNTS}, max(mtime) AS last_activity,
    ${newest(['group_name', 'group_urlname', 'topics', 'city', 'country', 'group_lat', 'group_lon'])} FROM events GROUP BY group_id`,
  `SELECT event_id, count(DISTINCT member_id) AS members, ${COUNTS}, max(mtime) AS last_activity,
    ${newest(['event_name', 'event_time', 'event_url', 'group_id', 'group_name', 'group_urlname', 'venue_name', 'topics', 'city', 'country', LAT, LON])}
    FROM events GROUP BY event_id`,
]

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const began = performance.now()
  await work()
  return (performance.now() - began) / 1_000
}

/** @returns seconds and ratios */
export async function batchRun(): Promise<Record<string, number>> {
  const platform = await RsvpPlatform.open()
  const engine = await DuckDbEngine.open({ folders: [platform.folder], threads: 2, memoryLimit: '4GB' })
  const dictionary = await SqliteDictionary.open({ file: join(platform.folder, 'dictionary.sqlite') })
  try {
    const { lake, log, dataset, folder } = platform
    const run = (mode: 'full' | 'incremental') => () =>
      runBatch({ dataset, lake, dictionary, engine, partitions: PARTITIONS, logIdentity: log.identity, mode })
    await platform.append(EVENTS)
    await platform.catchUp(true)
    const connection = await engine.connect()
    const bare = async (selects: readonly string[]): Promise<void> => {
      const files = (await lake.chains(PARTITIONS)).flatMap(({ segments }) =>
        segments.flatMap(({ events }) => events ?? []),
      )
      const paths = files.map((file) => quoteText(lake.resolve(file))).join(', ')
      await connection.run(`CREATE OR REPLACE TEMP VIEW events AS SELECT * FROM read_parquet([${paths}])`)
      for (const [index, select] of selects.entries()) {
        await connection.run(`COPY (${select}) TO ${quoteText(join(folder, `bare-${index}.parquet`))} (FORMAT parquet)`)
      }
    }
    const states = [...dataset.views.values()].map((view) => view.partialSql('events'))
    const [fulls, bares, bareStates]: [number[], number[], number[]] = [[], [], []]
    for (let round = 0; round < ROUNDS; round++) {
      fulls.push(await seconds(run('full')))
      bares.push(await seconds(() => bare(BARE)))
      bareStates.push(await seconds(() => bare(states)))
    }
    const incremental: number[] = []
    for (let round = 0; round <= RANGE_FILES_MAX; round++) {
      await platform.append(EVENTS / 100)
      await platform.catchUp(true)
      incremental.push(await seconds(run('incremental')))
    }
    const full = median(fulls)
    const mean = incremental.reduce((sum, each) => sum + each, 0) / incremental.length
    return {
      events: EVENTS,
      fullSeconds: full,
      bareSeconds: median(bares),
      bareStatesSeconds: median(bareStates),
      fullAgainstBareNumbers: median(fulls.map((each, round) => each / bares[round]!)),
      fullAgainstBareStates: median(fulls.map((each, round) => each / bareStates[round]!)),
      incrementalSeconds: median(incremental),
      incrementalSecondsMax: Math.max(...incremental),
      fullAgainstIncremental: full / median(incremental),
      fullAgainstIncrementalMean: full / mean,
    }
  } finally {
    await dictionary.close()
    engine.close()
    await platform.close()
  }
}
