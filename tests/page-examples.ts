/** Runs the examples of a page in their order, in one folder, and compares what they print with the page. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))

export interface Example {
  readonly section: string
  readonly language: string
  readonly text: string
  /** the block after it, if that shows its output */
  readonly printed: string | null
}

/** Every code block of a page of docs/; a block of the language `text` is the output of the one before it. */
export function examplesOf(page: string): Example[] {
  const text = readFileSync(join(REPOSITORY, 'docs', page), 'utf8')
  let section = ''
  const found: Example[] = []
  for (const [, heading, language, block] of text.matchAll(/^#+ (.*)$|^```(.*)\n([\s\S]*?)^```$/gm)) {
    if (heading !== undefined) section = heading
    else if (language !== 'text') found.push({ section, language: language!, text: block!, printed: null })
    else if (found.length > 0) found.push({ ...found.pop()!, printed: block! })
  }
  return found
}

/** programs that some examples need beside this repository */
export const isInstalled = (program: string): boolean => spawnSync(program, ['--version']).status === 0

const PROGRAMS: Readonly<Record<string, string>> = { sh: 'sh', ts: process.execPath, python: 'python3' }

/** A folder with `./watershed`, in which the examples of a page run one after the other. */
export class PageFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'watershed-page-'))
  readonly #environment: NodeJS.ProcessEnv

  /** @param programs folders in which programs are looked for first */
  constructor(programs: readonly string[] = []) {
    const PATH = [...programs, process.env.PATH].join(':')
    this.#environment = { ...process.env, PATH, WATERSHED_DATA: join(this.path, 'data') }
    symlinkSync(join(REPOSITORY, 'watershed'), join(this.path, 'watershed'))
  }

  /**
   * Runs an example; its first line can name a file, `// sales.ts` or `# sales.py`. A definition is only placed.
   * @param placed its text, with what differs from the page
   */
  expectRuns({ language, text, printed }: Example, placed = text): void {
    const script = join(this.path, /^(?:\/\/|#) (\S+)\n/.exec(text)?.[1] ?? 'example.sh')
    writeFileSync(script, placed)
    if (text.includes("from 'watershed'")) return
    const words = language === 'sh' ? ['-e', script] : [script]
    const options = { cwd: this.path, env: this.#environment, encoding: 'utf8' } as const
    const { status, stdout, stderr } = spawnSync(PROGRAMS[language]!, words, options)
    expect(status, stderr).toBe(0)
    if (printed !== null) expectPrinted(stdout, printed)
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}

/** a line of the page may end in …: the rest differs from run to run */
function expectPrinted(stdout: string, printed: string): void {
  const [lines, expected] = [stdout, printed].map((text) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.trimEnd()),
  )
  const comparable = lines!.map((line, at) => {
    const shown = expected![at]?.endsWith('…') ? expected![at]!.slice(0, -1) : null
    return shown !== null && line.startsWith(shown) ? `${shown}…` : line
  })
  expect(comparable.join('\n')).toBe(expected!.join('\n'))
}
