/** Derives from a view's `time` or `window` its pane: the unit of event time in which its states are stored. */
import type { ViewTime } from './compiled.ts'
import type { ViewDefinition } from './definition.ts'
import { CALENDAR_GRAINS, durationMs, type FixedGrain, GRAIN_MS, type Grain } from './grains.ts'

/** Reports a problem and its place in the view. */
export type Say = (where: string, problem: string) => void

const CALENDAR = new Set<string>(CALENDAR_GRAINS)

/** The pane of a view and the grains that it can be asked in; null if a problem was reported. */
export function timeOf(view: ViewDefinition, say: Say): ViewTime | null {
  if (view.window !== undefined && view.time !== undefined) {
    say('', 'has both time and window; use only one of them')
    return null
  }
  try {
    if (view.window !== undefined) {
      const sizeMs = durationMs(view.window.size, 'window.size')
      const everyMs = durationMs(view.window.every, 'window.every')
      if (sizeMs % everyMs !== 0) {
        say('window', `size ${view.window.size} is not a multiple of every ${view.window.every}`)
        return null
      }
      const grains = [
        ...(Object.keys(GRAIN_MS) as FixedGrain[]).filter((grain) => GRAIN_MS[grain] % everyMs === 0),
        ...CALENDAR_GRAINS,
      ] as Grain[]
      return {
        kind: 'panes',
        paneMs: everyMs,
        paneGrain: grainOf(everyMs),
        grains: 86_400_000 % everyMs === 0 ? grains : grains.filter((grain) => !CALENDAR.has(grain)),
        window: { sizeMs, everyMs },
      }
    }
  } catch (error) {
    say('window', (error as Error).message)
    return null
  }
  if (view.time === undefined || view.time.length === 0) return { kind: 'all-time' }
  const unknown = view.time.filter((grain) => !(grain in GRAIN_MS) && !CALENDAR.has(grain))
  for (const grain of unknown)
    say('time', `unknown grain '${grain}'; use one of ${[...Object.keys(GRAIN_MS), ...CALENDAR].join(', ')}`)
  if (unknown.length > 0) return null
  const fixed = view.time
    .filter((grain): grain is FixedGrain => grain in GRAIN_MS)
    .sort((a, b) => GRAIN_MS[a] - GRAIN_MS[b])
  const pane = fixed[0] ?? 'day'
  const odd = fixed.find((grain) => GRAIN_MS[grain] % GRAIN_MS[pane] !== 0)
  if (odd) {
    say('time', `the grain '${odd}' is not a multiple of the finest one, '${pane}'`)
    return null
  }
  return { kind: 'panes', paneMs: GRAIN_MS[pane], paneGrain: pane, grains: view.time }
}

function grainOf(ms: number): FixedGrain | undefined {
  return (Object.keys(GRAIN_MS) as FixedGrain[]).find((grain) => GRAIN_MS[grain] === ms)
}
