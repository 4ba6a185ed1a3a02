/**
 * Builds the page: `node dashboards/page/build-page.ts` keeps the result for the next start. What is kept is named by everything that it is
 * made of, so a changed source or package builds anew, in about half a second, and nothing is ever stale.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { constants, gzipSync } from 'node:zlib'
import type { BuildOptions, BuildResult, Metafile } from 'esbuild'
import { worldFile } from './world-file.ts'

/** name → content, and name with `.gz` → the same, compressed; names of scripts and styles carry a hash of their content */
export type BuiltPage = ReadonlyMap<string, Buffer>

/** of the compressed content's name */
export const COMPRESSED = '.gz'

const SOURCE = fileURLToPath(new URL('src', import.meta.url))
/** what it shares with the server */
const SHARED = fileURLToPath(new URL('../../core/answer-changes.ts', import.meta.url))
const MODULES = fileURLToPath(new URL('../../node_modules', import.meta.url))
/** what builds it */
const BUILDERS = ['build-page.ts', 'world-file.ts'].map((name) => fileURLToPath(new URL(name, import.meta.url)))
const KEPT = join(MODULES, '.cache/page')
/** the packages that are part of it, or build it */
const PACKAGES = [
  'esbuild',
  'preact',
  '@preact/signals',
  'echarts',
  'topojson-client',
  'world-atlas',
  'i18n-iso-countries',
  'eventsource-parser',
] as const
const BROWSERS = ['es2022']

/** The page, kept from before or built now. @throws if a source does not compile */
export async function builtPage(): Promise<BuiltPage> {
  const folder = join(KEPT, fingerprint())
  if (existsSync(folder)) return readPage(folder)
  const page = await buildPage()
  await keep(page, folder).catch(() => undefined) // where it cannot be written it is built at each start
  return page
}

async function readPage(folder: string): Promise<BuiltPage> {
  const names = await readdir(folder)
  return new Map(
    await Promise.all(names.map(async (name): Promise<[string, Buffer]> => [name, await readFile(join(folder, name))])),
  )
}

/** A rename makes it visible, so that a half-written page is never read. Earlier ones are removed. */
async function keep(page: BuiltPage, folder: string): Promise<void> {
  const draft = `${folder}.${process.pid}`
  await mkdir(draft, { recursive: true })
  await Promise.all([...page].map(([name, bytes]) => writeFile(join(draft, name), bytes)))
  const earlier = (await readdir(KEPT)).map((name) => join(KEPT, name)).filter((path) => path !== draft)
  await rename(draft, folder).catch(() => rm(draft, { recursive: true }))
  await Promise.all(earlier.filter((path) => path !== folder).map((path) => rm(path, { recursive: true, force: true })))
}

/** Of every source and of the versions of the packages. */
function fingerprint(): string {
  const hash = createHash('sha256')
  for (const path of [...BUILDERS, SHARED]) hash.update(readFileSync(path))
  const sources = readdirSync(SOURCE, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  for (const path of sources.map(({ parentPath, name }) => join(parentPath, name)).toSorted())
    hash.update(relative(SOURCE, path)).update(readFileSync(path))
  for (const name of PACKAGES) hash.update(readFileSync(join(MODULES, name, 'package.json')))
  return hash.digest('hex').slice(0, 16)
}

async function buildPage(): Promise<BuiltPage> {
  const esbuild = await import('esbuild')
  const world = worldFile(MODULES)
  const worldName = `world-${createHash('sha256').update(world).digest('hex').slice(0, 8).toUpperCase()}.json`
  try {
    const options = {
      tsconfig: fileURLToPath(new URL('tsconfig.json', import.meta.url)),
      bundle: true,
      minify: true,
      format: 'esm',
      target: BROWSERS,
      outdir: '/page',
      entryNames: '[name]-[hash]',
      chunkNames: '[name]-[hash]',
      define: { 'process.env.NODE_ENV': '"production"', WORLD_FILE: JSON.stringify(`/page/${worldName}`) },
      legalComments: 'none',
      write: false,
      logLevel: 'silent',
    } as const satisfies BuildOptions
    const entries = (...names: string[]) => names.map((name) => join(SOURCE, name))
    const [page, early] = await Promise.all([
      esbuild.build({ ...options, entryPoints: entries('main.tsx', 'page.css'), splitting: true, metafile: true }),
      // A classic script, because modules are deferred; it shares no code with the others.
      esbuild.build({ ...options, entryPoints: entries('first-paint.ts') }),
    ])
    const files = new Map([...filesOf(page), ...filesOf(early)])
    files.set('icon.svg', readFileSync(join(SOURCE, 'icon.svg')))
    files.set('index.html', shellOf([...files.keys()], page.metafile))
    files.set(worldName, world)
    const compressed = [...files].map(([name, bytes]): [string, Buffer] => [
      `${name}${COMPRESSED}`,
      gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }),
    ])
    return new Map([...files, ...compressed])
  } finally {
    await esbuild.stop()
  }
}

function filesOf({ outputFiles = [] }: BuildResult): Map<string, Buffer> {
  return new Map(outputFiles.map(({ path, contents }) => [basename(path), Buffer.from(contents)]))
}

/**
 * The shell names everything that the first panels need, so that it comes at once: the browser would find out about what a script imports
 * only when it has that script.
 */
function shellOf(names: readonly string[], { outputs }: Metafile): Buffer {
  const named = (start: string): string => names.find((name) => new RegExp(`^${start}-[A-Z0-9]{8}\\.`).test(name))!
  const imports = new Map(Object.entries(outputs).map(([path, { imports }]) => [basename(path), imports]))
  const needed = (name: string): string[] => {
    const own = (imports.get(name) ?? []).filter(({ kind }) => kind === 'import-statement')
    return [...new Set(own.flatMap(({ path }) => [basename(path), ...needed(basename(path))]))]
  }
  const [main, charts] = ['main', 'echarts'].map(named) as [string, string]
  const preload = (name: string, priority: string): string =>
    `<link rel="modulepreload" href="/page/${name}"${priority}>`
  const preloads = [
    ...needed(main).map((name) => preload(name, '')),
    ...[charts, ...needed(charts)]
      .filter((name) => !needed(main).includes(name))
      .map((name) => preload(name, ' fetchpriority="low"')),
  ]
  const shell = readFileSync(join(SOURCE, 'index.html'), 'utf8')
    .replace('main.js', main)
    .replace('first-paint.js', named('first-paint'))
    .replace('page.css', named('page'))
    .replace('<!-- preloads -->', preloads.join('\n    '))
  return Buffer.from(shell)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const page = await builtPage()
  const files = [...page].filter(([name]) => !name.endsWith(COMPRESSED))
  const bytes = files.reduce((sum, [, { length }]) => sum + length, 0)
  console.log(`the page is built: ${files.length} files, ${Math.round(bytes / 1024)} KiB`)
}
