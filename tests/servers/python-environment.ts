/** Python packages that tests use: installed once into an environment of their own, then kept between runs. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** Package → version. */
export type PythonPackages = Readonly<Record<string, string>>

const PYTHON = process.env.WATERSHED_PYTHON ?? 'python3'
const FOLDER = resolve(import.meta.dirname, '../../node_modules/.cache/python')
const INSTALL_MS_MAX = 600_000
const run = promisify(execFile)

/** The name of the environment has the versions, so that a change makes a new one. */
function homeOf(packages: PythonPackages): string {
  return join(FOLDER, Object.entries(packages).flat().join('-'))
}

/** Path of a Python that has the packages; null if it is not installed yet. Their programs are beside it. */
export function pythonWith(packages: PythonPackages): string | null {
  const python = join(homeOf(packages), 'bin/python')
  return existsSync(python) ? python : null
}

/** Installs what is missing. @returns the path of the Python. @throws Error with what pip said */
export async function provisionPythonWith(packages: PythonPackages): Promise<string> {
  const there = pythonWith(packages)
  if (there !== null) return there
  await mkdir(FOLDER, { recursive: true })
  const home = homeOf(packages)
  const making = `${home}.${process.pid}`
  try {
    await run(PYTHON, ['-m', 'venv', making])
    const wanted = Object.entries(packages).map(([name, version]) => `${name}==${version}`)
    await run(join(making, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', ...wanted], {
      timeout: INSTALL_MS_MAX,
    })
    await rename(making, home).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (pythonWith(packages) === null) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return pythonWith(packages)!
}
