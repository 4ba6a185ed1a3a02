/** Runs docs/tutorial.md from its first command to its last, in one folder, and compares what is printed with the page. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { examplesOf, isInstalled, PageFolder } from './page-examples.ts'

const EXAMPLES = examplesOf('tutorial.md')

let folder: PageFolder
beforeAll(() => {
  folder = new PageFolder()
})
afterAll(() => folder.remove())

test('the page uses every command that leads from a file to a merged answer', () => {
  const page = EXAMPLES.map(({ text }) => text).join('\n')
  for (const command of ['init', 'test', 'check', 'ingest', 'query', 'batch run', 'verify'])
    expect(page).toContain(`./watershed ${command} `)
})

for (const [at, example] of EXAMPLES.entries()) {
  const isRunnable = !example.text.includes('jq ') || isInstalled('jq')
  test.skipIf(!isRunnable)(`${at + 1}. ${example.section}`, () => folder.expectRuns(example))
}
