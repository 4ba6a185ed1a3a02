import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { NeedsBackfillError, QueryError, UnknownViewError } from '#serving/answers/query-error.ts'
import { TooManyQueriesError } from '#serving/http/queries/query-gate.ts'
import { ElasticsearchError } from '#storage/elasticsearch/elasticsearch-error.ts'
import { LakeError } from '#storage/lake/lake-error.ts'
import { KafkaUnavailableError } from '#storage/log/kafka/kafka-settings.ts'
import { RedisFault } from '#storage/redis/redis-fault.ts'
import { StorageFileError } from '#storage/sqlite/sqlite-fault.ts'
import { PROBLEMS, problemOfError } from './problems.ts'

test('docs/reference/errors.md lists the problems of the code', () => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/reference/errors.md', import.meta.url)), 'utf8')
  const inDocs = [...text.matchAll(/^\| `urn:watershed:problem:([a-z-]+)` \| (\d+) \| (.+) \| (yes|no) \|$/gm)]
  const inCode = Object.entries(PROBLEMS).map(([type, { status, title, retryable }]) =>
    [type, status, title, retryable ? 'yes' : 'no'].join(' | '),
  )
  expect(inDocs.map((match) => match.slice(1).join(' | '))).toEqual(inCode)
})

test.each([
  [new QueryError('grain', "'x' is unknown", ['day']), 'bad-query', 400],
  [new QueryError('view', 'unknown parameter'), 'bad-query', 400],
  [new UnknownViewError('view', "'x' is unknown"), 'not-found', 404],
  [new NeedsBackfillError({ dataset: 'd', name: 'v' }), 'needs-backfill', 409],
  [new TooManyQueriesError({ queriesMax: 4, queriesPerClientMax: 3, queriesWaitingMax: 64 }), 'busy', 429],
  [new StorageFileError('/x', 'full', 'the disk is full'), 'storage-fault', 503],
  [new KafkaUnavailableError('t', 'reading', 30_000, 'gone'), 'storage-fault', 503],
  [new ElasticsearchError('unavailable', 'not reachable'), 'storage-fault', 503],
  [new RedisFault('unreachable', 'not reachable'), 'storage-fault', 503],
])('%s is %s', (error, type, status) => {
  expect(problemOfError(error)).toMatchObject({ type: `urn:watershed:problem:${type}`, status, detail: error.message })
})

test('a damaged file is not to be retried, an unavailable store is', () => {
  const damaged = new LakeError('file-damaged', 'lake: x.parquet does not have its checksum')
  const away = new LakeError('storage-unavailable', 'the object store does not answer')
  expect([damaged, away].map((error) => problemOfError(error).retryable)).toEqual([false, true])
})

test('a fault of storage names the file, but not where it is', () => {
  const fault = new StorageFileError('/d/log/shop.sqlite', 'replaced', 'log /d/log/shop.sqlite: the file was deleted')
  expect(problemOfError(fault).detail).toBe('log shop.sqlite: the file was deleted')
  expect(problemOfError(new LakeError('disk-full', "lake: writing '/d/lake/CURRENT': full")).detail).toBe(
    "lake: writing 'CURRENT': full",
  )
})

test('an unexpected error does not reveal its message', () => {
  expect(JSON.stringify(problemOfError(new Error('secret /path')))).not.toContain('secret')
})
