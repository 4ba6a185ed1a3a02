/** What doctor says of views whose history is not computed. */
import { expect, test } from 'vitest'
import type { OpenDataset } from '../drivers/open-dataset.ts'
import { examineDefinition } from './examine-generation.ts'

function examined(stored: Readonly<Record<string, string>> | null, now: Readonly<Record<string, string>>) {
  const views = (hashes: Readonly<Record<string, string>>) =>
    Object.entries(hashes).map(([name, hash]) => [name, { name, hash }] as const)
  const current = stored === null ? null : { views: Object.fromEntries(views(stored)) }
  const dataset = { name: 'shop', views: new Map(views(now)) }
  return examineDefinition({ lake: { current: async () => current }, dataset } as unknown as OpenDataset)
}

test('views that are new are not told as changed', async () => {
  expect(await examined({ a: '1', b: '1' }, { a: '1', b: '2', c: '1' })).toMatchObject({
    state: 'attention',
    message: 'changed since the generation was built: b; added since the generation was built: c',
    advice: 'run `watershed backfill shop`',
  })
  expect(await examined({ a: '1' }, { a: '1', c: '1' })).toMatchObject({
    message: 'added since the generation was built: c',
    numbers: { views: 2, added: 1, changed: 0 },
  })
})

test('without a generation, or with the same views, nothing is to be done', async () => {
  for (const stored of [null, { a: '1', gone: '1' }])
    expect(await examined(stored, { a: '1' })).toMatchObject({ state: 'ok', message: '1 views, as in the generation' })
})
