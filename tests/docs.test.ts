/** What the pages say of one another and of the code: links lead somewhere, and operations names what exists. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { EXIT_CODES } from '#runtime/commands/exit-codes.ts'
import { Metrics } from '#telemetry/metrics.ts'

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8')

const top = (await readdir(REPOSITORY)).filter((name) => name.endsWith('.md'))
const inDocs = await readdir(join(REPOSITORY, 'docs'), { recursive: true })
const PAGES = [
  ...top,
  'bench/README.md',
  ...inDocs.filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`),
]

/** the page without its code blocks and code spans */
const proseOf = (page: string): string => read(page).replace(/^```[\s\S]*?^```$/gm, '')
/** the anchors that GitHub gives its headings */
const anchorsOf = (page: string): string[] =>
  [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )

function isFound(page: string, link: string): boolean {
  const [path, anchor] = link.split('#')
  const target = path === '' ? page : relative(REPOSITORY, join(REPOSITORY, dirname(page), path!))
  if (!existsSync(join(REPOSITORY, target))) return false
  if (anchor === undefined || anchor === '') return true
  return statSync(join(REPOSITORY, target)).isFile() && anchorsOf(target).includes(anchor)
}

test.each(PAGES)('every link of %s leads to a file and a heading', (page) => {
  const links = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link!)
  const broken = links.filter((link) => !/^https?:/.test(link) && !isFound(page, link))
  expect(broken).toEqual([])
})

describe('docs/operations.md', () => {
  const page = read('docs/operations.md')

  test('alerts on metrics that exist', async () => {
    const text = await new Metrics().text()
    const known = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name))
    const named = [...new Set(page.match(/watershed_\w+/g))]
    expect(named.length).toBeGreaterThan(5)
    expect(named.filter((name) => !known.has(name))).toEqual([])
  })

  test('says what each exit code asks for', () => {
    const documented = [...page.matchAll(/^\| (\d+) \| (\w+) \|/gm)].map(([, code, name]) => [name, Number(code)])
    expect(documented).toEqual(Object.entries(EXIT_CODES).map(([name, { code }]) => [name, code]))
  })
})

test('each decision has a number of its own, which its title repeats', () => {
  const names = inDocs.filter((name) => /^decisions\/\d{4}-/.test(name)).toSorted()
  expect(names.map((name) => Number(name.slice('decisions/'.length).slice(0, 4)))).toEqual(
    names.map((_, index) => index + 1),
  )
  for (const [index, name] of names.entries()) expect(read(`docs/${name}`)).toMatch(new RegExp(`^# ${index + 1}\\. `))
})
