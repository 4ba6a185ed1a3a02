/**
 * What reads may count: the records of each partition as they were appended. A log that is cut and grows again has another history from
 * there on; a read must agree with one of them from its beginning to its position, and never mix two.
 */
import type { Offset } from '#core/offsets.ts'

export interface SimulatedRecord {
  readonly k: string
  /** unique */
  readonly id: number
}

/** `records`: offset and id */
export interface KeyState {
  readonly k: string
  readonly records: readonly (readonly [Offset, number])[]
}

export interface ReadPlace {
  readonly partition: number
  readonly position: Offset
}

interface Range {
  readonly partition: number
  readonly start: Offset
  readonly end: Offset
}

export class Histories {
  /** by partition; the newest last */
  readonly #of: SimulatedRecord[][][]
  readonly #partitionOf = new Map<number, number>()

  constructor(partitions: number) {
    this.#of = Array.from({ length: partitions }, () => [[]])
  }

  newest(partition: number): readonly SimulatedRecord[] {
    return this.#of[partition]!.at(-1)!
  }

  append(partition: number, records: readonly SimulatedRecord[]): void {
    this.#of[partition]!.at(-1)!.push(...records)
    for (const { id } of records) this.#partitionOf.set(id, partition)
  }

  /** The log goes on after these records; reads of what it was before stay right. */
  begin(partition: number, records: readonly SimulatedRecord[]): void {
    this.#of[partition]!.push([...records])
  }

  /**
   * @param reader `isExact`: false: a key may be counted further than the position, but without holes; `isLeft`: the key was not removed
   * @throws if no history is as the states say
   */
  check(
    states: readonly KeyState[],
    places: readonly ReadPlace[],
    gaps: readonly Range[],
    reader: { readonly name: string; readonly isExact: boolean; isLeft(key: string): boolean },
  ): void {
    for (const place of places) {
      const own = countedOf(states, (id) => this.#partitionOf.get(id) === place.partition)
      const inGap = (offset: Offset): boolean =>
        gaps.some(({ partition, start, end }) => partition === place.partition && offset >= start && offset < end)
      const faults = this.#of[place.partition]!.map((history) => faultOf(own, history, place, inGap, reader))
      if (faults.every((fault) => fault !== null))
        throw new Error(`${reader.name}, partition ${place.partition}: ${faults.at(-1)}`)
    }
  }
}

type Counted = ReadonlyMap<string, readonly (readonly [Offset, number])[]>

function countedOf(states: readonly KeyState[], isOwn: (id: number) => boolean): Counted {
  const counted = new Map<string, [Offset, number][]>()
  for (const { k, records } of states) {
    const own = records.filter(([, id]) => isOwn(id)).map(([offset, id]): [Offset, number] => [offset, id])
    if (own.length > 0)
      counted.set(
        k,
        [...(counted.get(k) ?? []), ...own].sort(([a], [b]) => a - b),
      )
  }
  return counted
}

function faultOf(
  counted: Counted,
  history: readonly SimulatedRecord[],
  { position }: ReadPlace,
  inGap: (offset: Offset) => boolean,
  { isExact, isLeft }: { readonly isExact: boolean; isLeft(key: string): boolean },
): string | null {
  const keys = new Set([...counted.keys(), ...history.map(({ k }) => k).filter(isLeft)])
  for (const key of keys) {
    const got = counted.get(key) ?? []
    const reach = isExact ? position : Math.max(position, (got.at(-1)?.[0] ?? -1) + 1)
    const wanted = history.flatMap(({ k, id }, offset) =>
      k === key && offset < reach && !inGap(offset) ? [[offset, id]] : [],
    )
    if (JSON.stringify(got) !== JSON.stringify(wanted))
      return `key ${key} at position ${position}: counted ${JSON.stringify(got)}, wanted ${JSON.stringify(wanted)}`
  }
  return null
}
