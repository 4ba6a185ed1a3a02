import { expect, test } from 'vitest'
import { QueryError, UnknownViewError } from '#serving/answers/query-error.ts'
import { endOf } from './end-of.ts'

test('a question that asks for something unknown ends with what is known, once', () => {
  const names = Array.from({ length: 23 }, (_, at) => `d${at}`)
  expect(endOf(new QueryError('filter', "'e' is unknown", names.slice(0, 2)))).toEqual({
    exit: 'usage',
    message: "filter: 'e' is unknown; allowed: d0, d1",
  })
  expect(endOf(new QueryError('filter', "'e' is unknown", names)).message).toMatch(/; allowed: d0, .*, d19 and 3 more$/)
  expect(endOf(new QueryError('limit', 'is too large')).message).toBe('limit: is too large')
  const said = "'v' is unknown; known names: w"
  expect(endOf(new UnknownViewError('view', said, ['w'])).message).toBe(`view: ${said}`)
})
