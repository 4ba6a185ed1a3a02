/**
 * DuckDB's command line and extensions, which it cannot fetch by itself without the internet: installed once from Python's package
 * registry, then kept between runs.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'

/** The newest with extensions of the same version. */
const VERSION = '1.5.5'
const EXTENSIONS = ['httpfs', 'delta']
const PYTHON = process.env.WATERSHED_PYTHON ?? 'python3'
const FOLDER = resolve(import.meta.dirname, '../../node_modules/.cache/duckdb')
const HOME = join(FOLDER, [VERSION, ...EXTENSIONS].join('-'))
const INSTALL_MS_MAX = 600_000
const run = promisify(execFile)

/** Folder with the program `duckdb`; null if it is not installed yet. */
export function duckdbFolder(): string | null {
  const folder = join(HOME, 'bin')
  return existsSync(join(folder, 'duckdb')) ? folder : null
}

/** Installs it if it is missing. @returns the folder with the program. @throws Error with what pip said */
export async function provisionDuckdb(): Promise<string> {
  if (duckdbFolder() !== null) return duckdbFolder()!
  const making = `${HOME}.${process.pid}`
  try {
    const names = ['duckdb-cli', ...EXTENSIONS.map((name) => `duckdb-extension-${name}`)]
    const wanted = names.map((name) => `${name}==${VERSION}`)
    const options = ['install', '--quiet', '--no-deps', '--only-binary', ':all:', '--target', join(making, 'packages')]
    await mkdir(making, { recursive: true })
    await run(PYTHON, ['-m', 'pip', ...options, ...wanted], { timeout: INSTALL_MS_MAX })
    await placeExtensions(making)
    await mkdir(join(making, 'bin'))
    const program = join(making, 'bin/duckdb')
    // The program looks for its extensions below the home folder.
    const home = '$(dirname "$(dirname "$0")")'
    await writeFile(
      program,
      `#!/bin/sh\nroot="${home}"\nHOME="$root/home" exec "$root/packages/duckdb_cli/duckdb" "$@"\n`,
    )
    await chmod(program, 0o755)
    await rename(making, HOME).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster.
      if (duckdbFolder() === null) throw error
    })
  } finally {
    await rm(making, { recursive: true, force: true })
  }
  return duckdbFolder()!
}

async function placeExtensions(root: string): Promise<void> {
  const { stdout } = await run(join(root, 'packages/duckdb_cli/duckdb'), [
    '-noheader',
    '-list',
    '-c',
    'PRAGMA platform',
  ])
  const folder = join(root, 'home/.duckdb/extensions', `v${VERSION}`, stdout.trim())
  await mkdir(folder, { recursive: true })
  for (const name of EXTENSIONS) {
    const file = `${name}.duckdb_extension`
    const packaged = join(root, `packages/duckdb_extension_${name}/extensions`, `v${VERSION}`, file)
    await copyFile(packaged, join(folder, file))
  }
}
