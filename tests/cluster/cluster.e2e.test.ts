/**
 * Cluster mode over the real services, and its faults. Each scenario ends with the same check: every acknowledged event is in the log
 * once, the naive recount of every view is equal to the merged answers, and each serving process says the same number.
 */
import { afterAll, beforeAll, describe } from 'vitest'
import { ofToday } from '../by-day.ts'
import { answersInCluster } from './answers-in-cluster.ts'
import { batchFaults } from './batch-faults.ts'
import { brokerFaults } from './broker-faults.ts'
import { type ClusterServices, servicesMissing, startServices } from './cluster-services.ts'
import { otherReaders } from './other-readers.ts'
import { pageInCluster } from './page-in-cluster.ts'
import { restores } from './restores.ts'
import { serveFaults } from './serve-faults.ts'
import { speedStoreFaults } from './speed-store-faults.ts'
import { workerFaults } from './worker-faults.ts'

/** three servers at once, on a machine that has other work */
const START_MS_MAX = 400_000

/** A row for each day; they take about the same time. */
const SCENARIOS = [
  [batchFaults],
  [restores, pageInCluster],
  [speedStoreFaults],
  [otherReaders, answersInCluster],
  [workerFaults],
  [brokerFaults, serveFaults],
]

const missing = await servicesMissing()

describe.skipIf(missing !== null)('a cluster on Kafka, Elasticsearch and Redis', () => {
  let services: ClusterServices
  beforeAll(async () => {
    services = await startServices()
  }, START_MS_MAX)
  afterAll(() => services?.stop())

  for (const scenarios of ofToday('groups of cluster scenarios', SCENARIOS).flat()) scenarios(() => services)
})
