/** The lock file installs on every platform that a package has binaries for, not only on the one where it was written. */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

interface LockedPackage {
  readonly version?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly os?: readonly string[]
  readonly cpu?: readonly string[]
}

const LOCK = fileURLToPath(new URL('../package-lock.json', import.meta.url))
const { packages } = JSON.parse(readFileSync(LOCK, 'utf8')) as {
  readonly packages: Readonly<Record<string, LockedPackage>>
}

/** Own folder first, then the shared one: as Node looks. */
const locked = (parent: string, name: string): LockedPackage | undefined =>
  packages[`${parent}/node_modules/${name}`] ?? packages[`node_modules/${name}`]

test('every optional dependency of a locked package is locked: npm leaves out what is not, and `npm ci` refuses', () => {
  const wanted = Object.entries(packages).flatMap(([parent, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).map((name) => ({ parent, name })),
  )
  expect(wanted.length).toBeGreaterThan(0)
  expect(wanted.filter(({ parent, name }) => locked(parent, name) === undefined)).toEqual([])
})

test.each([
  ['darwin', 'arm64'],
  ['darwin', 'x64'],
  ['linux', 'arm64'],
  ['linux', 'x64'],
  ['win32', 'x64'],
])("DuckDB's binding for %s on %s is locked, in the version that is used", (os, cpu) => {
  const binding = packages[`node_modules/@duckdb/node-bindings-${os}-${cpu}`]
  expect(binding).toMatchObject({
    version: packages['node_modules/@duckdb/node-bindings']!.version,
    os: [os],
    cpu: [cpu],
  })
})
