/**
 * The world of the simulation: owners, a batch worker, readers and an operator who repairs run the real functions (PartitionOwner, planRun,
 * publishGeneration, removeUnneeded, takeSnapshot, disagreements, …) on ports in memory, one step at a time.
 */
import { runBatches } from './batch-actor.ts'
import { Ground, PARTITIONS, type Pause, type SimulationOptions } from './ground.ts'
import { ownPartition, ownPartitions } from './owner-actor.ts'
import { follow, readSnapshots } from './reader-actors.ts'
import { repairAgain } from './repair-actor.ts'
import { type Actor, Scheduler } from './scheduler.ts'

export class World {
  readonly ground: Ground
  readonly #scheduler: Scheduler
  readonly #roles: ((pause: Pause) => Promise<void>)[]
  #actors: Actor[] = []

  constructor(seed: number, options: SimulationOptions) {
    this.ground = new Ground(seed, options)
    this.#scheduler = new Scheduler(this.ground.random)
    const owners = options.bucket
      ? [[0], [0, 1]].map((partitions) => (pause: Pause) => ownPartitions(this.ground, partitions, pause))
      : [0, 0, 1].map((partition) => (pause: Pause) => ownPartition(this.ground, partition, pause))
    this.#roles = [
      ...owners,
      (pause) => runBatches(this.ground, pause),
      ...(options.bucket ? [(pause: Pause) => runBatches(this.ground, pause)] : []),
      (pause) => readSnapshots(this.ground, pause),
      (pause) => follow(this.ground, pause),
      ...(options.disasters ? [(pause: Pause) => repairAgain(this.ground, pause)] : []),
    ]
  }

  async run(turns: number): Promise<void> {
    const { options, random } = this.ground
    const { disasters, bucket } = options
    this.#actors = this.#roles.map((role) => this.#scheduler.start(role))
    for (let partition = 0; partition < PARTITIONS; partition++) await this.ground.produce(partition)
    for (let turn = 0; turn < turns; turn++) {
      if (random.chance(0.08)) await this.ground.produce(random.below(PARTITIONS))
      if (random.chance(bucket ? 0.003 : disasters ? 0.01 : 0.02)) this.#restart(random.below(this.#actors.length))
      if (disasters && random.chance(0.004)) this.#trim()
      if (disasters && random.chance(0.003)) await this.#cut()
      await this.#scheduler.turn()
    }
  }

  #restart(index: number): void {
    this.#scheduler.kill(this.#actors[index]!)
    this.#actors[index] = this.#scheduler.start(this.#roles[index]!)
  }

  /** The log's own retention, which asks nobody. What it takes after a cut and before anybody looked, nobody can tell from what was counted. */
  #trim(): void {
    const partition = this.ground.random.below(PARTITIONS)
    if (this.ground.unseenCuts.has(partition) || this.ground.isRefused(partition)) return
    const { start, end } = this.ground.records.partitions[partition]!
    this.ground.log().dropBefore(partition, start + this.ground.random.below(end - start + 1))
    this.ground.seen.trims++
  }

  /** A restore from an older copy, while nothing runs; other producers may append before anybody looks. */
  async #cut(): Promise<void> {
    const partition = this.ground.random.below(PARTITIONS)
    const { start, end } = this.ground.records.partitions[partition]!
    if (end === start) return
    const to = start + this.ground.random.below(end - start)
    this.ground.log().cut(partition, to)
    this.ground.histories.begin(partition, this.ground.histories.newest(partition).slice(0, to))
    for (const index of this.#actors.keys()) this.#restart(index)
    for (let appends = this.ground.random.below(4); appends > 0; appends--) await this.ground.produce(partition)
    this.ground.unseenCuts.add(partition)
    this.ground.seen.cuts++
  }
}
