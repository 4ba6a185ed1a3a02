import { expect, test } from 'vitest'
import { ProblemError } from '#serving/http/problems.ts'
import { formatOf } from './answer-format.ts'

test.each([
  [undefined, 'json'],
  ['', 'json'],
  ['*/*', 'json'],
  ['application/*', 'json'],
  ['text/*', 'csv'],
  ['text/csv', 'csv'],
  ['text/csv; charset=utf-8', 'csv'],
  ['Text/CSV;header=present', 'csv'],
  ['application/json;charset=UTF-8', 'json'],
  ['application/jsonl', 'ndjson'],
  ['application/vnd.apache.arrow.stream, */*;q=0.1', 'arrow'],
  ['application/vnd.apache.parquet;q=0.5, application/x-ndjson;q=0.6', 'ndjson'],
  ['application/vnd.openxmlformats-officedocument.spreadsheetml.sheet', 'xlsx'],
  ['text/csv;q=0.8, application/json;q=0.9', 'json'],
  ['application/json;q=0, */*', 'ndjson'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'json'],
])('Accept: %s is answered as %s', (accept, name) => {
  expect(formatOf(accept, undefined).name).toBe(name)
})

function problemOf(accept: string | undefined, extension?: string): unknown {
  try {
    return formatOf(accept, extension)
  } catch (error) {
    if (error instanceof ProblemError) return error.problem
    throw error
  }
}

test.each(['text/html', 'image/*', 'text/csv;q=0', '*/*;q=0', 'application/json;version=2', 'nonsense'])(
  'Accept: %s is refused, with the types that there are',
  (accept) => {
    expect(problemOf(accept)).toMatchObject({
      status: 406,
      detail: `the answer cannot be given as '${accept}'`,
      allowed: expect.arrayContaining(['application/json', 'text/csv', 'application/vnd.apache.parquet']),
    })
  },
)

test('an extension decides, whatever the header says; one that is no format is not found', () => {
  expect(formatOf('text/html', 'parquet').name).toBe('parquet')
  expect(problemOf(undefined, 'xml')).toMatchObject({
    status: 404,
    allowed: ['json', 'ndjson', 'csv', 'arrow', 'parquet', 'xlsx'],
  })
})
