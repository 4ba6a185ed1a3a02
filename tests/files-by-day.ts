/**
 * Test files that take turns: each day one of three groups runs, so that the whole check stays within its time. They take long: most
 * start, kill or starve real services and processes; what they prove of the core has quick tests that run every day.
 */
import { today } from './by-day.ts'

/** of about equal length */
export const GROUPS: readonly (readonly string[])[] = [
  [
    'runtime/roles/listener-tls.e2e.test.ts',
    'storage/log/kafka/kafka-closed-transactions.test.ts',
    'storage/log/kafka/kafka-faults.test.ts',
    'tests/cluster/idle-worker.test.ts',
    'tests/cluster/kafka-source.test.ts',
    'tests/elasticsearch/dashboards.test.ts',
    'tests/elasticsearch/store-unavailable.test.ts',
    'tests/faults/backfill.e2e.test.ts',
    'tests/faults/damage.e2e.test.ts',
    'tests/faults/log-behind-lake.e2e.test.ts',
    'tests/lake-scale.test.ts',
    'tests/object-store/requests.test.ts',
    'tests/open-tables/trino.test.ts',
    'tests/restores/closed-segment-loss.test.ts',
    'tests/shipped-datasets/datasets-page.e2e.test.ts',
    'tests/shipped-datasets/recent-search.e2e.test.ts',
    'tests/trino/moments.test.ts',
  ],
  [
    'batch-layer/trino-recount.test.ts',
    'runtime/commands/init-command.e2e.test.ts',
    'storage/log/kafka/kafka-foreign-records.test.ts',
    'storage/log/kafka/kafka-keyed-faults.test.ts',
    'tests/elasticsearch/stream-faults.test.ts',
    'tests/object-store/s3-platform.e2e.test.ts',
    'tests/open-tables/readers.test.ts',
    'tests/open-tables/spark.test.ts',
    'tests/raw-retention.e2e.test.ts',
    'tests/restores/restored-lake.test.ts',
  ],
  [
    'runtime/roles/roles-on-services.e2e.test.ts',
    'runtime/roles/starts-before-elasticsearch.e2e.test.ts',
    'storage/log/kafka/kafka-group.test.ts',
    'storage/speed-store/elasticsearch/elasticsearch-speed-store.test.ts',
    'tests/cluster/cluster-crash.test.ts',
    'tests/cluster/kafka-workers.test.ts',
    'tests/elasticsearch/presented-indices.test.ts',
    'tests/faults/disk.e2e.test.ts',
    'tests/faults/idempotency-key.e2e.test.ts',
    'tests/faults/no-start.e2e.test.ts',
    'tests/faults/sources.e2e.test.ts',
    'tests/faults/wide-values.e2e.test.ts',
    'tests/kept-panes.e2e.test.ts',
    'tests/live-readers/live-readers.e2e.test.ts',
    'tests/restores/open-segment-loss.test.ts',
    'tests/shipped-datasets/live-streams.e2e.test.ts',
    'tests/trino-engine.e2e.test.ts',
  ],
]

/**
 * The files of the other days. None when files or folders are named, and with TEST_ALL_DAYS=1.
 *
 * @param words of vitest's command line, e.g. `['run', 'tests/faults']`
 *
 * @example
 * leftOut(['run'], 0).includes(GROUPS[1][0]) // true
 * leftOut(['run', 'tests/faults'], 0) // []
 */
export function leftOut(words: readonly string[], day = today()): readonly string[] {
  const named = words.some((word, index) => index > 0 && !word.startsWith('-'))
  if (named || process.env.TEST_ALL_DAYS === '1') return []
  return GROUPS.filter((_, index) => index !== day % GROUPS.length).flat()
}
