import { expect, test } from 'vitest'
import { z } from 'zod'
import { placeOf, schemaMessage } from './schema-message.ts'

const SCHEMA = z.strictObject({
  name: z.string().min(2).max(3).optional(),
  on: z.boolean().optional(),
  ms: z.int().min(0).max(10).optional(),
  mode: z.enum(['full', 'incremental']).optional(),
  size: z.union([z.string(), z.number()]).optional(),
  list: z
    .array(z.strictObject({ view: z.string() }))
    .min(1)
    .optional(),
})

test.each<[object, string, string]>([
  [{ on: 'yes' }, 'on', 'must be a boolean, not a string'],
  [{ on: null }, 'on', 'must be a boolean, not null'],
  [{ name: ['a'] }, 'name', 'must be a string, not a list'],
  [{ name: 'a' }, 'name', 'must have at least 2 characters'],
  [{ name: 'abcd' }, 'name', 'must have at most 3 characters'],
  [{ ms: 1.5 }, 'ms', 'must be an integer, not a number'],
  [{ ms: -1 }, 'ms', 'must be at least 0'],
  [{ ms: 11 }, 'ms', 'must be at most 10'],
  [{ mode: 'half' }, 'mode', "must be one of 'full', 'incremental'"],
  [{ size: true }, 'size', 'has none of the allowed forms'],
  [{ list: {} }, 'list', 'must be a list, not an object'],
  [{ list: [] }, 'list', 'must have at least 1 elements'],
  [{ list: [{ view: 'a' }, {}] }, 'list[1].view', 'is required but missing'],
])('%j: %s %s', (value, place, message) => {
  const [issue] = SCHEMA.safeParse(value).error!.issues
  expect([placeOf(issue!.path as (string | number)[]), schemaMessage(issue!.message)]).toEqual([place, message])
})
