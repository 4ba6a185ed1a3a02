/** Runs the examples of docs/datasets.md: each question has the answer that the page shows. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SHIPPED_DATASETS } from '#datasets/shipped.ts'
import { type Example, examplesOf, PageFolder } from '#tests/page-examples.ts'

const EXAMPLES = examplesOf('datasets.md').filter(({ language }) => language === 'sh')
const bySection = Map.groupBy(EXAMPLES, ({ section }) => section)

test('the page has every shipped dataset, with the answers to its questions', () => {
  const generated = Object.entries(SHIPPED_DATASETS).filter(([, { generator }]) => generator !== undefined)
  expect([...bySection.keys()]).toEqual(generated.map(([name]) => name))
  const withoutAnswer = EXAMPLES.filter(({ text, printed }) => text.includes(' query ') && printed === null)
  expect(withoutAnswer).toEqual([])
})

describe.each([...bySection])('%s', (_, examples: Example[]) => {
  let folder: PageFolder
  beforeAll(() => {
    folder = new PageFolder()
  })
  afterAll(() => folder.remove())

  test.each(examples.map((example) => [example.text.trim().split('\n').at(-1), example] as const))(
    '%s',
    (_command, example) => folder.expectRuns(example),
  )
})
