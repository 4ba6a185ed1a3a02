/** Answers under load: each row by its name. `BENCH_ROWS=settled,top10` runs some; the others keep the figures of the last run. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { duringRecompute } from './during-recompute.ts'
import { eventToVisible } from './event-to-visible.ts'
import { exports } from './exports.ts'
import { firstAnswers } from './first-answers.ts'
import { largeGeneration } from './large-generation.ts'
import { liveReaders } from './live-readers.ts'
import { manyViews } from './many-views.ts'
import { openWindow } from './open-window.ts'
import { polledPanels } from './polled-panels.ts'
import { questionCosts } from './question-costs.ts'
import { settledAnswers } from './settled-answers.ts'

const ROWS: Readonly<Record<string, () => Promise<Record<string, number>>>> = {
  settled: settledAnswers,
  top10: openWindow,
  recompute: duringRecompute,
  views: manyViews,
  costs: questionCosts,
  keys: largeGeneration,
  visible: eventToVisible,
  panels: polledPanels,
  live: liveReaders,
  exports,
  first: firstAnswers,
}

/** @returns the figures of all rows, each under `<row>:<figure>` @throws RangeError for a row that there is not */
export async function serving(): Promise<Record<string, number>> {
  const wanted = process.env.BENCH_ROWS?.split(',')
  const unknown = wanted?.find((row) => !Object.hasOwn(ROWS, row))
  if (unknown !== undefined) {
    throw new RangeError(`BENCH_ROWS names '${unknown}'; the rows are ${Object.keys(ROWS).join(', ')}`)
  }
  const figures = wanted === undefined ? {} : lastFigures()
  for (const [row, run] of Object.entries(ROWS)) {
    if (wanted !== undefined && !wanted.includes(row)) continue
    process.stderr.write(`  ${row} …\n`)
    for (const [name, value] of Object.entries(await run())) figures[`${row}:${name}`] = value
  }
  return figures
}

function lastFigures(): Record<string, number> {
  try {
    const text = readFileSync(join(import.meta.dirname, '../results/serving.json'), 'utf8')
    return { ...(JSON.parse(text) as { figures: Record<string, number> }).figures }
  } catch {
    return {}
  }
}
