/** For tests: who reads while the others work, and compares what it reads with the history of the log. */
import { type ServedDataset, type Snapshot, takeSnapshot } from '#serving/answers/snapshot.ts'
import { dataset, type Ground, PARTITIONS, type Pause } from './ground.ts'
import type { KeyState, ReadPlace } from './histories.ts'
import { countedFiles, horizonIn, leftOf, statesOf } from './key-states.ts'
import { LiveReader } from './live-reader.ts'
import { VIEW } from './offset-fold.ts'

/** A reader that takes a snapshot each time. */
export function readSnapshots(ground: Ground, pause: Pause): Promise<void> {
  return ground.again(pause, async () => {
    const [lake, log] = [ground.lake(pause), ground.log(pause)]
    const served = { dataset, lake, store: ground.store(pause), partitions: PARTITIONS } as unknown as ServedDataset
    const compared = ground.options.disasters && !ground.options.byLengthAlone
    const snapshot = await takeSnapshot(compared ? { ...served, log } : served)
    const files = countedFiles(snapshot)
    const open = (snapshot.open.get(VIEW.hash) ?? []).map((row) => JSON.parse(row) as KeyState)
    const states = [...files.flatMap((file) => statesOf(lake, file)), ...open]
    check(ground, states, snapshot.partitions, snapshot, { name: 'a snapshot', isExact: false })
    ground.seen.reads++
  })
}

/** A reader that keeps what it read, and follows lake and log. */
export function follow(ground: Ground, pause: Pause): Promise<void> {
  return ground.again(pause, async () => {
    const [lake, log] = [ground.lake(pause), ground.log(pause)]
    const served = { dataset, lake, store: ground.store(pause), log, partitions: PARTITIONS }
    const { tailFault = null } = ground.options
    const parts = served as unknown as ServedDataset
    const reader = new LiveReader(parts, log, 1 + ground.random.below(6), tailFault)
    for (;;) {
      await pause()
      const { left } = reader
      const { state, open, places } = await reader.read()
      if (reader.left > left) ground.seen.leftReads++
      const states = [...countedFiles(state).flatMap((file) => statesOf(lake, file)), ...open]
      check(ground, states, places, state, { name: 'resident', isExact: true })
      ground.seen.liveReads++
    }
  })
}

/** Of the keys that the generation leaves, every record; of the others, what is still in files is not read. */
function check(
  { histories, seen }: Ground,
  states: readonly KeyState[],
  places: readonly ReadPlace[],
  read: Pick<Snapshot, 'generation' | 'gaps'>,
  reader: { readonly name: string; readonly isExact: boolean },
): void {
  const horizon = horizonIn(read)
  const isLeft = (k: string): boolean => leftOf([{ k, records: [] }], horizon).length > 0
  histories.check(leftOf(states, horizon), places, read.gaps, { ...reader, isLeft })
  if (horizon.length > 0) seen.readsOfLess++
}
