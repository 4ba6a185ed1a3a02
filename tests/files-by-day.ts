/**
 * Test files that take turns: each day one of four groups runs, so that the whole check stays within its time. They take long: most
 * start, kill or starve real services and processes; what they prove of the core has quick tests that run every day.
 */
import { FILE_DAYS, today } from './by-day.ts'

/** Of about equal length, 11 minutes if they ran one after the other. What a group's files need is started once. */
export const GROUPS: readonly (readonly string[])[] = [
  // Trino, Spark, Python and buckets.
  [
    'batch-layer/trino-recount.test.ts',
    'storage/trino/trino-client.test.ts',
    'tests/lake-scale.test.ts',
    'tests/object-store/s3-platform.e2e.test.ts',
    'tests/open-tables/readers.test.ts',
    'tests/open-tables/spark.test.ts',
    'tests/open-tables/trino.test.ts',
    'tests/trino-engine.e2e.test.ts',
    'tests/trino/expressions.test.ts',
    'tests/trino/moments.test.ts',
  ],
  // Kafka, and the roles on services.
  [
    'batch-layer/bullmq-schedule.test.ts',
    'runtime/roles/roles-on-services.e2e.test.ts',
    'storage/lake/s3/s3-outages.test.ts',
    'storage/log/kafka/kafka-closed-transactions.test.ts',
    'storage/log/kafka/kafka-faults.test.ts',
    'storage/log/kafka/kafka-foreign-records.test.ts',
    'storage/log/kafka/kafka-group.test.ts',
    'storage/log/kafka/kafka-keyed-faults.test.ts',
    'storage/log/kafka/kafka-security.test.ts',
    'tests/cluster/cluster-crash.test.ts',
    'tests/cluster/idle-worker.test.ts',
    'tests/cluster/kafka-source.test.ts',
    'tests/cluster/kafka-workers.test.ts',
    'tests/object-store/requests.test.ts',
  ],
  // Elasticsearch, and what is shipped.
  [
    'runtime/roles/starts-before-elasticsearch.e2e.test.ts',
    'storage/speed-store/elasticsearch/elasticsearch-speed-store.test.ts',
    'tests/elasticsearch/dashboards.test.ts',
    'tests/elasticsearch/presented-indices.test.ts',
    'tests/elasticsearch/store-unavailable.test.ts',
    'tests/elasticsearch/stream-faults.test.ts',
    'tests/kept-panes.e2e.test.ts',
    'tests/live-readers/live-readers.e2e.test.ts',
    'tests/recipes.e2e.test.ts',
    'tests/shipped-datasets/datasets-page.e2e.test.ts',
    'tests/shipped-datasets/demo-sources.e2e.test.ts',
    'tests/shipped-datasets/live-streams.e2e.test.ts',
    'tests/shipped-datasets/recent-search.e2e.test.ts',
  ],
  // Disks, damage, losses and clients of the platform on embedded parts.
  [
    'runtime/commands/init-command.e2e.test.ts',
    'runtime/roles/listener-tls.e2e.test.ts',
    'tests/backup.e2e.test.ts',
    'tests/faults/backfill.e2e.test.ts',
    'tests/faults/cancelled.e2e.test.ts',
    'tests/faults/damage.e2e.test.ts',
    'tests/faults/disk.e2e.test.ts',
    'tests/faults/idempotency-key.e2e.test.ts',
    'tests/faults/log-behind-lake.e2e.test.ts',
    'tests/faults/no-start.e2e.test.ts',
    'tests/faults/sources.e2e.test.ts',
    'tests/faults/wide-values.e2e.test.ts',
    'tests/generated-requests/schemathesis.test.ts',
    'tests/hostile/hostile-clients.e2e.test.ts',
    'tests/raw-retention.e2e.test.ts',
    'tests/restores/closed-segment-loss.test.ts',
    'tests/restores/open-segment-loss.test.ts',
    'tests/restores/restored-lake.test.ts',
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
  return GROUPS.filter((_, index) => index !== day % FILE_DAYS).flat()
}

/** Whether one of the files runs today: what only they need is not fetched on other days. */
export function runsToday(files: readonly string[]): boolean {
  const left = leftOut(['run'])
  return files.some((file) => !left.includes(file))
}
