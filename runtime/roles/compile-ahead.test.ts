import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const ROLE = new URL('./reader-thread.ts', import.meta.url).href
const own = (file: string): string => join(import.meta.dirname, file)

/** Runs as the role's thread does, but for its work, which it refuses here. */
const LOADS = `await import('${ROLE}').catch(() => {})
const { hasCompiled } = await import('${new URL('./compile-ahead.ts', import.meta.url).href}')
console.log(hasCompiled())`

test('a role whose modules were compiled ahead does not load the compiler', () => {
  const folder = mkdtempSync(join(tmpdir(), 'watershed-compiled-'))
  const env = { ...process.env, NODE_COMPILE_CACHE: folder }
  const node = (...words: string[]): string => execFileSync(process.execPath, words, { env, encoding: 'utf8' }).trim()
  const elsewhere = { ...env, NODE_COMPILE_CACHE: join(folder, 'elsewhere') }
  const loads = ['--input-type=module', '-e', LOADS]
  try {
    const without = execFileSync(process.execPath, loads, { env: elsewhere, encoding: 'utf8' }).trim()
    node(own('compile-modules.ts'), ROLE, new URL('./compile-ahead.ts', import.meta.url).href)
    expect([without, node(...loads)]).toEqual(['true', 'false'])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
