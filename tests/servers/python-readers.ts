/** The Python that tests read answers with, and its packages: installed once into an environment of their own, then kept between runs. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** What reads answers. The name of the environment has their versions, so that a change makes a new one. */
const PACKAGES = {
  pyarrow: '26.0.1',
  pandas: '3.1.1',
  polars: '2.1.0',
  duckdb: '2.0.1',
  deltalake: '1.6.6',
  openpyxl: '3.1.5',
} as const

const PYTHON = process.env.WATERSHED_PYTHON ?? 'python3'
const FOLDER = resolve(import.meta.dirname, '../../node_modules/.cache/python')
const HOME = join(FOLDER, Object.entries(PACKAGES).flat().join('-'))
const INSTALL_MS_MAX = 600_000
const run = promisify(execFile)

export const PYTHON_READERS = Object.entries(PACKAGES)
  .map((entry) => entry.join(' '))
  .join(', ')

/** Path of a Python that has the packages; null if it is not installed yet. */
export function pythonReaders(): string | null {
  const python = join(HOME, 'bin/python')
  return existsSync(python) ? python : null
}

/** Installs what is missing. @throws Error with what pip said */
export async function provisionPython(): Promise<string> {
  const there = pythonReaders()
  if (there !== null) return there
  await mkdir(FOLDER, { recursive: true })
  const making = `${HOME}.${process.pid}`
  try {
    await run(PYTHON, ['-m', 'venv', making])
    const wanted = Object.entries(PACKAGES).map(([name, version]) => `${name}==${version}`)
    await run(join(making, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', ...wanted], {
      timeout: INSTALL_MS_MAX,
    })
    await rename(making, HOME).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (pythonReaders() === null) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return pythonReaders()!
}
