/** `--batch-engine trino` as a user types it: the recorded RSVPs recounted on Trino give the files of a recount by DuckDB, and `verify` is equal. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { GenerationManifest } from '#storage/lake/generation-manifest.ts'
import { S3Store } from '#storage/lake/s3/s3-store.ts'
import { linesOf, DATASET as NOTES, notes, notesDefinition } from './faults/notes.ts'
import { S3_CREDENTIALS, type S3Server, startS3, whyNoS3 } from './servers/s3-server.ts'
import { bucketCatalog, folderCatalog, type TrinoCatalog } from './servers/trino-catalog.ts'
import { sharedTrino, whyNoTrino } from './servers/trino-server.ts'

const MAIN = resolve(import.meta.dirname, '../runtime/main.ts')
const RECORDING = resolve(import.meta.dirname, '../../shared/data/meetup-rsvps-2017.ndjson')
const DATASET = 'meetup_rsvps'
const PLACE = { pathStyle: true, credentials: S3_CREDENTIALS } as const

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

async function watershed(folder: string, ...given: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [MAIN, ...given], { env: { ...process.env, WATERSHED_DATA: folder } })
  const ended = Promise.withResolvers<number | null>()
  child.once('exit', ended.resolve)
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended.promise])
  return { code, stdout, stderr }
}

function wordsFor(url: string, { name, lakeUri }: TrinoCatalog): string[] {
  const settings = { 'trino.url': url, 'trino.catalog': name, 'trino.lakeUri': lakeUri }
  const set = Object.entries(settings).flatMap(([setting, value]) => ['--set', `${setting}=${value}`])
  return ['--batch-engine', 'trino', '--log-level', 'debug', ...set]
}

/** view → events that Trino counted, as the log says */
function countedBy({ stderr }: Ran): Record<string, number> {
  const counted = stderr.matchAll(/view '(\w+)' of '\w+': Trino counted (\d+) events/g)
  return Object.fromEntries([...counted].map(([, view, events]) => [view, Number(events)]))
}

function expectSameStates(made: Ran, before: GenerationManifest, after: GenerationManifest): void {
  expect(made, made.stderr).toMatchObject({ code: 0 })
  const all = Object.keys(before.views).map((view) => [view, before.rows])
  expect(countedBy(made)).toEqual(Object.fromEntries(all))
  expect(after.id).not.toBe(before.id)
  // Files are named by their content.
  const { boundary, rows, views } = before
  expect(after).toMatchObject({ boundary, rows, views })
}

describe.skipIf(!existsSync(RECORDING) || whyNoTrino() !== null)('the recorded RSVPs, recounted on Trino', () => {
  let folder: string
  let catalog: TrinoCatalog
  let words: readonly string[]
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'watershed-trino-engine-'))
    await watershed(folder, 'ingest', DATASET, RECORDING)
    await watershed(folder, 'batch', 'run', '--full')
    const url = await sharedTrino()
    catalog = await folderCatalog(url, join(folder, 'lake'))
    words = wordsFor(url, catalog)
  }, 300_000)
  afterAll(async () => {
    await catalog?.drop()
    await rm(folder, { recursive: true, force: true })
  })

  function current(): GenerationManifest {
    const lake = join(folder, 'lake', DATASET)
    const id = readFileSync(join(lake, 'CURRENT'), 'utf8').trim()
    return JSON.parse(readFileSync(join(lake, 'generations', id, 'manifest.json'), 'utf8')) as GenerationManifest
  }

  test('a full run gives the same files, byte by byte, and verify finds no difference', async () => {
    const before = current()
    expectSameStates(await watershed(folder, 'batch', 'run', '--full', ...words), before, current())
    const verified = await watershed(folder, 'verify')
    expect(verified, verified.stdout + verified.stderr).toMatchObject({ code: 0 })
  })

  test('a folder that Trino does not find, or no coordinator: a message that says what to do, and nothing is published', async () => {
    const before = current()
    const run = (...set: readonly string[]): Promise<Ran> =>
      watershed(folder, 'batch', 'run', '--full', ...words, ...set.flatMap((setting) => ['--set', setting]))
    const lost = await run('trino.lakeUri=local:///elsewhere')
    expect(lost.code).toBe(74)
    expect(lost.stderr).toContain("finds the lake at trino.lakeUri 'local:///elsewhere'")
    const away = await run('trino.url=http://127.0.0.1:9', 'trino.outageMsMax=1000')
    expect(away.code).toBe(74)
    expect(away.stderr).toMatch(/Trino at http:\/\/127\.0\.0\.1:9 does not answer .*check trino\.url/)
    expect(current()).toEqual(before)
  })
})

describe.skipIf(whyNoTrino() !== null || whyNoS3() !== null)('a lake in a bucket, recounted on Trino', () => {
  const credentials = {
    AWS_ACCESS_KEY_ID: S3_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: S3_CREDENTIALS.secretAccessKey,
  }
  let folder: string
  let server: S3Server
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'watershed-trino-bucket-'))
    server = await startS3()
    await server.makeBucket('lakes')
    Object.assign(process.env, credentials)
  }, 120_000)
  afterAll(async () => {
    for (const name of Object.keys(credentials)) delete process.env[name]
    await server?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('a full run gives the same files, and brings no event to this machine', async () => {
    const [definition, events] = [join(folder, 'notes.ts'), join(folder, 'notes.ndjson')]
    writeFileSync(definition, notesDefinition('watershed'))
    writeFileSync(events, linesOf(notes(0, 900)).join('\n'))
    const lake = ['--dataset', definition, '--lake', 's3://lakes/team', '--s3-endpoint', server.endpoint]
    await watershed(folder, 'ingest', NOTES, events, ...lake)
    await watershed(folder, 'batch', 'run', '--full', ...lake)
    const store = new S3Store({ bucket: 'lakes', prefix: `team/${NOTES}`, ...PLACE, endpoint: server.endpoint })
    const textOf = async (key: string): Promise<string> => {
      const found = await store.get(key)
      return found === null || found === 'same' ? '' : found.text
    }
    const current = async (): Promise<GenerationManifest> => {
      const [id] = (await textOf('CURRENT')).split('\n')
      return JSON.parse(await textOf(`generations/${id}/manifest.json`)) as GenerationManifest
    }
    const before = await current()
    const url = await sharedTrino()
    const place = { endpoint: server.endpoint, bucket: 'lakes', prefix: 'team', folder, ...S3_CREDENTIALS }
    const catalog = await bucketCatalog(url, place)
    const cache = join(folder, 'empty-cache')
    const words = [...lake, '--set', `lakeCache=${cache}`, ...wordsFor(url, catalog)]
    expectSameStates(await watershed(folder, 'batch', 'run', '--full', ...words), before, await current())
    expect(readdirSync(cache, { recursive: true }).filter((name) => /-(events|raw)-/.test(String(name)))).toEqual([])
    await catalog.drop()
  })
})
