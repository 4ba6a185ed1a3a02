/** The grain that a series declares, or a finer one while that one has too few buckets to be looked at: on the first day there is one day. */
import { useEffect, useState } from 'preact/hooks'
import { chosen } from '../address.ts'
import type { Answer } from '../answer.ts'
import { finerGrain } from '../charts/buckets.ts'
import type { Followed } from '../live.ts'
import type { Ask, Source } from '../question.ts'
import { grainOf, range } from '../range.ts'

export interface FittingGrain {
  readonly grain: string
  /** called once in each rendering, with what is known */
  readonly useAnswer: (known: Followed<Ask<{ readonly grain: string }> | null, Answer>) => void
}

/** @param own chosen for the panel; null: nothing is @param key of what is shown; another one begins anew */
export function useFittingGrain({ view, series }: Source, own: string | null, key: string): FittingGrain {
  const [finer, setFiner] = useState({ key, grain: null as string | null })
  const declared = own ?? grainOf(series ?? view, series?.grain)
  const isFree = series !== null && own === null && chosen('grain') === null && range.value.name === ''
  const grain = isFree && finer.key === key && finer.grain !== null ? finer.grain : declared
  const useAnswer: FittingGrain['useAnswer'] = ({ value, asked, pending }) => {
    useEffect(() => {
      if (!isFree || value === null || pending || asked?.shown.grain !== grain) return
      const times = new Set(value.data.map(({ time }) => String(time))).size
      const next = finerGrain(series!.grains, grain, times)
      if (next !== null) setFiner({ key, grain: next })
    }, [value, key, isFree])
  }
  return { grain, useAnswer }
}
