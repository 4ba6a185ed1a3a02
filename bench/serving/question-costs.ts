/**
 * CPU time of one different question, by view, over a generation and open events, with nothing arriving and one question at a time: it depends
 * less on what else the machine does than any latency.
 */
import { appendRsvps, closeAndRecompute, STAY_OPEN, withFolder } from './prepared-folder.ts'
import { ServerProcess } from './server-process.ts'
import { differentQuestions, SHAPE_COUNT } from './view-questions.ts'

const CLOSED_EVENTS = 150_000
const OPEN_EVENTS = 60_000
const PAST_MS = 600_000
const OPEN_MS = 60_000
const WARM_ROUNDS = 4
const ROUNDS = 40

export function questionCosts(): Promise<Record<string, number>> {
  return withFolder(async (folder) => {
    const nowMs = Date.now()
    await appendRsvps(folder, CLOSED_EVENTS, nowMs - PAST_MS, nowMs - OPEN_MS)
    await closeAndRecompute({ folder })
    await appendRsvps(folder, OPEN_EVENTS, nowMs - OPEN_MS, nowMs)
    const server = await ServerProcess.start({ folder, settings: STAY_OPEN })
    try {
      return await costs(server)
    } finally {
      await server.stop(true)
    }
  })
}

/** Milliseconds of CPU time of the whole process for each answer, by view. */
async function costs(server: ServerProcess): Promise<Record<string, number>> {
  const questions = differentQuestions(SHAPE_COUNT * (WARM_ROUNDS + ROUNDS)).filter((path) => path.includes('rsvps'))
  await server.until(questions[0]!, ({ behind }) => behind === 0)
  const shapes = questions.length / (WARM_ROUNDS + ROUNDS)
  for (const path of questions.slice(0, shapes * WARM_ROUNDS)) await server.answer(path)
  await server.untilIdle()
  const measured = Map.groupBy(questions.slice(shapes * WARM_ROUNDS), (path) => /views\/(\w+)/.exec(path)![1]!)
  const figures: Record<string, number> = {}
  for (const [view, paths] of measured) {
    const before = server.cpuSeconds
    for (const path of paths) await server.answer(path)
    figures[`${view}:cpuMs`] = ((server.cpuSeconds - before) * 1_000) / paths.length
  }
  return figures
}
