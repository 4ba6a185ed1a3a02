import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadConfiguration } from '#runtime/settings/configuration.ts'
import { silent } from '#telemetry/emit.ts'
import { Workspace } from './workspace.ts'

let ground: string
beforeEach(() => {
  ground = mkdtempSync(join(tmpdir(), 'watershed-workspace-'))
})
afterEach(() => rmSync(ground, { recursive: true }))

/** As a command that only reads. */
async function open(environment: Readonly<Record<string, string>>): Promise<string> {
  const data = join(ground, 'data')
  const configuration = await loadConfiguration({ environment: { WATERSHED_DATA: data, ...environment } })
  const workspace = await Workspace.open(configuration, 'serve', silent, false)
  await workspace.close()
  return data
}

test('a command that reads makes no folder for a mistyped path', async () => {
  await expect(open({})).rejects.toThrow(/data folder '.*data' does not exist; choose another with --data/)
  await expect(open({ WATERSHED_LAKE: 's3://bucket/lake' })).rejects.toThrow(/does not exist/)
  expect(existsSync(join(ground, 'data'))).toBe(false)
})

test('on another machine, with lake and log on services, it needs none', async () => {
  expect(existsSync(await open({ WATERSHED_LAKE: 's3://bucket/lake', WATERSHED_LOG: 'kafka' }))).toBe(true)
})
